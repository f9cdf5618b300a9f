"""Attack mode turns itself on by what Stripe tells, never by gifts, and always off again."""

from hypothesis import given
from hypothesis import strategies as st

from service.domain.attack import CALM, DECLINES, EXPIRIES, OFF, RISE, SILENCE, TOP, WINDOW, Mode, Signals, Watch, heard

signals = st.builds(Signals, st.integers(0, 40), st.integers(0, 200), st.integers(0, 40))
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
def test_while_cards_are_declined_it_stays_and_rises_to_the_top(level):
    watch, now = Watch(level), 0
    for _ in range(2 * CALM * WINDOW // RISE):
        now += RISE
        watch = heard(watch, Signals(declined=DECLINES), now)
        assert watch.level >= level
    assert watch.level == TOP


def test_two_rises_are_half_a_minute_apart():
    for seconds, level in ((1, 1), (30, 1), (31, 2), (60, 2), (61, 3)):
        watch, _ = after([(Signals(declined=DECLINES), 1_000)] * seconds)
        assert watch.level == level


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
        "on, level 1 of 4 (forced)",
        "off (forced)",
        "on, level 3 of 4",
        "on, level 3 of 4 (forced)",
        "off (forced)",
    ]
    assert not OFF.effective
