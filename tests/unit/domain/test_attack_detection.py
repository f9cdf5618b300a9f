"""Test that declines and unpaid sessions raise the attack status, and that it always ends."""

from donation_card.domain.attack_detection import (
    DECLINE_THRESHOLD,
    DEESCALATE_AFTER_MS,
    ESCALATE_AFTER_MS,
    EXPIRY_THRESHOLD,
    MAX_LEVEL,
    NO_ATTACK,
    NO_SIGNALS,
    QUIET_WINDOWS_TO_END,
    REJECTED_PROOFS_THRESHOLD,
    WINDOW_MS,
    AttackState,
    AttackStatus,
    Signals,
    next_state,
)
from hypothesis import given, strategies as st

signals = st.builds(Signals, st.integers(0, 40), st.integers(0, 200), st.integers(0, 40))
steps = st.lists(st.tuples(signals, st.integers(0, 2 * WINDOW_MS)), max_size=40)
LONG_ENOUGH = QUIET_WINDOWS_TO_END + MAX_LEVEL + 2


def after(steps, watch=None, now=0):
    watch = watch or AttackState()
    for what, later in steps:
        now += later
        watch = next_state(watch, what, now)
    return watch, now


@given(steps)
def test_level_is_valid_and_moves_by_one(steps):
    watch, now = AttackState(), 0
    for what, later in steps:
        now += later
        before, watch = watch, next_state(watch, what, now)
        assert 0 <= watch.level <= MAX_LEVEL
        assert abs(watch.level - before.level) <= 1


@given(steps)
def test_long_quiet_ends_any_attack(steps):
    watch, now = after(steps)
    watch, _ = after([(NO_SIGNALS, WINDOW_MS)] * LONG_ENOUGH, watch, now)
    assert watch.level == 0


@given(st.integers(DECLINE_THRESHOLD, 500))
def test_many_declines_raise_the_level_at_once(declined):
    watch, _ = after([(Signals(declined=1), 100)] * declined)
    assert watch.level > 0


def test_fewer_declined_and_unpaid_sessions_are_no_attack():
    assert next_state(AttackState(), Signals(DECLINE_THRESHOLD - 1, EXPIRY_THRESHOLD - 1), 0).level == 0
    assert next_state(AttackState(), Signals(expired=EXPIRY_THRESHOLD), 0).level == 1


@given(st.integers(1, MAX_LEVEL))
def test_declines_keep_the_level(level):
    watch, now = AttackState(level), 0
    for _ in range(3 * QUIET_WINDOWS_TO_END):
        now += WINDOW_MS
        watch = next_state(watch, Signals(declined=DECLINE_THRESHOLD), now)
        assert watch.level >= 1


@given(st.integers(1, MAX_LEVEL - 1))
def test_crowded_proofs_double_the_cost(level):
    watch, now = after(
        [(NO_SIGNALS, 1), (Signals(proofs_rejected=REJECTED_PROOFS_THRESHOLD), ESCALATE_AFTER_MS)], AttackState(level)
    )
    assert watch.level == level + 1
    watch, now = after(
        [(Signals(proofs_rejected=REJECTED_PROOFS_THRESHOLD - 1), DEESCALATE_AFTER_MS - 1_000), (NO_SIGNALS, 1_000)],
        watch,
        now,
    )
    assert watch.level == level
    assert (
        after([(Signals(proofs_rejected=REJECTED_PROOFS_THRESHOLD), ESCALATE_AFTER_MS)] * MAX_LEVEL, watch, now)[
            0
        ].level
        == MAX_LEVEL
    )


def test_crowd_alone_raises_no_level():
    assert after([(Signals(proofs_rejected=1_000), ESCALATE_AFTER_MS)] * 10)[0].level == 0


def test_occasional_full_buckets_are_no_crowd():
    watch, _ = after([(Signals(proofs_rejected=1), 1_100)] * 100, AttackState(2))
    assert watch.level == 2


def test_half_as_many_declines_keep_the_level():
    watch, _ = after([(Signals(declined=DECLINE_THRESHOLD // 2), WINDOW_MS)] * 50, AttackState(1))
    assert watch.level == 1


def test_level_ends_half_an_hour_after_the_last_decline():
    watch, now = after([(Signals(declined=DECLINE_THRESHOLD), 0)])
    assert watch.level == 1
    watch, now = after([(NO_SIGNALS, 1_000)] * (QUIET_WINDOWS_TO_END * WINDOW_MS // 1_000 - 1), watch, now)
    assert watch.level == 1
    watch, _ = after([(NO_SIGNALS, 1_000)], watch, now)
    assert watch.level == 0


def test_clock_set_back_changes_no_level():
    watch = next_state(AttackState(2, window_start=10**9), NO_SIGNALS, 5)
    assert (watch.level, watch.window_start) == (2, 5)


def test_forced_level_keeps_counting_signals():
    assert [str(AttackStatus(level, forced)) for level in (0, 3) for forced in ("", "on", "off")] == [
        "off",
        f"on, level 1 of {MAX_LEVEL} (forced)",
        "off (forced)",
        f"on, level 3 of {MAX_LEVEL}",
        f"on, level 3 of {MAX_LEVEL} (forced)",
        "off (forced)",
    ]
    assert not NO_ATTACK.effective_level
