"""Attack mode: how many declined cards and how many sessions never paid it takes, and how long until it is over.

Card testers try stolen cards on forms like ours. What they cannot hide is that most of their cards are declined. From
the first level on a browser has to prove work before a session is opened for it (`adapters/proof_of_work.py`); each
further one doubles it, and comes when so many prove it that there is no room for donors.
Pure: the time is an argument, in milliseconds. `limits.lua` applies `heard` inside Redis, once for all workers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

WINDOW_MS: Final = 5 * 60_000
"""Milliseconds over which signals are counted together; testers are known to try 400 cards in such a time."""

DEESCALATE_AFTER_MS: Final = 3 * 60_000
"""Milliseconds at a higher level without a crowd until it goes down by one."""

ESCALATE_AFTER_MS: Final = 5_000
"""Milliseconds at a level before it rises again: what is crowded shows at once."""

REJECTED_PROOFS_THRESHOLD: Final = 10
"""Proofs that found no room, and more than one a second: somebody computes more than donors do, so the work doubles."""

MAX_LEVEL: Final = 5
"""The highest level: sixteen times the work of the first, 12 s for a laptop. More, and donors would give up."""

DECLINE_THRESHOLD: Final = 10
"""Declined cards in a window, if they are more than the gifts: a campaign sees that many in a week, not in minutes."""

EXPIRY_THRESHOLD: Final = 60
"""Sessions never paid in a window, if they are ten times the gifts: of people who look at a payment page, many go."""

QUIET_WINDOWS_TO_END: Final = 6
"""Quiet windows until it is off; from the higher levels one leads down. Testers come back when they are let in."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What was heard from Stripe: cards declined, sessions that ended unpaid, gifts paid. And of our own limits: proofs
    that found no room."""

    declined: int = 0
    expired: int = 0
    paid: int = 0
    proofs_rejected: int = 0

    def __add__(self, more: Signals) -> Signals:
        return Signals(
            self.declined + more.declined,
            self.expired + more.expired,
            self.paid + more.paid,
            self.proofs_rejected + more.proofs_rejected,
        )

    def exceeds(self, share: int) -> bool:
        """Whether they are as many as one part in `share` of what an attack is, and not just a busy hour."""
        declined = self.declined * share >= DECLINE_THRESHOLD and self.declined > self.paid
        expired = self.expired * share >= EXPIRY_THRESHOLD and self.expired > 10 * self.paid
        return declined or expired


NO_SIGNALS: Final = Signals()


@dataclass(frozen=True, slots=True)
class AttackState:
    """`level` 0 is off. `began`: of this window. `calm`: quiet windows in a row at this level."""

    level: int = 0
    window_start: int = 0
    quiet_windows: int = 0
    signals: Signals = NO_SIGNALS

    def should_escalate(self, now: int) -> bool:
        if self.level == 0:
            return self.signals.exceeds(1)
        age = now - self.window_start
        return (
            age >= ESCALATE_AFTER_MS
            and self.signals.proofs_rejected >= REJECTED_PROOFS_THRESHOLD
            and self.signals.proofs_rejected * 1_000 >= age
        )

    def is_quiet(self) -> bool:
        """At the first level, half as much as an attack is not quiet, so that it does not go on and off."""
        return (
            self.signals.proofs_rejected < REJECTED_PROOFS_THRESHOLD if self.level > 1 else not self.signals.exceeds(2)
        )


@dataclass(frozen=True, slots=True)
class AttackStatus:
    """What holds now. `forced`: on or off, where an operator said so, else empty."""

    level: int = 0
    override: str = ""

    @property
    def effective_level(self) -> int:
        return {"on": max(self.level, 1), "off": 0}.get(self.override, self.level)

    def __str__(self) -> str:
        state = f"on, level {self.effective_level} of {MAX_LEVEL}" if self.effective_level else "off"
        return f"{state} (forced)" if self.override else state


NO_ATTACK: Final = AttackStatus()


def next_state(state: AttackState, signals: Signals, now: int) -> AttackState:
    """What is to be thought after these signals, or after none for a while."""
    state = replace(state, window_start=min(state.window_start, now))  # a clock may be set back
    if now - state.window_start >= (DEESCALATE_AFTER_MS if state.level > 1 else WINDOW_MS):
        state = _close_window(state, now)
    state = replace(state, signals=state.signals + signals)
    return AttackState(min(state.level + 1, MAX_LEVEL), now) if state.should_escalate(now) else state


def _close_window(state: AttackState, now: int) -> AttackState:
    calm = state.quiet_windows + 1 if state.is_quiet() else 0
    if calm >= (QUIET_WINDOWS_TO_END if state.level == 1 else 1):
        return AttackState(max(state.level - 1, 0), now)
    return AttackState(state.level, now, calm)
