"""Intentions: what is remembered of a form while it is being paid, so that one intention to give is never paid twice.

Workers share it in Redis, where the session is sealed under a key that only the form's own token has, and its name is a
hash; after an hour and a half it is gone. While Redis is away, each worker goes by its own memory.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from donation_card.application.donations import Donations
from donation_card.application.ports import Forms, Order, Tokens
from donation_card.errors import LedgerUnavailable, RateLimited

CHANGES_PER_TOKEN: Final = 5
"""Different orders one token may start."""


@dataclass(slots=True)
class Intention:
    """What this worker remembers of one form token: the attempt each order is at, and the session opened last."""

    attempts: dict[Order, int] = field(default_factory=dict)
    latest: tuple[Order, str] | None = None

    def first_attempt(self, order: Order) -> int:
        """The attempt to begin this order with. Raises RateLimited: a token is good for a few orders only."""
        if order not in self.attempts and len(self.attempts) >= CHANGES_PER_TOKEN:
            raise RateLimited("too_many_changes")
        return self.attempts.setdefault(order, 0)

    def superseded_by(self, order: Order) -> str | None:
        """The session that this order is instead of, also where the donor's page cannot name it: a new tab's."""
        return self.latest[1] if self.latest and self.latest[0] != order else None


@dataclass(slots=True)
class Intentions:
    donations: Donations
    forms: Forms
    tokens: Tokens
    _held: OrderedDict[str, Intention] = field(default_factory=OrderedDict)

    def of(self, nonce: str) -> Intention:
        intention = self._held.setdefault(nonce, Intention())
        self._held.move_to_end(nonce)
        while len(self._held) > 10_000:
            self._held.popitem(last=False)
        return intention

    async def press(self, order: Order) -> set[str]:
        """The sessions that this order is instead of, whichever worker opened them. Raises RateLimited."""
        intention = self.of(order.nonce)
        intention.first_attempt(order)
        try:
            account = await self.donations.account()
            sealed = await self.forms.press(account, self._form(order), self._name(order), CHANGES_PER_TOKEN)
        except LedgerUnavailable:
            return {intention.superseded_by(order) or ""} - {""}
        if sealed is None:
            raise RateLimited("too_many_changes")
        return self._others(order, sealed)

    async def opened(self, order: Order, session_id: str) -> set[str]:
        """Remember it; gives what another worker opened meanwhile for another order, which `press` could not know."""
        self.of(order.nonce).latest = order, session_id
        sealed = self.tokens.seal(order.nonce, f"{self._name(order)} {session_id}")
        try:
            before = await self.forms.opened(await self.donations.account(), self._form(order), sealed)
        except LedgerUnavailable:
            return set()
        return self._others(order, before)

    def _others(self, order: Order, sealed: str) -> set[str]:
        name, _, session_id = self.tokens.unseal(order.nonce, sealed).partition(" ")
        return {session_id} if session_id and name != self._name(order) else set()

    def _form(self, order: Order) -> str:
        return self.tokens.idempotency_key(order.nonce, "form")[:32]

    def _name(self, order: Order) -> str:
        return self.tokens.idempotency_key(order.nonce, order)[:16]
