"""A worker with very many campaigns shows a gift and an edit at once: nothing waits for the turn of its campaign."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Installation, eventually, processes
from tests.support.scale import short_or_long
from tests.support.shipped import VITALY_TEXT

NUMBER = short_or_long(1_000, 10_000)

SOON = 20
"""Seconds, for a busy machine. In turn, the last campaign comes after 10 times as long or more."""


@pytest.fixture(scope="module")
def many(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Path]]:
    """Return an installation and its folder. The campaign `now` shows each gift at once, all others once a day."""
    here = tmp_path_factory.mktemp("many")
    campaigns = here / "campaigns"
    campaigns.mkdir()
    for number in range(NUMBER):
        (campaigns / f"c{number}.toml").write_text(VITALY_TEXT, "utf-8")
    text = VITALY_TEXT.replace('every = "1d"', 'every = "0"')
    (campaigns / "now.toml").write_text(text, "utf-8")
    with processes(redis_url, here, campaigns, workers=1) as (installation, _):
        yield installation, campaigns


def test_gift_to_an_immediate_campaign_shows_soon(many: tuple[Installation, Path]) -> None:
    installation, _ = many
    assert installation.progress("now")["raised"] == 0
    page = installation.submit(token=installation.token("now"), amount="25").headers["location"]
    installation.pay(page)
    eventually(lambda: installation.progress("now")["raised"] == 25_00, "the gift is shown", SOON)


def test_edit_of_one_file_of_many_shows_soon(many: tuple[Installation, Path]) -> None:
    installation, campaigns = many
    new = campaigns / ".new"
    new.write_text(VITALY_TEXT.replace('status = "open"', 'status = "paused"', 1), "utf-8")
    os.replace(new, campaigns / "c7.toml")
    eventually(lambda: status(installation, "c7") == "paused", "the edit is shown", SOON)
    (campaigns / "added.toml").write_text(VITALY_TEXT, "utf-8")
    eventually(lambda: status(installation, "added") == "open", "the new campaign is shown", SOON)
    (campaigns / "c8.toml").unlink()
    eventually(lambda: status(installation, "c8") == "", "the removed campaign is unknown", SOON)
    assert status(installation, "c9") == "open"


def status(installation: Installation, campaign: str) -> str:
    answer = installation.client.get(f"/v1/campaigns/{campaign}")
    return str(answer.json()["status"]) if answer.status_code == 200 else ""
