"""Attack mode: how many declined cards and how many sessions never paid it takes, and how long until it is over.

Card testers try stolen cards on forms like ours. What they cannot hide is that most of their cards are declined. From
the first level on a browser has to prove work before a session is opened for it (`adapters/proof_of_work.py`); each
further one doubles it, and comes when so many prove it that there is no room for donors.
Pure: the time is an argument, in milliseconds. `limits.lua` applies `heard` inside Redis, once for all workers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

WINDOW: Final = 5 * 60_000
"""Milliseconds over which signals are counted together; testers are known to try 400 cards in such a time."""

LULL: Final = 3 * 60_000
"""Milliseconds at a higher level without a crowd until it goes down by one."""

RISE: Final = 5_000
"""Milliseconds at a level before it rises again: what is crowded shows at once."""

CROWD: Final = 10
"""Proofs that found no room, and more than one a second: somebody computes more than donors do, so the work doubles."""

TOP: Final = 5
"""The highest level: sixteen times the work of the first, 12 s for a laptop. More, and donors would give up."""

DECLINES: Final = 10
"""Declined cards in a window, if they are more than the gifts: a campaign sees that many in a week, not in minutes."""

EXPIRIES: Final = 60
"""Sessions never paid in a window, if they are ten times the gifts: of people who look at a payment page, many go."""

CALM: Final = 6
"""Quiet windows until it is off; from the higher levels one leads down. Testers come back when they are let in."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What was heard from Stripe: cards declined, sessions that ended unpaid, gifts paid. And of our own limits: proofs
    that found no room."""

    declined: int = 0
    expired: int = 0
    paid: int = 0
    crowded: int = 0

    def __add__(self, more: Signals) -> Signals:
        return Signals(
            self.declined + more.declined,
            self.expired + more.expired,
            self.paid + more.paid,
            self.crowded + more.crowded,
        )

    def reach(self, share: int) -> bool:
        """Whether they are as many as one part in `share` of what an attack is, and not just a busy hour."""
        declined = self.declined * share >= DECLINES and self.declined > self.paid
        expired = self.expired * share >= EXPIRIES and self.expired > 10 * self.paid
        return declined or expired


SILENCE: Final = Signals()


@dataclass(frozen=True, slots=True)
class Watch:
    """`level` 0 is off. `began`: of this window. `calm`: quiet windows in a row at this level."""

    level: int = 0
    began: int = 0
    calm: int = 0
    signals: Signals = SILENCE

    def rises(self, now: int) -> bool:
        if self.level == 0:
            return self.signals.reach(1)
        age = now - self.began
        return age >= RISE and self.signals.crowded >= CROWD and self.signals.crowded * 1_000 >= age

    def quiet(self) -> bool:
        """At the first level, half as much as an attack is not quiet, so that it does not go on and off."""
        return self.signals.crowded < CROWD if self.level > 1 else not self.signals.reach(2)


@dataclass(frozen=True, slots=True)
class Mode:
    """What holds now. `forced`: on or off, where an operator said so, else empty."""

    level: int = 0
    forced: str = ""

    @property
    def effective(self) -> int:
        return {"on": max(self.level, 1), "off": 0}.get(self.forced, self.level)

    def __str__(self) -> str:
        state = f"on, level {self.effective} of {TOP}" if self.effective else "off"
        return f"{state} (forced)" if self.forced else state


OFF: Final = Mode()


def heard(watch: Watch, signals: Signals, now: int) -> Watch:
    """What is to be thought after these signals, or after none for a while."""
    watch = replace(watch, began=min(watch.began, now))  # a clock may be set back
    if now - watch.began >= (LULL if watch.level > 1 else WINDOW):
        watch = _ended(watch, now)
    watch = replace(watch, signals=watch.signals + signals)
    return Watch(min(watch.level + 1, TOP), now) if watch.rises(now) else watch


def _ended(watch: Watch, now: int) -> Watch:
    calm = watch.calm + 1 if watch.quiet() else 0
    if calm >= (CALM if watch.level == 1 else 1):
        return Watch(max(watch.level - 1, 0), now)
    return Watch(watch.level, now, calm)
