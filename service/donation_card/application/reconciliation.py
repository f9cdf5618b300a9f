"""Reconciliation: hold the ledger against Stripe, where the truth is. Redis is only its projection.

A *pass* joins what is new at Stripe since the last one: it heals what webhooks missed. A *rebuild* fills a shadow
generation with everything Stripe knows, compares and lets it take over: it builds an empty ledger, mends a broken one
and checks, once a day, a good one. Both may run twice at once, or die midway, and harm nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from donation_card.application.donations import SESSION_LIFETIME, Donations
from donation_card.application.ports import Account, Comparison, Joined, Pass, Rounds, Shadow, Told
from donation_card.domain.totals import State
from donation_card.errors import LedgerUnavailable, NotOurEvent, PaymentsUnavailable
from donation_card.observability import metrics

log = structlog.get_logger()

INTERVAL: Final = 600
"""Seconds between two passes."""

LONGEST_INTERVAL: Final = 3_600
"""Seconds; an account where nothing happens is looked at less and less often, for Stripe budgets reads."""

OVERLAP: Final = SESSION_LIFETIME + 600
"""Seconds that a pass looks back beyond the cursor: a session made before it may be paid as long as it lives."""

SHOWN_AFTER: Final = 60
"""Seconds after which a charge is in what Stripe lists."""

CHECK_INTERVAL: Final = 86_400
"""Seconds between two rebuilds that nothing asked for."""


def quiet(done: int) -> None:
    """Tells nobody how far a rebuild has come."""


@dataclass(slots=True)
class Reconciliation:
    donations: Donations
    rounds: Rounds | None = None
    """As the ledger last told."""
    _owner: str = field(default_factory=lambda: secrets.token_hex(8))
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.donations.clock().timestamp()

    async def when_due(self) -> None:
        """Do what is due, unless another worker is at it. Raises Unavailable."""
        ledger, account = self.donations.ledger, await self.donations.account()
        self.rounds = await ledger.rounds(account)
        if not self._due(self.rounds) or not await ledger.lease(account, self._owner):
            return
        try:
            await self.once(account)
        finally:
            await ledger.release(account, self._owner)

    def _due(self, rounds: Rounds) -> bool:
        now, last = self.donations.clock().timestamp(), rounds.reconciled
        if last is None or last < self._started or self.donations.unsettled():
            return True
        wait = LONGEST_INTERVAL
        if self.donations.active >= last - SESSION_LIFETIME:
            wait = INTERVAL
        return now >= last + min(wait, INTERVAL << min(rounds.idle, 9))

    async def once(self, account: Account) -> None:
        """One pass, or a rebuild where only that helps or a day has gone by. Raises Unavailable."""
        ledger, began = self.donations.ledger, self._now()
        rounds = await ledger.rounds(account)
        passes = await self._begin(account)
        unknown = [name for name, begun in passes.items() if begun.since is None]
        if unknown or rounds.rebuilt is None or began >= rounds.rebuilt + CHECK_INTERVAL:
            log.info("rebuild_begins", unknown=unknown)
            await self.rebuild(account, recent=passes)
            self.rounds = Rounds(began, began)
        else:
            since = min((begun.since for begun in passes.values() if begun.since is not None), default=began)
            news = await self._join(account, since)
            for name, begun in passes.items():
                if not await ledger.advance(account, name, begun, began):
                    log.warning("pass_lost", campaign=name)  # Redis was wiped meanwhile; the next pass will know
            log.info("reconciled", since=since, news=news)
            self.rounds = Rounds(began, rounds.rebuilt, 0 if news else rounds.idle + 1)
        await ledger.end_round(account, self.rounds)

    async def rebuild(
        self,
        account: Account,
        *,
        dry_run: bool = False,
        recent: dict[str, Pass] | None = None,
        on_progress: Callable[[int], None] = quiet,
    ) -> list[Comparison]:
        """Fill a shadow for every campaign with all that Stripe knows, compare, and let it take over.

        `recent`: the passes begun before; what is new since them is joined first, as every pass would, so that a gift
        whose webhook is still on its way is no difference. Raises Unavailable, also when another rebuild overtakes.
        """
        ledger, began = self.donations.ledger, self._now()
        names = {campaign.id for campaign in self.donations.campaigns.all()} | await ledger.campaigns(account)
        shadows = {name: await ledger.open_shadow(account, name) for name in sorted(names)}
        await self._fill(account, shadows, on_progress)
        if recent and all(begun.since is not None for begun in recent.values()):
            await self._join(account, min(begun.since or 0 for begun in recent.values()))
        end = ledger.drop if dry_run else lambda account, shadow: ledger.flip(account, shadow, began)
        compared = [await end(account, shadow) for shadow in shadows.values()]
        found = [comparison for comparison in compared if comparison]
        for comparison in found:
            if comparison.differs:
                metrics.differences.labels(comparison.campaign).inc()
                log.error(
                    "ledger_differed",
                    campaign=comparison.campaign,
                    had=comparison.had and comparison.had.raised,
                    found=comparison.found.raised,
                )
        if len(found) < len(compared):
            raise _overtaken()
        log.info("rebuilt", campaigns=len(found), dry_run=dry_run)
        return found

    async def _begin(self, account: Account) -> dict[str, Pass]:
        ledger = self.donations.ledger
        passes = {each.id: await ledger.begin_pass(account, each.id) for each in self.donations.campaigns.all()}
        for name in await ledger.campaigns(account) - passes.keys():
            passes[name] = await ledger.begin_pass(account, name)
        return passes

    async def _fill(self, account: Account, shadows: dict[str, Shadow], on_progress: Callable[[int], None]) -> None:
        done = 0
        async for state in self._states(self.donations.payments.created_since(0)):
            done += 1
            if done % 1_000 == 0:
                on_progress(done)
                await self.donations.ledger.lease(account, self._owner)
            shadow = shadows.get(state.campaign)
            if shadow is None:  # first heard of now; opening a shadow on the way could lose what came before it
                await self.donations.ledger.join(account, state)
            elif not await self.donations.ledger.fill(account, shadow, state):
                raise _overtaken()
        on_progress(done)

    async def _join(self, account: Account, since: int) -> int:
        """Join what is new since then; gives how many states were news."""
        payments, start, news = self.donations.payments, max(0, since - OVERLAP), 0
        for stream in (payments.created_since(start), self._hints(start)):
            async for state in self._states(self._watched(stream, since)):
                news += await self.donations.join(account, state, "pass") is Joined.APPLIED
        return news

    async def _watched(self, stream: AsyncIterator[Told], since: int) -> AsyncIterator[Told]:
        """A pass watches the time from where the last one began; a little later, for a charge shows up by then."""
        until = self._now()
        async for told in stream:
            self.donations.look_at_bank(told, since - SHOWN_AFTER, until - SHOWN_AFTER)
            yield told

    async def _states(self, stream: AsyncIterator[Told]) -> AsyncIterator[State]:
        async for told in stream:
            try:
                state = await self.donations.state(told)
            except NotOurEvent as reason:
                log.info("object_not_ours", object=told.id, reason=reason.code)
                continue
            if state is not None:
                yield state

    async def _hints(self, since: int) -> AsyncIterator[Told]:
        """Late changes of old objects: a refund that failed, a dispute that was won. The daily rebuild finds them too,
        so a key without the right to read events delays them and stops nothing."""
        try:
            async for told in self.donations.payments.changed_since(since):
                yield told
        except PaymentsUnavailable as error:
            log.error("late_changes_not_read", reason=str(error))

    def _now(self) -> int:
        return int(self.donations.clock().timestamp())


def _overtaken() -> LedgerUnavailable:
    """Another rebuild began, or Redis lost what this one had filled: it proves nothing, and is done again."""
    return LedgerUnavailable(reason="rebuild_overtaken")
