"""Test that a campaign file opens the total of a site, or is refused with a clear reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner
from donation_card.adapters.campaign_files.loader import load_campaign, read_campaign
from donation_card.cli.main import cli
from donation_card.domain.site_total import is_at_most_half_of_the_joint_step, least_site_step
from donation_card.errors import ConfigurationError
from hypothesis import given, strategies as st

import tests.support

ROOF = (Path(tests.support.__file__).parent / "roof.toml").read_text("utf-8").replace("[10, 50]", "[10, 30]")
HASH = hashlib.sha256(b"any").hexdigest()
OPEN = """
[[site_totals]]
host = "News.example"
step = 250
public = true
[[site_totals]]
host = "blog.example"
step = 400
every = "7d"
token_sha256 = "HASH"
""".replace("HASH", HASH)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "roof.toml"
        path.write_text(f'sites = ["news.example", "blog.example"]\n{text}', "utf-8")
        return path

    return write


def test_site_total_is_read_with_its_own_rule(write: Callable[[str], Path]) -> None:
    news, blog = read_campaign(write(ROOF + OPEN)).site_totals
    assert (news.host, news.token_sha256, news.publication.step) == ("news.example", None, 250_00)
    assert (blog.host, blog.token_sha256, blog.publication.step) == ("blog.example", HASH, 400_00)
    assert [each.publication.interval_seconds for each in (news, blog)] == [86_400, 7 * 86_400]
    assert {(each.publication.min_donations, str(each.publication.timezone)) for each in (news, blog)} == {
        (0, "Europe/Vilnius")
    }


def test_no_total_of_a_site_exists_by_default(write: Callable[[str], Path]) -> None:
    campaign = read_campaign(write(ROOF))
    assert campaign.publisher_hosts == ("news.example", "blog.example")
    assert campaign.site_totals == ()


def test_site_total_of_an_immediate_campaign_keeps_its_periods(write: Callable[[str], Path]) -> None:
    campaign = load_campaign(write(ROOF + OPEN), publication_interval="0").campaign
    assert campaign.publication.immediate
    assert not any(each.publication.immediate for each in campaign.site_totals)


WRONG = {
    "host of no site": ('host = "News.example"', 'host = "other.example"', "[0].host", "of the list sites"),
    "host twice": ('host = "blog.example"', 'host = "news.example"', "[1]", "each one once"),
    "step too small": ("step = 250", "step = 249", "[0].step", "at least 250.00 EUR: 2.5 times publication.step"),
    "neither public nor token": ("public = true\n", "", "[0]", "either public = true or token_sha256"),
    "public and token": ("public = true", f'public = true\ntoken_sha256 = "{HASH}"', "[0]", "either public = true"),
    "token instead of its hash": (HASH, "n" * 43, "[1].token_sha256", "site-token prints it"),
    "hash in capitals": (HASH, HASH.upper(), "[1].token_sha256", "64 of 0-9 and a-f"),
    "period of hours": ('every = "7d"', 'every = "6h"', "[1].every", "whole days"),
    "published at once": ('every = "7d"', 'every = "0"', "[1].every", "whole days"),
    "period of a month": ('every = "7d"', 'every = "29d"', "[1].every", "whole days"),
    "amount above half of both steps": ("[10, 30]", "[10, 40]", "[0].step", "at least 400.00 EUR, or a larger publ"),
    "amount of half a step": ("[10, 30]", "[10, 50]", "[0].step", "allowed: a larger publication.step, so that 50.00"),
    "unknown field": ("public = true", "open = true", "[0].open", "known here: host, step, every, public, token_sha"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_site_total_is_refused_with_its_place(what: str, write: Callable[[str], Path]) -> None:
    old, new, place, reason = WRONG[what]
    text = (ROOF + OPEN).replace(old, new)
    assert text != ROOF + OPEN
    with pytest.raises(ConfigurationError) as caught:
        read_campaign(write(text))
    assert reason in "\n".join(map(str, caught.value.faults))
    assert f"site_totals{place}" in [fault.field for fault in caught.value.faults]


def test_token_in_place_of_its_hash_is_not_printed(write: Callable[[str], Path]) -> None:
    token = "T0ken" * 9
    with pytest.raises(ConfigurationError) as caught:
        read_campaign(write((ROOF + OPEN).replace(HASH, token)))
    assert token not in str(caught.value)


amounts = st.integers(1, 100_000)


@given(donation=amounts, step=amounts, site_step=amounts)
def test_joint_step_is_that_of_both_shares_together(donation: int, step: int, site_step: int) -> None:
    share = Fraction(donation, step) + Fraction(donation, site_step)
    assert is_at_most_half_of_the_joint_step(donation, step, site_step) is (share <= Fraction(1, 2))


@given(donation=amounts, step=amounts)
def test_least_site_step_is_enough_and_one_less_is_not(donation: int, step: int) -> None:
    least = least_site_step(donation, step)
    assert (least is None) is (2 * donation >= step)
    if least is not None:
        shares = [Fraction(donation, step) + Fraction(donation, each) for each in (least, least - 1) if each]
        assert [share <= Fraction(1, 2) for share in shares] == [True, False][: len(shares)]


def test_token_is_random_and_printed_with_its_hash() -> None:
    outputs = [CliRunner().invoke(cli, ["site-token"]).output for _ in range(2)]
    tokens = [re.findall(r"only:  ([\w-]{43})\n", output) for output in outputs]
    assert tokens[0] != tokens[1]
    assert f'token_sha256 = "{hashlib.sha256(tokens[0][0].encode()).hexdigest()}"' in outputs[0]
