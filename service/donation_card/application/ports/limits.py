"""The ports that limit checkout sessions: rate limiter, form sessions and challenges."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from donation_card.application.ports.payments import Account
from donation_card.domain.attack_detection import NO_SIGNALS, AttackStatus, Signals
from donation_card.domain.rate_limits import Bucket


class LimitDecision(Enum):
    """`REPLAYED` means that the single-use value was used before. Then no bucket is charged."""

    ALLOWED = "allowed"
    LIMITED = "limited"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class LimitResult:
    """The decision, the milliseconds until every bucket has room again, and the attack status at that moment."""

    decision: LimitDecision
    retry_after_ms: int
    attack_status: AttackStatus


class RateLimiter(Protocol):
    """Count for all workers together, nothing about a person. Every method raises TotalsUnavailable."""

    async def acquire(
        self, account: Account, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        """Charge all buckets or none, after adding `signals`. `consume_once` names a value that may be used once."""

    async def set_override(self, account: Account, override: str) -> None:
        """Force the attack status `on` or `off`. An empty string ends the override."""

    async def close(self) -> None: ...


class FormSessionStore(Protocol):
    """Store what all workers share about one form. Every method raises TotalsUnavailable.

    `form_hash` can be computed only from the form token.
    """

    async def begin_order(self, account: Account, form_hash: str, order_key: str, max_orders: int) -> str | None:
        """Register an order. Return the text that was stored last, or None if the form has too many orders."""

    async def record_session(self, account: Account, form_hash: str, encrypted_session: str) -> str:
        """Store a text for a form and return the previous one, or an empty string."""


class Challenges(Protocol):
    """Issue and verify proofs of work. A solution is valid only for the form with the same `form_hash`."""

    def issue(self, form_hash: str, level: int) -> dict[str, object]: ...

    def verify(self, proof: str, form_hash: str) -> str | None:
        """Return the name of the solved challenge, to be consumed once, or None if the proof is invalid or too late."""
