"""Decide if a checkout session may be created, with or without a proof of work.

Donation forms attract card testing, so checkout sessions are rate limited: for each network in the memory of this
worker, for each campaign and in total in Redis. A proof of work lifts the limit of a network, so that donors who share
an address are served. During an attack (`domain/attack_detection.py`) every browser must prove work.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from donation_card.application.client_limits import PerNetworkLimiter, charged_rate
from donation_card.application.ports.limits import Challenges, LimitDecision, LimitResult, RateLimiter
from donation_card.application.ports.payments import CheckoutSession, PaymentDeclined, SessionStatus, StripeRecord
from donation_card.application.stripe_account import StripeAccount
from donation_card.domain.attack_detection import NO_ATTACK, NO_SIGNALS, AttackStatus, Signals
from donation_card.domain.campaign import Campaign
from donation_card.domain.rate_limits import Bucket, BucketStore, Rate
from donation_card.errors import RateLimited, TotalsUnavailable
from donation_card.observability import metrics
from donation_card.observability.log_events import LogEvent, log


@dataclass(frozen=True, slots=True)
class Budgets:
    """Sessions that may be created in total, for one campaign, and for one campaign without proof; and reads of them.

    An attack on one campaign leaves room for the others. Requests without proof leave room for those with one.
    """

    total: Rate
    campaign: Rate
    unproven: Rate
    reads: Rate

    @classmethod
    def from_stripe_limit(cls, stripe_rate_limit: int) -> "Budgets":
        """Divide the requests a second that Stripe accepts at one endpoint (25 by default).

        Of 25, retries included: 12 sessions a second in total and 10 at once, 10 for a campaign, 4 without proof, and
        10 reads. https://docs.stripe.com/rate-limits
        """
        shares = (12, 10, 4, 10)
        burst = max(1, stripe_rate_limit * 10 // 25)
        return cls(*(Rate(max(1, 25_000 // (share * stripe_rate_limit)), burst) for share in shares))


PER_NETWORK = Rate(interval_ms=60_000, burst=10)
"""Sessions without proof for one network, such as an office or a household. Donors may change the amount."""

WITHOUT_JS = Rate(interval_ms=10_000, burst=6)
"""Sessions for browsers without JavaScript, which cannot prove work. They apply only if the other limits are reached
and the campaign has no fallback URL."""

WITHOUT_JS_PER_NETWORK = Rate(interval_ms=20 * 60_000, burst=2)
"""The part of `WITHOUT_JS` for one network."""

CHALLENGES_PER_NETWORK = Rate(interval_ms=2_000, burst=30)
"""Challenges for one network. One costs the service milliseconds and its solver seconds."""

REJECTED_PROOF_COUNTED = Rate(interval_ms=60 * 60_000, burst=1)
"""A proof that found no room is counted once, however often it is sent."""

DEGRADED_DIVISOR = 2
"""While Redis is unavailable, each worker counts alone and allows its share divided by this number."""


@dataclass(frozen=True, slots=True)
class Client:
    """The sender of a request. `address` is None if no trusted proxy names one."""

    address: str | None
    has_javascript: bool
    proof: str = ""
    form_hash: str = ""
    """A hash of the form token. The proof must be made for it."""


@dataclass(slots=True)
class SessionLimits:
    account: StripeAccount
    limiter: RateLimiter
    fallback_limiter: RateLimiter
    """Used while Redis is unavailable."""
    challenges: Challenges
    budgets: Budgets
    workers: int = 1
    now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    attack_status: AttackStatus = field(default=NO_ATTACK, init=False)
    write_error: str | None = field(default=None, init=False)
    """The reason why Redis refused the last write, or None. A full Redis answers reads all the same."""
    _networks: PerNetworkLimiter = field(default_factory=PerNetworkLimiter, init=False)
    _rejected_proofs: BucketStore = field(default_factory=lambda: BucketStore(10_000), init=False)
    _pending_signals: Signals = field(default=NO_SIGNALS, init=False)
    _shared_attack_status: AttackStatus = field(default=NO_ATTACK, init=False)

    async def admit(self, campaign: Campaign, client: Client, *, replaces: str = "") -> None:
        """Allow one session or raise RateLimited, with another way to give.

        The codes are `challenge_required`, and `rate_limited` with the seconds to wait. `replaces` names an attempt to
        donate that gives up its session. It counts as one proof.
        """
        proof = self.challenges.verify(client.proof, client.form_hash) if client.proof else replaces
        budgets = self.budgets
        shared = (Bucket("total", budgets.total), Bucket(f"campaign/{campaign.id}", budgets.campaign))
        if proof:
            result = await self._acquire(shared, consume_once=proof)
            if result.decision is LimitDecision.ALLOWED:
                return _count_decision("allowed_with_proof")
            if result.decision is LimitDecision.LIMITED:
                if not self._rejected_proofs.retry_after([Bucket(proof, REJECTED_PROOF_COUNTED)], self.now_ms()):
                    self._pending_signals += Signals(proofs_rejected=1)
                raise _rejected(campaign, result.retry_after_ms)
        if not self.attack_status.effective_level and self._is_network_allowed(client.address, "session", PER_NETWORK):
            unproven = Bucket(f"unproven/{campaign.id}", budgets.unproven)
            if (await self._acquire((*shared, unproven))).decision is LimitDecision.ALLOWED:
                return _count_decision("allowed")
        if client.has_javascript or campaign.fallback_url:
            _count_decision("challenged")
            raise RateLimited("challenge_required", **campaign.fallback_params)
        if self._is_network_allowed(client.address, "reserved", WITHOUT_JS_PER_NETWORK):
            result = await self._acquire((*shared, Bucket(f"reserved/{campaign.id}", WITHOUT_JS)))
            if result.decision is LimitDecision.ALLOWED:
                return _count_decision("allowed_without_js")
        raise _rejected(campaign, WITHOUT_JS.interval_ms)

    def issue_challenge(self, address: str | None, form_hash: str) -> dict[str, object]:
        """Return a challenge for a form, as difficult as the attack status requires. Raise RateLimited."""
        if not self._is_network_allowed(address, "challenge", CHALLENGES_PER_NETWORK):
            rate = charged_rate(CHALLENGES_PER_NETWORK.split(self.workers))
            raise RateLimited(retry_after=_to_whole_seconds(rate.interval_ms))
        return self.challenges.issue(form_hash, self.attack_status.effective_level)

    def record_signal(self, record: StripeRecord | PaymentDeclined) -> None:
        """Count a declined card or an expired session. `sync_attack_status` shares the count with all workers."""
        if isinstance(record, PaymentDeclined) and record.by_card:
            self._pending_signals += Signals(declined=1)
        elif isinstance(record, CheckoutSession) and record.campaign and record.status is SessionStatus.EXPIRED:
            self._pending_signals += Signals(expired=1)

    async def sync_attack_status(self) -> None:
        """Share the signals of this worker and read the attack status. Call it once a second."""
        await self.account.get()  # raises before the signals are taken, so that none is lost
        signals, self._pending_signals = self._pending_signals, NO_SIGNALS
        await self._acquire((), signals=signals)

    async def _acquire(
        self, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        account = await self.account.get()
        try:
            result = await self.limiter.acquire(account, buckets, consume_once=consume_once, signals=signals)
            status, self.write_error = result.attack_status, None
            self._shared_attack_status = status
            if consume_once and result.decision is LimitDecision.ALLOWED:
                # mark it as used here too, in case Redis becomes unavailable
                await self.fallback_limiter.acquire(account, (), consume_once=consume_once)
        except TotalsUnavailable as error:
            self.write_error = str(error)
            smaller = [Bucket(each.name, each.rate.split(self.workers * DEGRADED_DIVISOR)) for each in buckets]
            result = await self.fallback_limiter.acquire(account, smaller, consume_once=consume_once, signals=signals)
            shared = self._shared_attack_status
            status = AttackStatus(max(result.attack_status.level, shared.level), shared.override)
        if status.effective_level != self.attack_status.effective_level:
            log.warning(LogEvent.ATTACK_MODE_CHANGED, mode=str(status))
        self.attack_status = status
        metrics.attack_mode.metric.set(int(status.effective_level > 0))
        return result

    def _is_network_allowed(self, address: str | None, action: str, rate: Rate) -> bool:
        return self._networks.allow(address, action, rate.split(self.workers), self.now_ms())


def _rejected(campaign: Campaign, wait_ms: int) -> RateLimited:
    _count_decision("rejected")
    return RateLimited("rate_limited", retry_after=_to_whole_seconds(wait_ms), **campaign.fallback_params)


def _count_decision(decision: str) -> None:
    metrics.limiter_decisions.labels(decision).inc()


def _to_whole_seconds(milliseconds: int) -> int:
    """Round up to whole seconds (`Retry-After`, RFC 9110, 10.2.3)."""
    return -(-milliseconds // 1000)
