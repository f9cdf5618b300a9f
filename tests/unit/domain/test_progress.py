"""Test that the public total funds the needs in their order."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from donation_card.domain.campaign import (
    Campaign,
    CampaignText,
    DonationTerms,
    Need,
    NeedText,
    Recipient,
    Status,
    SurplusPolicy,
)
from donation_card.domain.money import Money
from donation_card.domain.progress import NeedStatus, Progress, ProgressStage, calculate_progress
from donation_card.domain.publication import PublicationPolicy
from hypothesis import given, strategies as st

FUNDED, NEXT, TO_COME = NeedStatus.FUNDED, NeedStatus.NEXT, NeedStatus.TO_COME
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def euro(amount: int) -> Money:
    return Money(amount * 100, "EUR")


def sample_campaign(*needs: int) -> Campaign:
    return Campaign(
        id="roof",
        status=Status.OPEN,
        goal=euro(sum(needs)),
        needs=tuple(Need(f"need{n}", euro(amount), {"en": NeedText("Tiles")}) for n, amount in enumerate(needs)),
        text={"en": CampaignText("A roof for Ada", "for Ada", "Her roof leaks.", ())},
        default_language="en",
        recipient=Recipient("Roofs", "Roofs Association", "roofs@example.org", "ROOFS"),
        giving=DonationTerms((euro(25),), euro(1), euro(5000), allow_minor_units=False, accept_above_goal=True),
        publication=PublicationPolicy(0, 1, 0, ZoneInfo("Europe/Vilnius")),
        on_surplus=SurplusPolicy.UNDECIDED,
        on_shortfall=SurplusPolicy.UNDECIDED,
    )


def at(raised: int, *needs: int) -> Progress:
    return calculate_progress(sample_campaign(*needs), raised * 100, as_of=NOON, next_update_at=None)


@pytest.mark.parametrize(
    ("raised", "funded", "states"),
    [
        (0, [0, 0, 0], [NEXT, TO_COME, TO_COME]),
        (99, [99, 0, 0], [NEXT, TO_COME, TO_COME]),
        (100, [100, 0, 0], [FUNDED, NEXT, TO_COME]),
        (250, [100, 150, 0], [FUNDED, NEXT, TO_COME]),
        (600, [100, 200, 300], [FUNDED, FUNDED, FUNDED]),
        (900, [100, 200, 300], [FUNDED, FUNDED, FUNDED]),
    ],
)
def test_needs_are_funded_in_order(raised: int, funded: list[int], states: list[NeedStatus]) -> None:
    found = at(raised, 100, 200, 300)
    assert [need.funded for need in found.needs] == [euro(amount) for amount in funded]
    assert [need.status for need in found.needs] == states


@given(raised=st.integers(-500, 5_000), needs=st.lists(st.integers(1, 500), min_size=1, max_size=6))
def test_need_shares_add_up_to_the_total(raised: int, needs: list[int]) -> None:
    found = at(raised, *needs)
    assert sum(need.funded.amount for need in found.needs) == min(max(0, raised), sum(needs)) * 100
    assert sum(need.status is NEXT for need in found.needs) == (raised < sum(needs))
    assert found.raised.amount == max(0, raised) * 100
    assert found.missing.amount == max(0, sum(needs) - max(0, raised)) * 100
    assert 0 <= found.percent <= 100
    assert (found.percent == 100) == (raised >= sum(needs)) == (found.stage is ProgressStage.FUNDED)


def test_100_percent_is_never_shown_early() -> None:
    assert calculate_progress(sample_campaign(100), 99_99, as_of=NOON, next_update_at=None).percent == 99


@pytest.mark.parametrize(
    ("raised", "stage"),
    [
        (0, ProgressStage.JUST_STARTED),
        (1, ProgressStage.UNDER_WAY),
        (99, ProgressStage.UNDER_WAY),
        (100, ProgressStage.FUNDED),
        (101, ProgressStage.FUNDED),
    ],
)
def test_stage_begins_with_its_first_unit(raised: int, stage: ProgressStage) -> None:
    assert at(raised, 100).stage is stage


def test_negative_total_is_shown_as_just_started() -> None:
    found = at(-5, 100)
    assert (found.raised, found.stage, found.percent) == (euro(0), ProgressStage.JUST_STARTED, 0)
