"""Test a worker that accepts requests while most campaign files are not loaded yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from donation_card import app
from donation_card.adapters.campaign_files import loader
from donation_card.adapters.page_folder import StaticPageFolder

from tests.support.image_files import encode, photo
from tests.support.installation import Installation, eventually, running

NAMES = ("barn", "roof", "tower", "well")
PICTURE = '\n[picture]\nfile = "well.jpg"\nalt = { en = "A well", de = "Ein Brunnen" }\n'


@pytest.fixture
def installed(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Installation, pytest.MonkeyPatch]]:
    """Run a worker that has loaded one file, and loads another one only when it is asked for."""
    campaigns = tmp_path / "campaigns"
    campaigns.mkdir()
    text = Path("tests/support/roof.toml").read_text("utf-8")
    for name in NAMES:
        (campaigns / f"{name}.toml").write_text(text + (PICTURE if name == "well" else ""), "utf-8")
    (campaigns / "well.jpg").write_bytes(encode(photo(1600, 900), "JPEG"))
    monkeypatch.setattr(app, "FIRST", 1)
    monkeypatch.setattr(loader, "_AT_ONCE", 0)
    monkeypatch.setattr("donation_card.background_tasks.LOAD_PAUSE", 0.05)
    (tmp_path / "pages").mkdir()
    StaticPageFolder(tmp_path / "pages").write({"tower.en": "the page of an earlier worker"})
    options = {"fallback_pages_dir": tmp_path / "pages"}
    with running(redis_url, tmp_path, campaigns=campaigns, settings_options=options) as found:
        yield found, monkeypatch


def test_campaign_whose_file_is_not_loaded_is_served(installed: tuple[Installation, pytest.MonkeyPatch]) -> None:
    service, patch = installed
    client, pages = service.client, StaticPageFolder(service.settings.fallback_pages_dir or Path())
    for path in ("/v1/campaigns/well", "/c/well", "/c/well/give", "/v1/campaigns/well,roof"):
        assert client.get(path).status_code == 200, path
    picture = client.get("/v1/campaigns/well").json()["picture"]["url"]
    assert client.get(picture).status_code == 200
    assert client.get("/v1/campaigns/none").status_code == 404
    eventually(lambda: "barn.en" in pages.names(), "pages for the proxy are written")
    assert "tower.en" in pages.names(), "the page of a campaign that is not loaded yet stays"
    ready = client.get("/readyz").json()["components"]
    assert ready["campaigns"]["reason"] == "1 campaign files are not loaded yet"
    assert ready["reconcile"]["ready"] is False, "the first sync waits for all campaigns"

    patch.setattr(loader, "_AT_ONCE", 1)
    service.until_ready()
    assert client.get("/v1/campaigns/barn/progress").status_code == 200
    listed = client.get("/").text
    assert all(f"/c/{name}" in listed for name in NAMES)
    eventually(lambda: service.metrics()['component_ready{component="campaigns"}'] == 1, "all files are loaded")
