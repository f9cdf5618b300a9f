"""Attack mode turns itself on by what Stripe tells, never by gifts, and always off again."""

from donation_card.domain.attack_detection import (
    CALM,
    CROWD,
    DECLINES,
    EXPIRIES,
    LULL,
    OFF,
    RISE,
    SILENCE,
    TOP,
    WINDOW,
    Mode,
    Signals,
    Watch,
    heard,
)
from hypothesis import given
from hypothesis import strategies as st

signals = st.builds(Signals, st.integers(0, 40), st.integers(0, 200), st.integers(0, 40), st.integers(0, 40))
steps = st.lists(st.tuples(signals, st.integers(0, 2 * WINDOW)), max_size=40)
LONG_ENOUGH = CALM + TOP + 2


def after(steps, watch=None, now=0):
    watch = watch or Watch()
    for what, later in steps:
        now += later
        watch = heard(watch, what, now)
    return watch, now


@given(steps)
def test_the_level_is_always_one_there_is_and_moves_by_one(steps):
    watch, now = Watch(), 0
    for what, later in steps:
        now += later
        before, watch = watch, heard(watch, what, now)
        assert 0 <= watch.level <= TOP
        assert abs(watch.level - before.level) <= 1


@given(steps)
def test_after_a_long_quiet_it_is_off_whatever_was_before(steps):
    watch, now = after(steps)
    watch, _ = after([(SILENCE, WINDOW)] * LONG_ENOUGH, watch, now)
    assert watch.level == 0


@given(steps.map(lambda steps: [(Signals(paid=what.paid), later) for what, later in steps]))
def test_gifts_alone_never_turn_it_on(steps):
    watch, _ = after(steps)
    assert watch.level == 0


@given(st.integers(DECLINES, 500))
def test_as_many_declines_as_no_campaign_has_turn_it_on_at_once(declined):
    watch, _ = after([(Signals(declined=1), 100)] * declined)
    assert watch.level > 0


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_busy_hour_with_more_gifts_than_declines_is_no_attack(declined, more):
    watch = heard(Watch(), Signals(declined=declined, paid=declined + more), 1_000)
    assert watch.level == 0


def test_sessions_never_paid_are_an_attack_only_where_next_to_nobody_gives():
    assert heard(Watch(), Signals(expired=EXPIRIES), 0).level == 1
    assert heard(Watch(), Signals(expired=EXPIRIES, paid=EXPIRIES // 10), 0).level == 0


@given(st.integers(1, TOP))
def test_while_cards_are_declined_it_stays_on(level):
    watch, now = Watch(level), 0
    for _ in range(3 * CALM):
        now += WINDOW
        watch = heard(watch, Signals(declined=DECLINES), now)
        assert watch.level >= 1


@given(st.integers(1, TOP - 1))
def test_a_crowd_of_proofs_doubles_the_work_until_there_is_room(level):
    watch, now = after([(SILENCE, 1), (Signals(crowded=CROWD), RISE)], Watch(level))
    assert watch.level == level + 1
    watch, now = after([(Signals(crowded=CROWD - 1), LULL - 1_000), (SILENCE, 1_000)], watch, now)
    assert watch.level == level
    assert after([(Signals(crowded=CROWD), RISE)] * TOP, watch, now)[0].level == TOP


def test_a_crowd_alone_turns_nothing_on():
    assert after([(Signals(crowded=1_000), RISE)] * 10)[0].level == 0


def test_proofs_that_find_no_room_now_and_then_are_no_crowd():
    watch, _ = after([(Signals(crowded=1), 1_100)] * 100, Watch(2))
    assert watch.level == 2


def test_it_stays_on_while_half_as_many_cards_are_declined():
    watch, _ = after([(Signals(declined=DECLINES // 2), WINDOW)] * 50, Watch(1))
    assert watch.level == 1


def test_it_goes_off_half_an_hour_after_the_last_sign():
    watch, now = after([(Signals(declined=DECLINES), 0)])
    assert watch.level == 1
    watch, now = after([(SILENCE, 1_000)] * (CALM * WINDOW // 1_000 - 1), watch, now)
    assert watch.level == 1
    watch, _ = after([(SILENCE, 1_000)], watch, now)
    assert watch.level == 0


def test_a_clock_that_is_set_back_neither_turns_it_on_nor_holds_it():
    watch = heard(Watch(2, began=10**9), SILENCE, 5)
    assert (watch.level, watch.began) == (2, 5)


def test_an_operator_can_force_it_on_and_off_and_what_is_heard_goes_on_counting():
    assert [str(Mode(level, forced)) for level in (0, 3) for forced in ("", "on", "off")] == [
        "off",
        f"on, level 1 of {TOP} (forced)",
        "off (forced)",
        f"on, level 3 of {TOP}",
        f"on, level 3 of {TOP} (forced)",
        "off (forced)",
    ]
    assert not OFF.effective
