"""Decide from signals if card testing is going on, and at which level.

Card testers try stolen cards on donation forms, and most of these cards are declined. From level 1 on, a browser must
prove work before a session is created for it (`adapters/proof_of_work.py`). Each further level doubles the work. It
begins if so many requests prove work that there is no room for donors.

Times are arguments, in milliseconds. `check_limits.lua` applies `next_state` inside Redis, for all workers together.
"""

from dataclasses import dataclass, replace

WINDOW_MS = 5 * 60_000
"""Milliseconds over which signals are counted together. Card testers try up to 400 cards in this time."""

DEESCALATE_AFTER_MS = 3 * 60_000
"""Milliseconds with few rejected proofs until a level above 1 falls by one."""

ESCALATE_AFTER_MS = 5_000
"""Milliseconds at a level before it can rise again."""

REJECTED_PROOFS_THRESHOLD = 10
"""The level rises after this many rejected proofs, if they are more than one a second. Donors do not send so many."""

MAX_LEVEL = 5
"""The highest level. Its work is 16 times that of level 1, about 12 s on a laptop."""

DECLINE_THRESHOLD = 20
"""Declined cards in a window that start an attack. A campaign with one donation in two seconds has fewer."""

EXPIRY_THRESHOLD = 120
"""Expired sessions in a window that start an attack. Many donors only look."""

QUIET_WINDOWS_TO_END = 6
"""Quiet windows at level 1 until the attack is over. Card testers return as soon as they are let in."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Counts of declined cards and expired sessions at Stripe, and of proofs that the limits rejected.

    Donations do not count. Otherwise a card tester who also gives would learn from the attack status if others gave.
    """

    declined: int = 0
    expired: int = 0
    proofs_rejected: int = 0

    def __add__(self, more: "Signals") -> "Signals":
        return Signals(
            self.declined + more.declined,
            self.expired + more.expired,
            self.proofs_rejected + more.proofs_rejected,
        )

    def exceeds(self, share: int) -> bool:
        """Return True if the signals reach the thresholds divided by `share`."""
        return self.declined * share >= DECLINE_THRESHOLD or self.expired * share >= EXPIRY_THRESHOLD


NO_SIGNALS = Signals()


@dataclass(frozen=True, slots=True)
class AttackState:
    """Level 0 means no attack. `quiet_windows` counts windows in a row at this level."""

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
        """Return True if the window was quiet. Level 1 requires half the thresholds, so that it does not alternate."""
        return (
            self.signals.proofs_rejected < REJECTED_PROOFS_THRESHOLD if self.level > 1 else not self.signals.exceeds(2)
        )


@dataclass(frozen=True, slots=True)
class AttackStatus:
    """The level that was detected. `override` is `on` or `off` if an operator forced it, else empty."""

    level: int = 0
    override: str = ""

    @property
    def effective_level(self) -> int:
        return {"on": max(self.level, 1), "off": 0}.get(self.override, self.level)

    def __str__(self) -> str:
        state = f"on, level {self.effective_level} of {MAX_LEVEL}" if self.effective_level else "off"
        return f"{state} (forced)" if self.override else state


NO_ATTACK = AttackStatus()


def next_state(state: AttackState, signals: Signals, now: int) -> AttackState:
    """Return the state after these signals at this time."""
    state = replace(state, window_start=min(state.window_start, now))  # the clock was set back
    if now - state.window_start >= (DEESCALATE_AFTER_MS if state.level > 1 else WINDOW_MS):
        state = _close_window(state, now)
    state = replace(state, signals=state.signals + signals)
    return AttackState(min(state.level + 1, MAX_LEVEL), now) if state.should_escalate(now) else state


def _close_window(state: AttackState, now: int) -> AttackState:
    quiet_windows = state.quiet_windows + 1 if state.is_quiet() else 0
    if quiet_windows >= (QUIET_WINDOWS_TO_END if state.level == 1 else 1):
        return AttackState(max(state.level - 1, 0), now)
    return AttackState(state.level, now, quiet_windows)
