"""Limits in this worker's memory: for what must never leave it, and in place of Redis while that is away."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from donation_card.application.ports import Account, Taken, Verdict
from donation_card.domain.attack_detection import SILENCE, Mode, Signals, Watch, heard
from donation_card.domain.rate_limits import Bucket, Counts

REMEMBERED: Final = 100_000
"""Buckets, and as many spent things, that are kept: those of more than an hour at the highest rate."""


@dataclass(slots=True)
class MemoryLimits:
    """Implements `donation_card.application.ports.Limits` for one worker. `now` in milliseconds."""

    now: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    watch: Watch = field(default_factory=Watch)
    forced: str = ""
    _counts: Counts = field(default_factory=lambda: Counts(REMEMBERED))
    _spent: OrderedDict[str, None] = field(default_factory=OrderedDict)

    async def take(
        self, account: Account, buckets: Sequence[Bucket], *, spend: str = "", signals: Signals = SILENCE
    ) -> Taken:
        now = self.now()
        self.watch = heard(self.watch, signals, now)
        mode = Mode(self.watch.level, self.forced)
        if spend in self._spent:
            return Taken(Verdict.SPENT, 0, mode)
        if wait := self._counts.take(buckets, now):
            return Taken(Verdict.FULL, wait, mode)
        if spend:
            self._spent[spend] = None
            if len(self._spent) > REMEMBERED:
                self._spent.popitem(last=False)
        return Taken(Verdict.TAKEN, 0, mode)

    async def force(self, account: Account, forced: str) -> None:
        self.forced = forced

    async def close(self) -> None: ...
