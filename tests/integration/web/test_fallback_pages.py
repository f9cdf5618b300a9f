"""Test the static pages that the proxy sends while the service does not answer."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.adapters.page_folder import StaticPageFolder
from donation_card.application.public_progress import PublicProgress
from donation_card.domain.campaign import LANGUAGES
from donation_card.domain.progress import calculate_progress
from donation_card.settings import Settings
from donation_card.web import fallback_pages
from donation_card.web.assets import Assets
from donation_card.web.fallback_pages import FallbackPages
from donation_card.web.http.response_cache import ResponseCache
from donation_card.web.presentation.giving_page_renderer import GivingPageRenderer
from donation_card.web.presentation.templates import Templates
from hypothesis import given, settings as hypothesis_settings, strategies as st

from tests.support.installation import eventually
from tests.support.shipped import VITALY_TEXT
from tests.support.ways import ACCOUNT, BIC, HOLDER, LINKS, campaign_with_ways

SETTINGS = Settings(
    "sk_live_x", "pk_live_x", ("whsec_x",), "redis://127.0.0.1", "https://give.example.org", ("x" * 32,)
)
IBAN_TEXT, REFERENCE_TEXT = "LT60 1010 0123 4567 8901", "RF56 5390 0754 70"
PAGES = GivingPageRenderer(Templates(SETTINGS, Assets(ResponseCache())))
NOTICE = "Giving by card is not possible here at the moment."

UPDATE = "[[updates]]\ndate = 2026-11-01\n[updates.text]\n" + "\n".join(f'{each} = "New"' for each in LANGUAGES)


class RecordingFolder(StaticPageFolder):
    """Call `on_write` before each page is written, and record the names of all pages that were written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.written: list[str] = []
        self.on_write: Callable[[], object] = lambda: None

    def write(self, pages: Mapping[str, str]) -> None:
        self.on_write()
        super().write(pages)
        self.written += [name for name in pages if not name.startswith("-thanks")]


class Worker:
    """One worker: its campaigns, its clock, and its pages in a folder that it may share."""

    def __init__(self, campaigns: Path, folder: Path, first: int | None = None) -> None:
        self.now = datetime.now(UTC)
        self.campaigns = CampaignFiles(campaigns, clock=lambda: self.now, first=first)
        self.progress = PublicProgress(None, self.campaigns, None, lambda: self.now)  # type: ignore[arg-type]
        self.folder = RecordingFolder(folder)
        self.pages = FallbackPages(self.campaigns, self.progress, PAGES, self.folder)

    def withdraw(self) -> frozenset[str]:
        """Do what a worker does first after an edit."""
        changed = self.campaigns.reload()
        self.pages.remove_withdrawn(changed)
        return changed

    def work(self) -> None:
        """Do what a worker does each second."""
        self.withdraw()
        while self.pages.update():
            pass


