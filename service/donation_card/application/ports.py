"""What the verbs need of the world: a ledger, payments, campaigns and tokens, and their few types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from donation_card.domain.attack_detection import SILENCE, Mode, Signals
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.domain.publication import Published, Rule
from donation_card.domain.rate_limits import Bucket
from donation_card.domain.totals import Kind, State, Totals, payment


@dataclass(frozen=True, slots=True)
class Account:
    """Whose money: a Stripe account and its mode. Test and live money, or two accounts, never meet in the ledger."""

    id: str
    livemode: bool

    @property
    def mode(self) -> str:
        return "live" if self.livemode else "test"


# ── the ledger ─────────────────────────────────────────────────────────────────────────────────────────────────


class Joined(Enum):
    """`UNCHANGED`: this state or a later one was known already."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over Stripe that is about to begin: which generation of the ledger it brings up to date, and from where.

    `since`: UTC seconds, where the last complete pass began. None: the generation is unknown (never built, or it lost
    something, or it contradicts itself), and only a rebuild helps.
    """

    generation: str
    since: int | None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A generation that a rebuild is filling beside the live one."""

    campaign: str
    generation: str
    salt: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The end of a rebuild: what the ledger had (None: it did not know), what Stripe says, and whether a ledger that
    was built said anything else, be it only for one site."""

    campaign: str
    had: Totals | None
    found: Totals
    differs: bool


@dataclass(frozen=True, slots=True)
class Rounds:
    """When the last complete pass and the last complete rebuild of an account began (UTC seconds; None: never), and
    how many passes since have found nothing new."""

    reconciled: int | None = None
    rebuilt: int | None = None
    idle: int = 0


class Ledger(Protocol):
    """Every method raises LedgerUnavailable when the server does not answer in time or refuses to write."""

    async def join(self, account: Account, state: State) -> Joined:
        """Bring one state in. Returns only when it is applied; repeating it changes nothing."""

    async def roll(
        self, account: Account, campaign: str, rule: Rule, *, now: datetime, offline: int, ended: bool
    ) -> Published | None:
        """Decide the public figure if its time has come, and read it. None: never published and not built.

        While the projection is unknown, or older than it was, nothing is decided: the last figure comes back, stale.
        """

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        """What the ledger holds now. None: the projection is not built, or contradicts itself, so nobody knows."""

    async def lease(self, account: Account, owner: str) -> bool:
        """Take or keep the right to reconcile; it ends by itself. A courtesy: two passes at once are correct too."""

    async def release(self, account: Account, owner: str) -> None: ...

    async def rounds(self, account: Account) -> Rounds: ...

    async def end_round(self, account: Account, rounds: Rounds) -> None: ...

    async def campaigns(self, account: Account) -> set[str]:
        """Every campaign that the ledger ever heard of, also such as have no file."""

    async def begin_pass(self, account: Account, campaign: str) -> Pass:
        """Called before Stripe is asked for anything, so that `advance` can tell what the pass has filled."""

    async def advance(self, account: Account, campaign: str, begun: Pass, cursor: int) -> bool:
        """Say, after a complete pass that began at `cursor`, that a built generation is complete up to there.

        False: what the pass filled was lost meanwhile (a wiped server, a rebuild), so nothing is said.
        """

    async def open_shadow(self, account: Account, campaign: str) -> Shadow:
        """Begin a rebuild: from now on `join` fills this shadow too. One that another rebuild left is thrown away."""

    async def fill(self, account: Account, shadow: Shadow, state: State) -> bool:
        """Join a state into the shadow alone. False: it is gone, another rebuild has begun."""

    async def flip(self, account: Account, shadow: Shadow, cursor: int) -> Comparison | None:
        """End a rebuild that began at `cursor`: the shadow is complete and takes over. None: it is gone."""

    async def drop(self, account: Account, shadow: Shadow) -> Comparison | None:
        """End a rebuild and change nothing. None: the shadow is gone."""

    async def remember(self, fingerprint: str, account: Account) -> None:
        """Keep which account a secret key opens, for a start while Stripe is away."""

    async def remembered(self, fingerprint: str) -> Account | None: ...

    async def ping(self) -> None:
        """Raise LedgerUnavailable, with the reason, unless the server answers and keeps what it is given."""

    async def close(self) -> None: ...


# ── payments ───────────────────────────────────────────────────────────────────────────────────────────────────


class Shape(Enum):
    """Where the donor pays: inside our page, or on the payment provider's own."""

    EMBEDDED = "embedded"
    HOSTED = "hosted"


class SessionStatus(Enum):
    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Order:
    """One intention to give, complete: the same order with the same key is the same checkout session."""

    campaign: str
    site: str
    nonce: str
    amount: Money
    shape: Shape
    description: str
    locale: str
    expires_at: int
    success_url: str | None = None
    cancel_url: str | None = None
    notice: str | None = None
    """What stands on the payment provider's page, above its button."""


