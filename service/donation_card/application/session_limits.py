"""Admission: whether a checkout session may be opened, for whom at once, and for whom after a proof of work.

Card testers come first to forms like ours. So there are limits: for each network in this worker's memory, for each
campaign and for all in Redis. Whomever they stop is asked for a proof of work, which lifts the network's limit: a donor
behind an address that many share gets through. While an attack goes on (`domain/attack.py`) everybody is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from donation_card.application.client_limits import PerNetworkLimiter
from donation_card.application.donations import Donations, fallback_params
from donation_card.application.ports.limits import Challenges, LimitDecision, LimitResult, RateLimiter
from donation_card.application.ports.payments import CheckoutSession, PaymentDeclined, SessionStatus, StripeRecord
from donation_card.domain.attack_detection import NO_ATTACK, NO_SIGNALS, AttackStatus, Signals
from donation_card.domain.campaign import Campaign
from donation_card.domain.rate_limits import Bucket, BucketStore, Rate
from donation_card.errors import RateLimited, TotalsUnavailable
from donation_card.observability import metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many sessions are opened: of `total`, `campaign` has a part, so that an attack on it leaves room for the
    others; and of that those who proved no work another, so that whoever proves some finds room. And how many `reads`
    there are of what became of them."""

    total: Rate
    campaign: Rate
    unproven: Rate
    reads: Rate

    @classmethod
    def from_stripe_limit(cls, stripe_rate_limit: int) -> Budgets:
        """`stripe_rate`: requests a second that Stripe takes at one endpoint, 25 by default
        (https://docs.stripe.com/rate-limits). In no second may more of them be asked for, retries included: of 25, 12
        a second and 10 at once; 10 a second for a campaign, 4 without a proof; 10 reads.
        """
        shares = (12, 10, 4, 10)
        burst = max(1, stripe_rate_limit * 10 // 25)
        return cls(*(Rate(max(1, 25_000 // (share * stripe_rate_limit)), burst) for share in shares))


PER_NETWORK: Final = Rate(interval_ms=60_000, burst=10)
"""Without a proof, of one network: an office or a household, each donor changing the amount a few times."""

WITHOUT_JS: Final = Rate(interval_ms=10_000, burst=6)
"""For browsers without JavaScript, which can prove nothing, where the limits stop them and their campaign names no
other way to give: six a minute, whoever gets them."""

WITHOUT_JS_PER_NETWORK: Final = Rate(interval_ms=20 * 60_000, burst=2)
"""Of those, for one network."""

CHALLENGES_PER_NETWORK: Final = Rate(interval_ms=2_000, burst=30)
"""Of one network: each is some milliseconds of work for us and seconds for whoever solves it."""

REJECTED_PROOF_COUNTED: Final = Rate(interval_ms=60 * 60_000, burst=1)
"""A proof that found no room is heard of once, however often it is shown again."""

DEGRADED_DIVISOR: Final = 2
"""While Redis is away every worker counts alone, and lets through this part of its share."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for a session. `address`: the client's, as a trusted proxy says. `scripted`: its browser can prove."""

    address: str | None
    has_javascript: bool
    proof: str = ""
    form_hash: str = ""
    """A hash of the form's token, for which the proof must have been made."""


@dataclass(slots=True)
class SessionLimits:
    donations: Donations
    limiter: RateLimiter
    fallback_limiter: RateLimiter
    """In place of `limits` while Redis is away."""
    challenges: Challenges
    budgets: Budgets
    workers: int = 1
    now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    attack_status: AttackStatus = NO_ATTACK
    _networks: PerNetworkLimiter = field(default_factory=PerNetworkLimiter)
    _rejected_proofs: BucketStore = field(default_factory=lambda: BucketStore(10_000))
    _pending_signals: Signals = NO_SIGNALS
    _shared_attack_status: AttackStatus = NO_ATTACK

    async def admit(self, campaign: Campaign, visitor: Client, *, replaces: str = "") -> None:
        """`replaces`: names an intention whose session is given up for this one; that is good for one without a proof.

        Raises RateLimited: `challenge_required`, or `rate_limited` with the seconds to wait; `fallback_url` in both.
        """
        proven = self.challenges.verify(visitor.proof, visitor.form_hash) if visitor.proof else replaces
        budgets = self.budgets
        everybody = (Bucket("total", budgets.total), Bucket(f"campaign/{campaign.id}", budgets.campaign))
        if proven:
            result = await self._acquire(everybody, consume_once=proven)
            if result.decision is LimitDecision.ALLOWED:
                return _count_decision("allowed_with_proof")
            if result.decision is LimitDecision.LIMITED:
                if not self._rejected_proofs.retry_after([Bucket(proven, REJECTED_PROOF_COUNTED)], self.now_ms()):
                    self._pending_signals += Signals(proofs_rejected=1)
                raise self._limited(campaign, result.retry_after_ms)
        if not self.attack_status.effective_level and self._networks.allow(
            visitor.address, "session", self._share(PER_NETWORK), self.now_ms()
        ):
            unproven = Bucket(f"unproven/{campaign.id}", budgets.unproven)
            if (await self._acquire((*everybody, unproven))).decision is LimitDecision.ALLOWED:
                return _count_decision("allowed")
        if visitor.has_javascript or campaign.fallback_url:
            _count_decision("challenged")
            raise RateLimited("challenge_required", **fallback_params(campaign))
        if self._networks.allow(visitor.address, "reserved", self._share(WITHOUT_JS_PER_NETWORK), self.now_ms()):
            result = await self._acquire((*everybody, Bucket(f"reserved/{campaign.id}", WITHOUT_JS)))
            if result.decision is LimitDecision.ALLOWED:
                return _count_decision("allowed_without_js")
        raise self._limited(campaign, WITHOUT_JS.interval_ms)

    def issue_challenge(self, address: str | None, form_hash: str) -> dict[str, object]:
        """Work for this form, as much as the mode asks for. Raises RateLimited."""
        rate = self._share(CHALLENGES_PER_NETWORK)
        if not self._networks.allow(address, "challenge", rate, self.now_ms()):
            raise RateLimited(retry_after=_to_whole_seconds(rate.interval_ms))
        return self.challenges.issue(form_hash, self.attack_status.effective_level)

    def record_signal(self, stripe_record: StripeRecord | PaymentDeclined) -> None:
        """What Stripe says of how sessions end; told to all workers by the next `look`."""
        if isinstance(stripe_record, PaymentDeclined):
            self._pending_signals += Signals(declined=1)
        elif isinstance(stripe_record, CheckoutSession) and stripe_record.campaign:
            expired, paid = stripe_record.status is SessionStatus.EXPIRED, stripe_record.status is SessionStatus.PAID
            self._pending_signals += Signals(expired=int(expired), paid=int(paid))

    async def sync_attack_status(self) -> None:
        """Once a second: tell what was heard, and learn what holds."""
        await self.donations.account()  # while nobody knows whose limits these are, what was heard is kept
        heard, self._pending_signals = self._pending_signals, NO_SIGNALS
        await self._acquire((), signals=heard)

    async def _acquire(
        self, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        account = await self.donations.account()
        try:
            result = await self.limiter.acquire(account, buckets, consume_once=consume_once, signals=signals)
            mode = self._shared_attack_status = result.attack_status
            if consume_once and result.decision is LimitDecision.ALLOWED:
                await self.fallback_limiter.acquire(
                    account, (), consume_once=consume_once
                )  # spent here, too, should Redis go away
        except TotalsUnavailable:
            alone = [Bucket(each.name, each.rate.split(self.workers * DEGRADED_DIVISOR)) for each in buckets]
            result = await self.fallback_limiter.acquire(account, alone, consume_once=consume_once, signals=signals)
            mode = AttackStatus(
                max(result.attack_status.level, self._shared_attack_status.level), self._shared_attack_status.override
            )  # nothing is turned off alone
        if mode.effective_level != self.attack_status.effective_level:
            log.warning("attack_mode_changed", mode=str(mode))
        self.attack_status = mode
        metrics.attack_mode.set(int(mode.effective_level > 0))
        return result

    def _share(self, rate: Rate) -> Rate:
        return rate.split(self.workers)

    def _limited(self, campaign: Campaign, wait: int) -> RateLimited:
        _count_decision("rejected")
        return RateLimited("rate_limited", retry_after=_to_whole_seconds(wait), **fallback_params(campaign))


def _count_decision(decision: str) -> None:
    metrics.limiter_decisions.labels(decision).inc()


def _to_whole_seconds(milliseconds: int) -> int:
    """Whole ones, none too few (`Retry-After`, RFC 9110, 10.2.3)."""
    return -(-milliseconds // 1000)