@pytest.fixture
def campaigns(tmp_path: Path) -> Path:
    folder = tmp_path / "campaigns"
    folder.mkdir()
    (folder / "ways.toml").write_text(campaign_with_ways(), "utf-8")
    (folder / "other.toml").write_text(campaign_with_ways(account=""), "utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pages"


@pytest.fixture
def worker(campaigns: Path, folder: Path) -> Iterator[Worker]:
    worker = Worker(campaigns, folder)
    worker.work()
    return worker


def write(campaigns: Path, name: str, text: str) -> None:
    """Replace a campaign file, as editors do. Two edits in one moment have different stamps."""
    new = campaigns / f".{name}.new"
    new.write_text(text, "utf-8")
    os.replace(new, campaigns / f"{name}.toml")


def names(folder: Path) -> set[str]:
    """Return the names of all files but the pages that are sent instead of the thanks."""
    return {path.name for path in folder.iterdir()} - pages_of("-thanks")


def pages_of(*campaigns: str) -> set[str]:
    return {f"donation-card.{campaign}.{language}.html" for campaign in campaigns for language in LANGUAGES}


def page(folder: Path, campaign: str = "ways", language: str = "en") -> str:
    return (folder / f"donation-card.{campaign}.{language}.html").read_text("utf-8")


def test_each_campaign_has_a_page_in_each_language(worker: Worker, folder: Path) -> None:
    assert names(folder) == pages_of("ways", "other")
    for language in LANGUAGES:
        text = page(folder, language=language)
        assert f'<html lang="{language}"' in text
        assert all(shown in text for shown in (HOLDER, BIC, IBAN_TEXT, REFERENCE_TEXT, *LINKS))
        assert set(re.findall(r'href="/c/ways\?lang=(..)"', text)) == set(LANGUAGES)
        assert (folder / f"donation-card.ways.{language}.html").stat().st_mode & 0o777 == 0o644
    assert NOTICE in page(folder)


def test_page_needs_nothing_and_holds_no_total_or_form(worker: Worker, folder: Path) -> None:
    campaign = worker.campaigns.get("ways")
    text = page(folder)
    assert not re.search(r"<script|<img|<form|<link rel=.(icon|style)|\ssrc=|url\(|progressbar", text)
    assert campaign.text["en"].summary not in text
    assert all(paragraph not in text for paragraph in campaign.text["en"].story)
    assert "€" not in text, "no amount"
    assert '<meta name="robots" content="noindex">' in text
    assert len(text.encode()) < 12_000


def test_hostile_texts_stay_texts(campaigns: Path, folder: Path) -> None:
    """A title can neither leave its element nor forge the mark at the end of the page."""
    title = "--> </title><script>alert(1)</script> {{ 7*7 }} ' & <!--"
    text = re.sub(r'(?m)^title = "[^"]*"', lambda _: f'title = "{title}"', campaign_with_ways())
    write(campaigns, "ways", text)
    worker = Worker(campaigns, folder)
    worker.work()
    assert worker.campaigns.get("ways").text["en"].title.startswith("--> </title>")
    assert "<script" not in page(folder)
    assert "{{ 7*7 }}" in page(folder)
    assert page(folder).count("<!--") == 1
    written = len(worker.folder.written)
    Worker(campaigns, folder).work()
    assert len(worker.folder.written) == written


def test_reader_of_the_folder_sees_whole_pages_alone(campaigns: Path, folder: Path) -> None:
    """Two workers write, and each name that the proxy can ask for is a whole page at any moment."""
    parts: list[str] = []

    def look() -> None:
        pages = [path for path in folder.glob("donation-card.*") if path.name.endswith(".html")]
        parts.extend(path.name for path in pages if not path.read_text("utf-8").endswith(" -->\n"))

    workers = [Worker(campaigns, folder) for _ in range(2)]
    for worker in workers:
        worker.folder.on_write = look
    threads = [threading.Thread(target=worker.work) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    look()
    assert parts == []
    assert names(folder) == pages_of("ways", "other"), "and no temporary file stays"


def test_warning_stands_before_the_ways(worker: Worker, folder: Path) -> None:
    text = page(folder)
    assert 0 < text.index("Do not pay from a bank in: Belarus") < text.index(IBAN_TEXT)


def test_account_that_statements_name_is_on_no_page(campaigns: Path, folder: Path) -> None:
    account = ACCOUNT.replace("accept_named_statement = true", "accept_named_statement = false")
    write(campaigns, "ways", campaign_with_ways(account=account))
    Worker(campaigns, folder).work()
    assert IBAN_TEXT not in page(folder)
    assert LINKS[0] in page(folder)


def test_campaign_without_another_way_says_so(campaigns: Path, folder: Path) -> None:
    write(campaigns, "ways", VITALY_TEXT)
    Worker(campaigns, folder).work()
    assert "names no other way to give. Please come back later today." in page(folder)


def test_hidden_campaign_loses_its_pages_at_once(worker: Worker, campaigns: Path, folder: Path) -> None:
    write(campaigns, "ways", campaign_with_ways(status="hidden"))
    assert worker.withdraw()
    assert names(folder) == pages_of("other")


@pytest.mark.parametrize("status", ["paused", "closed"])
def test_campaign_that_takes_no_gifts_has_no_page(worker: Worker, campaigns: Path, folder: Path, status: str) -> None:
    write(campaigns, "ways", campaign_with_ways(status=status))
    worker.work()
    assert names(folder) == pages_of("other")
    (campaigns / "other.toml").unlink()
    worker.work()
    assert names(folder) == set()


def test_withdrawn_account_is_removed_before_the_page_is_new(worker: Worker, campaigns: Path, folder: Path) -> None:
    write(campaigns, "ways", campaign_with_ways(account=""))
    assert worker.withdraw()
    assert names(folder) == pages_of("other")
    worker.work()
    assert IBAN_TEXT not in page(folder)
    assert LINKS[0] in page(folder)


def test_campaign_that_ends_loses_its_pages(campaigns: Path, folder: Path) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    write(campaigns, "ways", campaign_with_ways(head=f"ends = {end:%Y-%m-%dT%H:%M:%S+00:00}"))
    worker = Worker(campaigns, folder)
    worker.work()
    assert names(folder) == pages_of("ways", "other")
    worker.now = end
    worker.work()
    assert names(folder) == pages_of("other")


def test_public_total_that_closes_a_campaign_removes_its_pages(
    campaigns: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        text = campaign_with_ways().replace("accept_above_goal = true", "accept_above_goal = false")
        write(campaigns, f"more-{number}", text)
    monkeypatch.setattr(fallback_pages, "_IN_TURN", 2)
    worker = Worker(campaigns, folder)
    worker.work()
    for name in ("more-1", "more-4"):
        campaign = worker.campaigns.get(name)
        reached = calculate_progress(campaign, campaign.goal.amount, as_of=worker.now, next_update_at=None)
        worker.progress._progress[campaign.totals_name] = reached
    for _ in range(len(worker.campaigns.all()) // 2 + 2):
        worker.pages._next_turn = 0.0
        worker.work()
    assert names(folder) == pages_of("ways", "other", "more-0", "more-2", "more-3")


def test_page_instead_of_the_thanks_claims_nothing(worker: Worker, folder: Path) -> None:
    for language in LANGUAGES:
        text = page(folder, "-thanks", language)
        assert f'<html lang="{language}"' in text
        assert '<a class="button" href="">' in text, "the same address again, with its session"
        assert not re.search(r"<script|<img|<form|<link|\ssrc=|\d\d? ?€", text)
    assert "Please do not pay a second time yet." in page(folder, "-thanks")
    assert "Thank you" not in page(folder, "-thanks")


def test_damaged_page_instead_of_the_thanks_returns(worker: Worker, folder: Path) -> None:
    whole = page(folder, "-thanks")
    (folder / "donation-card.-thanks.en.html").write_text("half a pa", "utf-8")
    (folder / "donation-card.-thanks.de.html").unlink()
    worker.pages._next_sweep = 0.0
    worker.work()
    assert page(folder, "-thanks") == whole
    assert "Seite neu laden" in page(folder, "-thanks", "de")


def test_page_that_cannot_be_removed_delays_no_other(
    worker: Worker, campaigns: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def stuck(path: Path, missing_ok: bool = False) -> None:
        if ".other." in path.name:
            raise OSError(5, "Input/output error")
        unlink(path, missing_ok)

    for name in ("other", "ways"):
        write(campaigns, name, campaign_with_ways(status="hidden"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stuck)
        worker.work()
        assert names(folder) == pages_of("other")
        assert worker.pages.error == "Input/output error"
    worker.work()
    assert names(folder) == set()
    assert worker.pages.error is None


def test_edit_that_no_page_shows_writes_nothing(worker: Worker, campaigns: Path, folder: Path) -> None:
    before = {path: path.stat().st_ino for path in folder.iterdir()}
    write(campaigns, "ways", campaign_with_ways() + UPDATE)
    worker.work()
    assert worker.campaigns.get("ways").updates
    Worker(campaigns, folder).work()
    assert {path: path.stat().st_ino for path in folder.iterdir()} == before


def test_deleted_page_returns_and_a_stranger_stays(campaigns: Path, folder: Path) -> None:
    folder.mkdir()
    strangers = {"index.html", "donation-card.html", "donation-card.roof.en.html.bak", "ways.en.html"}
    for name in strangers:
        (folder / name).write_text("not ours", "utf-8")
    (folder / "donation-card.gone.en.html").write_text("of a campaign that vanished", "utf-8")
    (folder / "donation-card.ways.en.html").write_text("half a pa", "utf-8")
    Worker(campaigns, folder).work()
    assert names(folder) == pages_of("ways", "other") | strangers
    assert IBAN_TEXT in page(folder)
    (folder / "donation-card.ways.de.html").unlink()
    Worker(campaigns, folder).work()
    assert names(folder) == pages_of("ways", "other") | strangers


def test_page_that_cannot_be_written_is_removed(
    worker: Worker, campaigns: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write(campaigns, "ways", campaign_with_ways().replace(LINKS[0], LINKS[0] + "/new"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        worker.work()
        assert names(folder) == pages_of("other")
        assert worker.pages.error == "No space left on device"
    worker.work()
    assert LINKS[0] + "/new" in page(folder)
    assert worker.pages.error is None


MANY = 300
"""Campaigns whose pages are written for the first time. One page is written at a time, as on a slow disk."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback_pages, "_TIME_SLICE", 0.0)


def write_many(campaigns: Path) -> None:
    campaigns.mkdir(exist_ok=True)
    for number in range(MANY):
        write(campaigns, f"many-{number}", campaign_with_ways())


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("pages_before", [3, 100])
def test_edit_is_written_before_all_pages_that_wait(pages_before: int, tmp_path: Path, folder: Path) -> None:
    """The edited campaign has pages already, or waits for its first ones."""
    write_many(tmp_path / "many")
    worker = Worker(tmp_path / "many", folder)
    for _ in range(pages_before):
        assert worker.pages.update()
    for name in ("many-0", "many-299"):
        write(tmp_path / "many", name, campaign_with_ways().replace(LINKS[0], f"{LINKS[0]}/new"))
        worker.withdraw()
        before = len(worker.folder.written)
        for _ in LANGUAGES:
            assert worker.pages.update()
        assert {*worker.folder.written[before:]} == {f"{name}.{language}" for language in LANGUAGES}
        assert f"{LINKS[0]}/new" in page(folder, name)


@pytest.mark.usefixtures("slow")
def test_edit_is_written_before_files_that_are_loaded_later(tmp_path: Path, folder: Path) -> None:
    """A worker loads many files while it writes pages. They overtake no edit, and no file that is added afterwards."""
    write_many(tmp_path / "many")
    worker = Worker(tmp_path / "many", folder, first=20)
    worker.withdraw()
    worker.pages.update()
    edited = worker.campaigns.all()[0].id
    write(tmp_path / "many", edited, campaign_with_ways().replace(LINKS[0], f"{LINKS[0]}/new"))
    while worker.campaigns.unread():
        worker.withdraw()
    before = len(worker.folder.written)
    for _ in LANGUAGES:
        worker.pages.update()
    assert f"{LINKS[0]}/new" in page(folder, edited)
    write(tmp_path / "many", "added", campaign_with_ways())
    worker.withdraw()
    for _ in LANGUAGES:
        worker.pages.update()
    found = {name.partition(".")[0] for name in worker.folder.written[before:]}
    assert found == {edited, "added"}


def test_hidden_campaign_waits_for_one_page_alone(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk hangs while pages of others are written. That page is finished, and no other one begins."""
    monkeypatch.setattr(fallback_pages, "_TIME_SLICE", 3_600.0)
    monkeypatch.setattr(fallback_pages, "_LONGEST_SLICE", 3_600.0)
    write_many(tmp_path / "many")
    worker = Worker(tmp_path / "many", folder)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        if len(worker.folder.written) == 20:
            hangs.set()
            goes_on.wait(60)

    worker.folder.on_write = hang
    writer = threading.Thread(target=worker.pages.update)
    writer.start()
    assert hangs.wait(60)
    hidden = worker.folder.written[0].partition(".")[0]
    write(tmp_path / "many", hidden, campaign_with_ways(status="hidden"))
    withdrawal = threading.Thread(target=worker.withdraw)
    withdrawal.start()
    eventually(lambda: worker.pages._is_interrupted, "the withdrawal waits")
    goes_on.set()
    withdrawal.join(60)
    assert not names(folder) & pages_of(hidden)
    assert len(worker.folder.written) == 21
    writer.join(60)


def test_worker_that_is_late_writes_no_page_of_a_hidden_campaign(campaigns: Path, folder: Path) -> None:
    """Its page would stay if the service ended now."""
    late = Worker(campaigns, folder)
    write(campaigns, "ways", campaign_with_ways(status="hidden"))
    Worker(campaigns, folder).work()
    for _ in range(20):
        late.pages.update()
        assert names(folder) == pages_of("other")


def test_file_that_is_written_again_without_a_change_keeps_its_pages(campaigns: Path, folder: Path) -> None:
    worker = Worker(campaigns, folder)
    write(campaigns, "ways", campaign_with_ways())
    worker.pages.update()
    worker.work()
    assert names(folder) == pages_of("ways", "other")


def test_campaign_hidden_while_no_worker_ran_loses_its_pages_first(
    worker: Worker, campaigns: Path, folder: Path
) -> None:
    """Other files are not loaded yet, and no page was compared."""
    write(campaigns, "other", campaign_with_ways(status="hidden"))
    later = Worker(campaigns, folder, first=1)
    later.pages.update()
    assert later.campaigns.unread()
    assert names(folder) == pages_of("ways")


@pytest.mark.parametrize("stuck", ["other", "ways"])
def test_page_that_cannot_be_replaced_delays_no_other(campaigns: Path, folder: Path, stuck: str) -> None:
    """Somebody made a folder with the name of a page."""
    in_the_way = folder / f"donation-card.{stuck}.en.html"
    in_the_way.mkdir(parents=True)
    (folder / "donation-card.gone.en.html").mkdir()
    (folder / "donation-card.gone.de.html").touch()
    worker = Worker(campaigns, folder)
    for _ in range(5):
        worker.pages._next_sweep = 0.0
        worker.work()
    whole = {"ways", "other"} - {stuck}
    assert pages_of(*whole) <= names(folder)
    assert "donation-card.gone.de.html" not in names(folder)
    assert "Please do not pay" in page(folder, "-thanks")
    assert worker.pages.error == "Is a directory"
    in_the_way.rmdir()
    (folder / "donation-card.gone.en.html").rmdir()
    worker.pages._next_sweep = 0.0
    worker.work()
    assert names(folder) == pages_of("ways", "other")
    assert worker.pages.error is None


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["ways", "other", "third"]),
        st.sampled_from(["open", "paused", "closed", "hidden", None]),
        st.booleans(),
        st.integers(0, 1),
    ),
    max_size=8,
)


@hypothesis_settings(max_examples=25, deadline=None)
@given(edits=EDITS)
def test_folder_equals_the_files_after_any_edits(tmp_path_factory: pytest.TempPathFactory, edits: list) -> None:
    """Two workers, one of which is sometimes asleep, share the folder."""
    here = tmp_path_factory.mktemp("edits")
    campaigns, folder = here / "campaigns", here / "pages"
    campaigns.mkdir()
    state = {"always": ("open", True)}
    write(campaigns, "always", campaign_with_ways())
    workers = [Worker(campaigns, folder) for _ in range(2)]
    for name, status, account, awake in edits:
        if status is None:
            state.pop(name, None)
            (campaigns / f"{name}.toml").unlink(missing_ok=True)
        else:
            state[name] = (status, account)
            write(campaigns, name, campaign_with_ways(status=status, account=ACCOUNT if account else ""))
        workers[awake].work()
    for worker in workers:
        worker.work()
    offered = {name: account for name, (status, account) in state.items() if status == "open"}
    assert names(folder) == pages_of(*offered)
    assert {name: IBAN_TEXT in page(folder, name) for name in offered} == offered
