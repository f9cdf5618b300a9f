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

from donation_card.application.client_limits import Networks
from donation_card.application.donations import Donations, way_on
from donation_card.application.ports import (
    Challenges,
    CheckoutSession,
    Declined,
    Limits,
    SessionStatus,
    Taken,
    Told,
    Verdict,
)
from donation_card.domain.attack_detection import OFF, SILENCE, Mode, Signals
from donation_card.domain.campaign import Campaign
from donation_card.domain.rate_limits import Bucket, Counts, Rate
from donation_card.errors import LedgerUnavailable, RateLimited
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
    def under(cls, stripe_rate: int) -> Budgets:
        """`stripe_rate`: requests a second that Stripe takes at one endpoint, 25 by default
        (https://docs.stripe.com/rate-limits). In no second may more of them be asked for, retries included: of 25, 12
        a second and 10 at once; 10 a second for a campaign, 4 without a proof; 10 reads.
        """
        shares = (12, 10, 4, 10)
        burst = max(1, stripe_rate * 10 // 25)
        return cls(*(Rate(max(1, 25_000 // (share * stripe_rate)), burst) for share in shares))


NETWORK: Final = Rate(every=60_000, burst=10)
"""Without a proof, of one network: an office or a household, each donor changing the amount a few times."""

RESERVED: Final = Rate(every=10_000, burst=6)
"""For browsers without JavaScript, which can prove nothing, where the limits stop them and their campaign names no
other way to give: six a minute, whoever gets them."""

RESERVED_NETWORK: Final = Rate(every=20 * 60_000, burst=2)
"""Of those, for one network."""

CHALLENGES: Final = Rate(every=2_000, burst=30)
"""Of one network: each is some milliseconds of work for us and seconds for whoever solves it."""

ONCE: Final = Rate(every=60 * 60_000, burst=1)
"""A proof that found no room is heard of once, however often it is shown again."""

STRICTER: Final = 2
"""While Redis is away every worker counts alone, and lets through this part of its share."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for a session. `address`: the client's, as a trusted proxy says. `scripted`: its browser can prove."""

    address: str | None
    scripted: bool
    proof: str = ""
    form: str = ""
    """A hash of the form's token, for which the proof must have been made."""


@dataclass(slots=True)
class Admission:
    donations: Donations
    limits: Limits
    memory: Limits
    """In place of `limits` while Redis is away."""
    challenges: Challenges
    budgets: Budgets
    workers: int = 1
    now: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    mode: Mode = OFF
    _networks: Networks = field(default_factory=Networks)
    _crowd: Counts = field(default_factory=lambda: Counts(10_000))
    _heard: Signals = SILENCE
    _shared: Mode = OFF

    async def admit(self, campaign: Campaign, visitor: Visitor, *, replaces: str = "") -> None:
        """`replaces`: names an intention whose session is given up for this one; that is good for one without a proof.

        Raises RateLimited: `challenge_required`, or `rate_limited` with the seconds to wait; `fallback_url` in both.
        """
        proven = self.challenges.solved(visitor.proof, visitor.form) if visitor.proof else replaces
        budgets = self.budgets
        everybody = (Bucket("total", budgets.total), Bucket(f"campaign/{campaign.id}", budgets.campaign))
        if proven:
            taken = await self._take(everybody, spend=proven)
            if taken.verdict is Verdict.TAKEN:
                return _decided("proven")
            if taken.verdict is Verdict.FULL:
                if not self._crowd.take([Bucket(proven, ONCE)], self.now()):
                    self._heard += Signals(crowded=1)
                raise self._limited(campaign, taken.wait)
        if not self.mode.effective and self._networks.take(
            visitor.address, "session", self._share(NETWORK), self.now()
        ):
            unproven = Bucket(f"unproven/{campaign.id}", budgets.unproven)
            if (await self._take((*everybody, unproven))).verdict is Verdict.TAKEN:
                return _decided("unproven")
        if visitor.scripted or campaign.fallback_url:
            _decided("challenged")
            raise RateLimited("challenge_required", **way_on(campaign))
        if self._networks.take(visitor.address, "reserved", self._share(RESERVED_NETWORK), self.now()):
            taken = await self._take((*everybody, Bucket(f"reserved/{campaign.id}", RESERVED)))
            if taken.verdict is Verdict.TAKEN:
                return _decided("reserved")
        raise self._limited(campaign, RESERVED.every)

    def challenge(self, address: str | None, form: str) -> dict[str, object]:
        """Work for this form, as much as the mode asks for. Raises RateLimited."""
        rate = self._share(CHALLENGES)
        if not self._networks.take(address, "challenge", rate, self.now()):
            raise RateLimited(retry_after=_seconds(rate.every))
        return self.challenges.make(form, self.mode.effective)

    def hear(self, told: Told | Declined) -> None:
        """What Stripe says of how sessions end; told to all workers by the next `look`."""
        if isinstance(told, Declined):
            self._heard += Signals(declined=1)
        elif isinstance(told, CheckoutSession) and told.campaign:
            expired, paid = told.status is SessionStatus.EXPIRED, told.status is SessionStatus.PAID
            self._heard += Signals(expired=int(expired), paid=int(paid))

    async def look(self) -> None:
        """Once a second: tell what was heard, and learn what holds."""
        await self.donations.account()  # while nobody knows whose limits these are, what was heard is kept
        heard, self._heard = self._heard, SILENCE
        await self._take((), signals=heard)

    async def _take(self, buckets: Sequence[Bucket], *, spend: str = "", signals: Signals = SILENCE) -> Taken:
        account = await self.donations.account()
        try:
            taken = await self.limits.take(account, buckets, spend=spend, signals=signals)
            mode = self._shared = taken.mode
            if spend and taken.verdict is Verdict.TAKEN:
                await self.memory.take(account, (), spend=spend)  # spent here, too, should Redis go away
        except LedgerUnavailable:
            alone = [Bucket(each.name, each.rate.shared(self.workers * STRICTER)) for each in buckets]
            taken = await self.memory.take(account, alone, spend=spend, signals=signals)
            mode = Mode(max(taken.mode.level, self._shared.level), self._shared.forced)  # nothing is turned off alone
        if mode.effective != self.mode.effective:
            log.warning("attack_mode", mode=str(mode))
        self.mode = mode
        metrics.attack_mode.set(int(mode.effective > 0))
        return taken

    def _share(self, rate: Rate) -> Rate:
        return rate.shared(self.workers)

    def _limited(self, campaign: Campaign, wait: int) -> RateLimited:
        _decided("limited")
        return RateLimited("rate_limited", retry_after=_seconds(wait), **way_on(campaign))


def _decided(decision: str) -> None:
    metrics.limiter_decisions.labels(decision).inc()


def _seconds(milliseconds: int) -> int:
    """Whole ones, none too few (`Retry-After`, RFC 9110, 10.2.3)."""
    return -(-milliseconds // 1000)