@dataclass(frozen=True, slots=True)
class Charge:
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
    nonce: str | None
    payment_intent: str | None
    created: int
    expires_at: int
    client_secret: str | None = None
    url: str | None = None
    replayed: bool = False
    charge: Charge | None = None

    @property
    def state(self) -> State | None:
        """What this session says about its payment, for the ledger; None while there is nothing to say."""
        if self.status is not SessionStatus.PAID or not (self.campaign and self.payment_intent and self.amount):
            return None
        return payment(self.campaign, self.payment_intent, self.amount.amount, paid=True, site=self.site)


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a payment was for, and the site it came from."""

    campaign: str
    site: str


@dataclass(frozen=True, slots=True)
class Reversal:
    """A refund or a dispute as Stripe last told it: money that goes back, and may come again.

    `contributions` as in `domain.ledger.State`, in minor units of `currency`. `origin`: None while it is not known.
    """

    kind: Kind
    id: str
    payment_intent: str | None
    currency: str
    contributions: tuple[int, ...]
    origin: Origin | None = None


Told = CheckoutSession | Reversal
"""What Stripe tells us of money, in a webhook or when asked."""


@dataclass(frozen=True, slots=True)
class Declined:
    """A card was declined on a session of ours: nothing happened to money, and it is a signal of card testing."""


class Payments(Protocol):
    """Every method that asks Stripe raises PaymentsUnavailable when it does not answer in time."""

    fingerprint: str
    """Names the secret key without telling it."""

    async def account(self) -> Account: ...

    async def create(self, order: Order, idempotency_key: str) -> CheckoutSession: ...

    async def read(self, session_id: str) -> CheckoutSession:
        """Raises NotFound when there is no such session."""

    async def expire(self, session_id: str) -> CheckoutSession:
        """Close an open session; one that is already paid or expired is returned as it is."""

    async def origin(self, payment_intent: str) -> Origin | None:
        """By the payment's metadata, else by its session's; None: it is not a donation of ours. One try of 3 s."""

    def created_since(self, created: int) -> AsyncIterator[Told]:
        """Every session, refund and dispute made at or after `created` (UTC seconds), in no promised order."""

    def changed_since(self, changed: int) -> AsyncIterator[Told]:
        """What the events since `changed` tell: hints of late changes. Never all there is: Stripe keeps them for 30
        days, and some are never made."""

    def event(self, body: bytes, signature: bytes, now: datetime, account: Account) -> Told | Declined:
        """Verify and translate a webhook. Raises Invalid (not signed by Stripe, unreadable) and NotOurEvent."""

    async def close(self) -> None: ...


# ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Verdict(Enum):
    """`SPENT`: what may be used once was used before; nothing was taken."""

    TAKEN = "taken"
    FULL = "full"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class Taken:
    """`wait`: milliseconds until there is one more in every bucket. `mode`: what held at that moment."""

    verdict: Verdict
    wait: int
    mode: Mode


class Limits(Protocol):
    """Counted for all workers together. Every method raises LedgerUnavailable. Nothing here is about a person."""

    async def take(
        self, account: Account, buckets: Sequence[Bucket], *, spend: str = "", signals: Signals = SILENCE
    ) -> Taken:
        """One out of every bucket or out of none; `spend` names what may be used once. Signals are counted first."""

    async def force(self, account: Account, forced: str) -> None:
        """`on`, `off`, or empty: by itself."""

    async def close(self) -> None: ...


class Forms(Protocol):
    """What all workers know of one form, under a name that only its own token leads to. Raises LedgerUnavailable."""

    async def press(self, account: Account, form: str, order: str, most: int) -> str | None:
        """Begin an order of a form; gives the text that was kept for the form last. None: it has begun too many."""

    async def opened(self, account: Account, form: str, sealed: str) -> str:
        """Keep a text for a form; gives the one before, or nothing."""


class Challenges(Protocol):
    """Proofs of work. `form`: a hash of the form's token, for which alone a solution is good."""

    def make(self, form: str, level: int) -> dict[str, object]: ...

    def solved(self, proof: str, form: str) -> str | None:
        """The name of the challenge that this solves, to be spent; None: it solves none of ours, or too late."""


# ── campaigns and tokens ───────────────────────────────────────────────────────────────────────────────────────


class Campaigns(Protocol):
    def get(self, campaign_id: str) -> Campaign:
        """Raises NotFound (`campaign_unknown`)."""

    def all(self) -> Sequence[Campaign]: ...

    def reload(self) -> bool:
        """Read what has changed; a bad edit keeps the campaign as it was. Whether a campaign changed."""

    def refused(self) -> str | None:
        """Why the newest version of a file is not in use; None when all are."""


@dataclass(frozen=True, slots=True)
class FormToken:
    """Carried by the giving page's form: which campaign and site, and one intention to give. Lives 60 minutes."""

    campaign: str
    site: str
    nonce: str
    issued: int


@dataclass(frozen=True, slots=True)
class Handle:
    """What a donor's browser holds of its checkout session. Lives 24 hours."""

    session_id: str
    campaign: str
    nonce: str


class Tokens(Protocol):
    """Signed, not secret. Every reading method raises Invalid: `token_missing`, `token_expired`, `token_forged`."""

    def mint(self, campaign: str, site: str) -> str: ...

    def form(self, token: str) -> FormToken: ...

    def handle(self, handle: Handle) -> str: ...

    def read_handle(self, text: str) -> Handle: ...

    def returning(self, campaign: str, nonce: str, back: str) -> str:
        """For the hosted page's way back; never expires, and proves nothing but that we sent the donor there.

        `back`: the article that the donor came from, empty where none was named.
        """

    def read_returning(self, text: str) -> tuple[str, str, str]: ...

    def seal(self, nonce: str, text: str) -> str:
        """Readable by whoever has the nonce: the form's own token, and Stripe."""

    def unseal(self, nonce: str, sealed: str) -> str:
        """Nothing where it is none of ours."""

    def idempotency_key(self, nonce: str, *parameters: object) -> str:
        """HMAC of the nonce and everything that makes the order what it is; nothing personal in it."""
