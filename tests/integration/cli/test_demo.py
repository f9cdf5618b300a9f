"""`donation-card demo` uses the setting of the campaigns' folder, and says what an installation lacks."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.adapters.pictures.store import make
from donation_card.cli.main import cli
from donation_card.demo import launcher
from donation_card.domain.campaign import LANGUAGES


@pytest.fixture
def started(monkeypatch):
    """The arguments with which the demo is started."""
    calls = []

    async def run_demo(*arguments, example):
        calls.append((*arguments, example))

    monkeypatch.setattr(launcher, "run_demo", run_demo)
    return calls


@pytest.mark.parametrize("options", [["--campaigns", "{}"], []])
def test_demo_uses_campaigns_dir(started, options, sample_campaign):
    command = ["demo", *(option.format(sample_campaign) for option in options)]
    environment = {} if options else {"CAMPAIGNS_DIR": str(sample_campaign)}
    done = CliRunner().invoke(cli, command, env=environment, catch_exceptions=False)
    assert done.exit_code == 0
    assert started == [(8000, Path("data"), sample_campaign, False)]


def test_demo_of_the_shipped_campaign_has_an_example_beside_it(started, monkeypatch):
    monkeypatch.delenv("CAMPAIGNS_DIR", raising=False)
    CliRunner().invoke(cli, ["demo"], catch_exceptions=False)
    assert started == [(8000, Path("data"), Path("campaigns"), True)]
    example = read_campaign(launcher.EXAMPLE / "reading-room.toml")
    assert example.languages == LANGUAGES
    assert example.picture
    assert [bool(each.receipt and each.receipt.cover) for each in example.spendings] == [True, True]
    assert example.recipient.contact.endswith("@example.org")
    assert "Example" in example.recipient.legal_name
    (picture, *receipts) = (make(each) for each in example.image_files.values())
    assert len(picture) == 4
    assert all(receipts)


def test_demo_without_sandbox_says_what_is_missing(started, monkeypatch):
    monkeypatch.setitem(sys.modules, "stripe_sandbox", None)
    done = CliRunner().invoke(cli, ["demo"])
    assert done.exit_code == 1
    assert "needs the package stripe_sandbox" in done.output
    assert "donation-card[demo]" in done.output
    assert started == []


def test_only_the_owner_reads_the_environment_of_the_demo(tmp_path):
    path = tmp_path / "data" / "environment"
    path.parent.mkdir()
    path.write_text("STRIPE_SECRET_KEY=old")
    path.chmod(0o644)
    launcher._write_secret(path, "STRIPE_SECRET_KEY=new")
    assert (path.stat().st_mode & 0o777, path.read_text()) == (0o600, "STRIPE_SECRET_KEY=new")
