"""Intentions: what is remembered of a form while it is being paid, so that one intention to give is never paid twice.

Workers share it in Redis, where the session is sealed under a key that only the form's own token has, and its name is a
hash; after an hour and a half it is gone. While Redis is away, each worker goes by its own memory.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from donation_card.application.donations import Donations
from donation_card.application.ports.limits import FormSessionStore
from donation_card.application.ports.payments import CheckoutOrder
from donation_card.application.ports.tokens import Tokens
from donation_card.errors import RateLimited, TotalsUnavailable

MAX_ORDERS_PER_TOKEN: Final = 5
"""Different orders one token may start."""


@dataclass(slots=True)
class FormSession:
    """What this worker remembers of one form token: the attempt each order is at, and the session opened last."""

    attempts: dict[CheckoutOrder, int] = field(default_factory=dict)
    latest: tuple[CheckoutOrder, str] | None = None

    def first_try(self, order: CheckoutOrder) -> int:
        """The attempt to begin this order with. Raises RateLimited: a token is good for a few orders only."""
        if order not in self.attempts and len(self.attempts) >= MAX_ORDERS_PER_TOKEN:
            raise RateLimited("too_many_changes")
        return self.attempts.setdefault(order, 0)

    def replaces(self, order: CheckoutOrder) -> str | None:
        """The session that this order is instead of, also where the donor's page cannot name it: a new tab's."""
        return self.latest[1] if self.latest and self.latest[0] != order else None


@dataclass(slots=True)
class FormSessions:
    donations: Donations
    forms: FormSessionStore
    tokens: Tokens
    _sessions: OrderedDict[str, FormSession] = field(default_factory=OrderedDict)

    def get(self, attempt_id: str) -> FormSession:
        form_session = self._sessions.setdefault(attempt_id, FormSession())
        self._sessions.move_to_end(attempt_id)
        while len(self._sessions) > 10_000:
            self._sessions.popitem(last=False)
        return form_session

    async def begin(self, order: CheckoutOrder) -> set[str]:
        """The sessions that this order is instead of, whichever worker opened them. Raises RateLimited."""
        form_session = self.get(order.attempt_id)
        form_session.first_try(order)
        try:
            account = await self.donations.account()
            sealed = await self.forms.begin_order(
                account, self._form_hash(order), self._order_key(order), MAX_ORDERS_PER_TOKEN
            )
        except TotalsUnavailable:
            return {form_session.replaces(order) or ""} - {""}
        if sealed is None:
            raise RateLimited("too_many_changes")
        return self._other_sessions(order, sealed)

    async def record_session(self, order: CheckoutOrder, session_id: str) -> set[str]:
        """Remember it; gives what another worker opened meanwhile for another order, which `press` could not know."""
        self.get(order.attempt_id).latest = order, session_id
        sealed = self.tokens.encrypt(order.attempt_id, f"{self._order_key(order)} {session_id}")
        try:
            before = await self.forms.record_session(await self.donations.account(), self._form_hash(order), sealed)
        except TotalsUnavailable:
            return set()
        return self._other_sessions(order, before)

    def _other_sessions(self, order: CheckoutOrder, encrypted: str) -> set[str]:
        name, _, session_id = self.tokens.decrypt(order.attempt_id, encrypted).partition(" ")
        return {session_id} if session_id and name != self._order_key(order) else set()

    def _form_hash(self, order: CheckoutOrder) -> str:
        return self.tokens.idempotency_key(order.attempt_id, "form")[:32]

    def _order_key(self, order: CheckoutOrder) -> str:
        return self.tokens.idempotency_key(order.attempt_id, order)[:16]
