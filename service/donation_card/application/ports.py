"""What the verbs need of the world: a ledger, payments, campaigns and tokens, and their few types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from donation_card.domain.attack_detection import NO_SIGNALS, AttackStatus, Signals
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.domain.publication import PublicationPolicy, PublishedTotal
from donation_card.domain.rate_limits import Bucket
from donation_card.domain.totals import ObjectKind, ObjectState, Totals, payment


@dataclass(frozen=True, slots=True)
class Account:
    """Whose money: a Stripe account and its mode. Test and live money, or two accounts, never meet in the ledger."""

    id: str
    livemode: bool

    @property
    def environment(self) -> str:
        return "live" if self.livemode else "test"


# ── the ledger ─────────────────────────────────────────────────────────────────────────────────────────────────


class ApplyResult(Enum):
    """`UNCHANGED`: this state or a later one was known already."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class SyncRun:
    """A pass over Stripe that is about to begin: which generation of the ledger it brings up to date, and from where.

    `since`: UTC seconds, where the last complete pass began. None: the generation is unknown (never built, or it lost
    something, or it contradicts itself), and only a rebuild helps.
    """

    generation: str
    since: int | None


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A generation that a rebuild is filling beside the live one."""

    campaign: str
    generation: str
    salt: str


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """The end of a rebuild: what the ledger had (None: it did not know), what Stripe says, and whether a ledger that
    was built said anything else, be it only for one site."""

    campaign: str
    before: Totals | None
    after: Totals
    mismatch: bool


@dataclass(frozen=True, slots=True)
class SyncHistory:
    """When the last complete pass and the last complete rebuild of an account began (UTC seconds; None: never), and
    how many passes since have found nothing new."""

    last_sync_at: int | None = None
    last_rebuild_at: int | None = None
    empty_syncs: int = 0


class TotalsStore(Protocol):
    """Every method raises LedgerUnavailable when the server does not answer in time or refuses to write."""

    async def apply(self, account: Account, state: ObjectState) -> ApplyResult:
        """Bring one state in. Returns only when it is applied; repeating it changes nothing."""

    async def publish_if_due(
        self, account: Account, campaign: str, policy: PublicationPolicy, *, now: datetime, offline: int, ended: bool
    ) -> PublishedTotal | None:
        """Decide the public figure if its time has come, and read it. None: never published and not built.

        While the projection is unknown, or older than it was, nothing is decided: the last figure comes back, stale.
        """

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        """What the ledger holds now. None: the projection is not built, or contradicts itself, so nobody knows."""

    async def lease(self, account: Account, owner: str) -> bool:
        """Take or keep the right to reconcile; it ends by itself. A courtesy: two passes at once are correct too."""

    async def release(self, account: Account, owner: str) -> None: ...

    async def sync_history(self, account: Account) -> SyncHistory: ...

    async def save_sync_history(self, account: Account, history: SyncHistory) -> None: ...

    async def campaigns(self, account: Account) -> set[str]:
        """Every campaign that the ledger ever heard of, also such as have no file."""

    async def begin_sync(self, account: Account, campaign: str) -> SyncRun:
        """Called before Stripe is asked for anything, so that `advance` can tell what the pass has filled."""

    async def advance_cursor(self, account: Account, campaign: str, run: SyncRun, cursor: int) -> bool:
        """Say, after a complete pass that began at `cursor`, that a built generation is complete up to there.

        False: what the pass filled was lost meanwhile (a wiped server, a rebuild), so nothing is said.
        """

    async def begin_rebuild(self, account: Account, campaign: str) -> Rebuild:
        """Begin a rebuild: from now on `join` fills this shadow too. One that another rebuild left is thrown away."""

    async def apply_to_rebuild(self, account: Account, rebuild: Rebuild, state: ObjectState) -> bool:
        """Join a state into the shadow alone. False: it is gone, another rebuild has begun."""

    async def promote_rebuild(self, account: Account, rebuild: Rebuild, cursor: int) -> RebuildReport | None:
        """End a rebuild that began at `cursor`: the shadow is complete and takes over. None: it is gone."""

    async def discard_rebuild(self, account: Account, rebuild: Rebuild) -> RebuildReport | None:
        """End a rebuild and change nothing. None: the shadow is gone."""

    async def save_account(self, fingerprint: str, account: Account) -> None:
        """Keep which account a secret key opens, for a start while Stripe is away."""

    async def load_account(self, fingerprint: str) -> Account | None: ...

    async def ping(self) -> None:
        """Raise LedgerUnavailable, with the reason, unless the server answers and keeps what it is given."""

    async def close(self) -> None: ...


# ── payments ───────────────────────────────────────────────────────────────────────────────────────────────────


class UiMode(Enum):
    """Where the donor pays: inside our page, or on the payment provider's own."""

    EMBEDDED = "embedded"
    HOSTED = "hosted"


