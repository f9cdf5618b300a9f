"""Which ways to give a campaign has now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.bank_transfer import BankTransfer
from donation_card.domain.campaign import OtherWay, OtherWayText, Status
from donation_card.domain.ways_to_give import ways_to_give
from hypothesis import given, strategies as st

ROOF = read_campaign(Path("tests/support/roof.toml"))
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TRANSFER = BankTransfer("Roofers Foundation", "DE89370400440532013000", "", "RF565390075470", False)
TRIBE = OtherWay(
    "https://tribe.example.org/", {lang: OtherWayText("Tribe", "Pay there.", "A line.") for lang in ROOF.languages}
)


def kinds(campaign, raised=0, now=NOW):
    return [way.kind.value for way in ways_to_give(campaign, now, raised)]


def with_all_ways(**changes):
    return replace(ROOF, bank_transfer=TRANSFER, other_ways=(TRIBE, TRIBE), **changes)


def test_plain_campaign_has_the_card_alone():
    assert kinds(ROOF) == ["card"]


def test_ways_come_in_the_order_of_the_page_with_their_data():
    ways = ways_to_give(with_all_ways(), NOW, 0)
    assert [way.kind.value for way in ways] == ["card", "bank_transfer", "link", "link"]
    assert [way.transfer for way in ways] == [None, TRANSFER, None, None]
    assert [way.link for way in ways] == [None, None, TRIBE, TRIBE]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, True),
        ({"warned_bank_countries": ("BY",)}, False),
        ({"warned_bank_countries": ("BY",), "bank_transfer": replace(TRANSFER, accept_named_statement=True)}, True),
        ({"bank_transfer": replace(TRANSFER, accept_named_statement=True)}, True),
    ],
)
def test_campaign_that_warns_shows_the_account_if_it_accepts_that(changes, shown):
    assert ("bank_transfer" in kinds(replace(with_all_ways(), **changes))) is shown


@given(
    status=st.sampled_from(Status),
    raised=st.none() | st.integers(0, 2 * ROOF.goal.amount),
    ends_in=st.none() | st.integers(-3, 3),
    accepts_more=st.booleans(),
    warns=st.booleans(),
    accepts_statement=st.booleans(),
    has_transfer=st.booleans(),
    links=st.integers(0, 3),
    methods=st.lists(st.sampled_from(["paypal", "ideal", "twint"]), unique=True),
)
def test_ways_follow_the_state_of_the_campaign(
    status, raised, ends_in, accepts_more, warns, accepts_statement, has_transfer, links, methods
):
    """A campaign that takes no gifts has no way at all, so no account of it leaves the service."""
    campaign = replace(
        ROOF,
        status=status,
        ends_at=None if ends_in is None else NOW + timedelta(hours=ends_in),
        giving=replace(ROOF.giving, accept_above_goal=accepts_more),
        warned_bank_countries=("BY", "RU") if warns else (),
        bank_transfer=replace(TRANSFER, accept_named_statement=accepts_statement) if has_transfer else None,
        other_ways=(TRIBE,) * links,
        redirect_methods=tuple(methods),
    )
    expected = []
    is_full = raised is not None and raised >= 90_000 and not accepts_more
    if status is Status.OPEN and not is_full and not (ends_in is not None and ends_in <= 0):
        transfer = ["bank_transfer"] if has_transfer and not (warns and not accepts_statement) else []
        redirect = ["redirect"] if {"paypal", "ideal"} & set(methods) else []  # TWINT takes no euro
        expected = ["card", *redirect, *transfer, *["link"] * links]
    assert kinds(campaign, raised) == expected


def test_redirect_names_the_methods_that_take_the_currency():
    ways = ways_to_give(replace(ROOF, redirect_methods=("twint", "paypal", "ideal")), NOW, 0)
    assert [(way.kind.value, way.methods) for way in ways] == [("card", ()), ("redirect", ("PayPal", "iDEAL"))]
