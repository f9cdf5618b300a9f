"""The latest checkout session of each form, so that one attempt to donate is never paid twice.

Workers share it in Redis: the session id is encrypted under a key that only the form token contains, and the entry
expires after the lifetime of a session. While Redis is unavailable, each worker uses its own memory.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from donation_card.application.ports.limits import FormSessionStore
from donation_card.application.ports.tokens import Tokens
from donation_card.application.stripe_account import StripeAccount
from donation_card.errors import RateLimited, TotalsUnavailable

MAX_ORDERS_PER_TOKEN = 5
"""Different orders that one form token may start."""

_MAX_FORMS = 10_000


@dataclass(slots=True)
class FormSession:
    """The orders of one form with their attempt numbers, and its latest session, as this worker knows them."""

    attempts: dict[str, int] = field(default_factory=dict)
    latest: tuple[str, str] | None = None

    def first_try(self, order_key: str) -> int:
        """Return the attempt number to start an order with. Raise RateLimited if the form has too many orders."""
        if order_key not in self.attempts and len(self.attempts) >= MAX_ORDERS_PER_TOKEN:
            raise RateLimited("too_many_changes")
        return self.attempts.setdefault(order_key, 0)

    def replaces(self, order_key: str) -> set[str]:
        """Return the session of another order, which this order replaces."""
        return {self.latest[1]} if self.latest and self.latest[0] != order_key else set()


@dataclass(slots=True)
class FormSessions:
    account: StripeAccount
    store: FormSessionStore
    tokens: Tokens
    _sessions: OrderedDict[str, FormSession] = field(default_factory=OrderedDict, init=False)

    def get(self, attempt_id: str) -> FormSession:
        form_session = self._sessions.setdefault(attempt_id, FormSession())
        self._sessions.move_to_end(attempt_id)
        while len(self._sessions) > _MAX_FORMS:
            self._sessions.popitem(last=False)
        return form_session

    async def begin(self, attempt_id: str, order_key: str) -> set[str]:
        """Register an order and return the sessions that it replaces, also those of other workers.

        Raise RateLimited (`too_many_changes`).
        """
        form_session = self.get(attempt_id)
        form_session.first_try(order_key)
        try:
            account = await self.account.get()
            encrypted = await self.store.begin_order(
                account, self._form_hash(attempt_id), order_key, MAX_ORDERS_PER_TOKEN
            )
        except TotalsUnavailable:
            return form_session.replaces(order_key)
        if encrypted is None:
            raise RateLimited("too_many_changes")
        return self._other_sessions(attempt_id, order_key, encrypted)

    async def record_session(self, attempt_id: str, order_key: str, session_id: str) -> set[str]:
        """Store the latest session. Return a session that another worker stored for another order since `begin`."""
        self.get(attempt_id).latest = order_key, session_id
        encrypted = self.tokens.encrypt(attempt_id, f"{order_key} {session_id}")
        try:
            account = await self.account.get()
            previous = await self.store.record_session(account, self._form_hash(attempt_id), encrypted)
        except TotalsUnavailable:
            return set()
        return self._other_sessions(attempt_id, order_key, previous)

    def _other_sessions(self, attempt_id: str, order_key: str, encrypted: str) -> set[str]:
        stored_key, _, session_id = self.tokens.decrypt(attempt_id, encrypted).partition(" ")
        return {session_id} if session_id and stored_key != order_key else set()

    def _form_hash(self, attempt_id: str) -> str:
        return self.tokens.idempotency_key(attempt_id, "form")[:32]
