"""Test that of many campaign files the first ones are loaded at the start, and the others later."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from donation_card.adapters.campaign_files import loader
from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.domain.campaign import Status
from donation_card.errors import ConfigurationError, NotFound
from hypothesis import given, strategies as st
from structlog.testing import capture_logs

ROOF = Path("tests/support/roof.toml").read_text("utf-8")
NAMES = ("barn", "roof", "shed", "tower", "well")


def write(folder: Path, *names: str, text: str = ROOF) -> Path:
    for name in names:
        (folder / f"{name}.toml").write_text(text, "utf-8")
    return folder


def ids(campaigns: CampaignFiles) -> list[str]:
    return [each.id for each in campaigns.all()]


def load_all(campaigns: CampaignFiles) -> frozenset[str]:
    while campaigns.load_more():
        pass
    return campaigns.reload()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the name of each file when it is read."""
    names: list[str] = []
    original = loader._read_bytes

    def read_bytes(path: Path) -> bytes:
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(loader, "_read_bytes", read_bytes)
    return names


def test_file_that_is_not_loaded_yet_is_loaded_when_asked_for(tmp_path: Path, read: list[str]) -> None:
    campaigns = CampaignFiles(write(tmp_path, *NAMES), first=2)
    assert (ids(campaigns), campaigns.unread()) == (["barn", "roof"], 3)
    assert campaigns.load_errors() == "3 campaign files are not loaded yet"
    assert campaigns.get("well").id == "well"
    assert campaigns.unread() == 2
    assert read == ["barn.toml", "roof.toml", "well.toml"]
    with pytest.raises(NotFound):
        campaigns.get("../well")


def test_each_of_many_files_is_read_once(tmp_path: Path, read: list[str]) -> None:
    campaigns = CampaignFiles(write(tmp_path, *NAMES), first=1)
    campaigns.get("tower")
    campaigns.get("tower")
    with capture_logs() as logged:
        assert load_all(campaigns) == {"roof", "shed", "tower", "well"}
        assert campaigns.reload() == frozenset()
    assert sorted(read) == [f"{name}.toml" for name in NAMES]
    assert ids(campaigns) == [*NAMES]
    assert campaigns.load_errors() is None
    assert logged == [], "the log does not name each file that was there at the start"


def test_mistake_in_one_of_the_first_files_stops_the_start(tmp_path: Path) -> None:
    write(write(tmp_path, *NAMES), "roof", text="status = 5")
    with pytest.raises(ConfigurationError, match=r"roof\.toml"):
        CampaignFiles(tmp_path, first=2)


def test_mistake_in_a_later_file_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    write(write(tmp_path, *NAMES), "shed", text="status = 5")
    campaigns = CampaignFiles(tmp_path, first=2)
    with capture_logs() as logged:
        load_all(campaigns)
    assert [each["event"] for each in logged] == ["campaign_file_invalid"]
    assert logged[0]["file"].endswith("shed.toml")
    assert ids(campaigns) == ["barn", "roof", "tower", "well"]
    assert "shed.toml: status" in (campaigns.load_errors() or "")
    with pytest.raises(NotFound):
        campaigns.get("shed")
    write(tmp_path, "shed")
    assert campaigns.reload() == {"shed"}
    assert (ids(campaigns), campaigns.load_errors()) == ([*NAMES], None)


def test_file_that_goes_before_it_is_loaded_is_forgotten(tmp_path: Path) -> None:
    campaigns = CampaignFiles(write(tmp_path, *NAMES), first=1)
    (tmp_path / "well.toml").unlink()
    load_all(campaigns)
    assert ids(campaigns) == ["barn", "roof", "shed", "tower"]
    assert campaigns.load_errors() is None


def test_many_edits_are_loaded_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_AT_ONCE", 2)
    campaigns = CampaignFiles(write(tmp_path, *NAMES))
    campaigns.reload()
    write(tmp_path, *NAMES, text=ROOF.replace('status = "open"', 'status = "paused"'))
    assert campaigns.reload() == {"barn", "roof"}
    before = campaigns.get("well")
    assert before.status is Status.OPEN, "the last version is used until the new one is loaded"
    assert load_all(campaigns) == {"shed", "tower", "well"}
    assert campaigns.get("well").status is Status.PAUSED


def test_placeholder_in_a_later_file_is_a_mistake_with_a_live_key(tmp_path: Path) -> None:
    write(tmp_path, "barn", text=ROOF.replace("ada@example.org", "ada@roof.eu"))
    campaigns = CampaignFiles(write(tmp_path, "roof"), first=1, livemode=True)
    load_all(campaigns)
    assert ids(campaigns) == ["barn"]
    assert "roof.toml: recipient.contact" in (campaigns.load_errors() or "")
    with pytest.raises(ConfigurationError, match=r"recipient\.contact"):
        CampaignFiles(tmp_path, livemode=True)


STEPS = st.lists(st.one_of(st.sampled_from(NAMES), st.sampled_from(["more", "reload"])))


@given(first=st.integers(1, 6), broken=st.sets(st.sampled_from(NAMES[1:])), steps=STEPS)
def test_any_order_of_loading_leads_to_the_same_campaigns(first: int, broken: set[str], steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "_AT_ONCE", 1)
        folder = write(Path(name), *NAMES)
        campaigns = CampaignFiles(folder, first=first)
        seen = set(ids(campaigns))
        write(folder, *broken, text="status = 5")
        for step in steps:
            if step == "more":
                campaigns.load_more()
            elif step == "reload":
                seen |= campaigns.reload()
            elif step not in broken:
                assert campaigns.get(step).id == step
        load_all(campaigns)
        load_all(campaigns)
        loaded_before = [*NAMES[:first]]
        assert ids(campaigns) == [each for each in NAMES if each not in broken or each in loaded_before]
        assert {each for each in broken if f"{each}.toml" in (campaigns.load_errors() or "")} == broken