class SessionStatus(Enum):
    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """One intention to give, complete: the same order with the same key is the same checkout session."""

    campaign: str
    site: str
    attempt_id: str
    amount: Money
    ui_mode: UiMode
    description: str
    locale: str
    expires_at: int
    success_url: str | None = None
    cancel_url: str | None = None
    submit_message: str | None = None
    """What stands on the payment provider's page, above its button."""


@dataclass(frozen=True, slots=True)
class ChargeCountry:
    """Where the bank of a card or an account is (ISO 3166), and when it paid (UTC seconds). Nothing else of it."""

    country: str
    created: int


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A checkout session as Stripe last told it. `replayed`: the answer to a repeated idempotency key.

    `charge`: told in the listings of passes only, where it costs no further question.
    """

    id: str
    status: SessionStatus
    amount: Money | None
    campaign: str | None
    site: str
    attempt_id: str | None
    payment_intent: str | None
    created: int
    expires_at: int
    client_secret: str | None = None
    url: str | None = None
    replayed: bool = False
    charge_country: ChargeCountry | None = None

    @property
    def object_state(self) -> ObjectState | None:
        """What this session says about its payment, for the ledger; None while there is nothing to say."""
        if self.status is not SessionStatus.PAID or not (self.campaign and self.payment_intent and self.amount):
            return None
        return payment(self.campaign, self.payment_intent, self.amount.amount, paid=True, site=self.site)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whom a payment was for, and the site it came from."""

    campaign: str
    site: str


@dataclass(frozen=True, slots=True)
class RefundOrDispute:
    """A refund or a dispute as Stripe last told it: money that goes back, and may come again.

    `contributions` as in `domain.ledger.State`, in minor units of `currency`. `origin`: None while it is not known.
    """

    kind: ObjectKind
    id: str
    payment_intent: str | None
    currency: str
    cumulative_amounts: tuple[int, ...]
    attribution: Attribution | None = None


StripeRecord = CheckoutSession | RefundOrDispute
"""What Stripe tells us of money, in a webhook or when asked."""


@dataclass(frozen=True, slots=True)
class PaymentDeclined:
    """A card was declined on a session of ours: nothing happened to money, and it is a signal of card testing."""


class Payments(Protocol):
    """Every method that asks Stripe raises PaymentsUnavailable when it does not answer in time."""

    key_fingerprint: str
    """Names the secret key without telling it."""

    async def account(self) -> Account: ...

    async def create_session(self, order: CheckoutOrder, idempotency_key: str) -> CheckoutSession: ...

    async def get_session(self, session_id: str) -> CheckoutSession:
        """Raises NotFound when there is no such session."""

    async def expire_session(self, session_id: str) -> CheckoutSession:
        """Close an open session; one that is already paid or expired is returned as it is."""

    async def attribution(self, payment_intent: str) -> Attribution | None:
        """By the payment's metadata, else by its session's; None: it is not a donation of ours. One try of 3 s."""

    def list_created_since(self, created: int) -> AsyncIterator[StripeRecord]:
        """Every session, refund and dispute made at or after `created` (UTC seconds), in no promised order."""

    def list_changed_since(self, changed: int) -> AsyncIterator[StripeRecord]:
        """What the events since `changed` tell: hints of late changes. Never all there is: Stripe keeps them for 30
        days, and some are never made."""

    def parse_event(
        self, body: bytes, signature: bytes, now: datetime, account: Account
    ) -> StripeRecord | PaymentDeclined:
        """Verify and translate a webhook. Raises Invalid (not signed by Stripe, unreadable) and NotOurEvent."""

    async def close(self) -> None: ...


# ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────────


class LimitDecision(Enum):
    """`SPENT`: what may be used once was used before; nothing was taken."""

    ALLOWED = "taken"
    LIMITED = "full"
    REPLAYED = "spent"


@dataclass(frozen=True, slots=True)
class LimitResult:
    """`wait`: milliseconds until there is one more in every bucket. `mode`: what held at that moment."""

    decision: LimitDecision
    retry_after_ms: int
    attack_status: AttackStatus


class RateLimiter(Protocol):
    """Counted for all workers together. Every method raises LedgerUnavailable. Nothing here is about a person."""

    async def acquire(
        self, account: Account, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        """One out of every bucket or out of none; `spend` names what may be used once. Signals are counted first."""

    async def set_override(self, account: Account, override: str) -> None:
        """`on`, `off`, or empty: by itself."""

    async def close(self) -> None: ...


class FormSessionStore(Protocol):
    """What all workers know of one form, under a name that only its own token leads to. Raises LedgerUnavailable."""

    async def begin_order(self, account: Account, form_hash: str, order_key: str, max_orders: int) -> str | None:
        """Begin an order of a form; gives the text that was kept for the form last. None: it has begun too many."""

    async def record_session(self, account: Account, form_hash: str, encrypted_session: str) -> str:
        """Keep a text for a form; gives the one before, or nothing."""


class Challenges(Protocol):
    """Proofs of work. `form`: a hash of the form's token, for which alone a solution is good."""

    def issue(self, form_hash: str, level: int) -> dict[str, object]: ...

    def verify(self, proof: str, form_hash: str) -> str | None:
        """The name of the challenge that this solves, to be spent; None: it solves none of ours, or too late."""


# ── campaigns and tokens ───────────────────────────────────────────────────────────────────────────────────────


class Campaigns(Protocol):
    def get(self, campaign_id: str) -> Campaign:
        """Raises NotFound (`campaign_unknown`)."""

    def all(self) -> Sequence[Campaign]: ...

    def reload(self) -> bool:
        """Read what has changed; a bad edit keeps the campaign as it was. Whether a campaign changed."""

    def load_errors(self) -> str | None:
        """Why the newest version of a file is not in use; None when all are."""


@dataclass(frozen=True, slots=True)
class FormToken:
    """Carried by the giving page's form: which campaign and site, and one intention to give. Lives 60 minutes."""

    campaign: str
    site: str
    attempt_id: str
    issued_at: int


@dataclass(frozen=True, slots=True)
class SessionHandle:
    """What a donor's browser holds of its checkout session. Lives 24 hours."""

    session_id: str
    campaign: str
    attempt_id: str


class Tokens(Protocol):
    """Signed, not secret. Every reading method raises Invalid: `token_missing`, `token_expired`, `token_invalid`."""

    def issue_form_token(self, campaign: str, site: str) -> str: ...

    def read_form_token(self, token: str) -> FormToken: ...

    def issue_handle(self, handle: SessionHandle) -> str: ...

    def read_handle(self, text: str) -> SessionHandle: ...

    def issue_return_token(self, campaign: str, attempt_id: str, return_url: str) -> str:
        """For the hosted page's way back; never expires, and proves nothing but that we sent the donor there.

        `back`: the article that the donor came from, empty where none was named.
        """

    def read_return_token(self, text: str) -> tuple[str, str, str]: ...

    def encrypt(self, attempt_id: str, text: str) -> str:
        """Readable by whoever has the nonce: the form's own token, and Stripe."""

    def decrypt(self, attempt_id: str, encrypted: str) -> str:
        """Nothing where it is none of ours."""

    def idempotency_key(self, attempt_id: str, *parameters: object) -> str:
        """HMAC of the nonce and everything that makes the order what it is; nothing personal in it."""
