"""Each kind of change of the campaign files is found: by an event of the kernel, and without one."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from donation_card.adapters.campaign_files import folder_watch, loader, source_files
from donation_card.adapters.campaign_files.folder_watch import FolderWatch
from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.domain.campaign import Campaign
from donation_card.observability.logs import configure_logs
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from structlog.testing import capture_logs

from tests.support.image_files import encode, photo

ROOF = Path("tests/support/roof.toml").read_text("utf-8")
PICTURE = '\n[picture]\nfile = "{}"\nalt = {{ en = "The roof", de = "Das Dach" }}\n'
BANK = 'sum = "{}.00"\ndonations = 5\nlast_day = 2026-11-20\n'
TRANSFER = '\n[bank_transfer]\nholder = "R"\niban = "LT601010012345678901"\nreference = "RF18539007547034"\n'
WAYS = ["events", "polling"]


@cache
def jpeg(seed: int) -> bytes:
    return encode(photo(640, 360, seed=seed), "JPEG")


def text(version: int, extra: str = "") -> str:
    """Return a campaign whose story names a version. Two versions differ in size: a clock can be coarse."""
    return ROOF.replace("It began", f"It {'certainly ' * version}began") + extra


def replace_file(path: Path, content: str) -> None:
    new = path.with_name(".new")
    new.write_text(content, "utf-8")
    os.replace(new, path)


def replace_link(link: Path, target: str) -> None:
    new = link.with_name("..new")
    new.symlink_to(target)
    os.replace(new, link)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Find changes with events alone, or with no event at all."""
    use(request.param, monkeypatch)
    return str(request.param)


def use(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "events":
        monkeypatch.setattr(source_files, "FEW", 0)
        monkeypatch.setattr(source_files, "IN_TURN", 0)
    else:
        monkeypatch.setattr(FolderWatch, "_open", lambda _: -1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a campaign that has all kinds of files: a picture in a folder, and a bank file."""
    folder = tmp_path / "campaigns"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "roof.jpg").write_bytes(jpeg(1))
    (folder / "roof.toml").write_text(text(1, TRANSFER + PICTURE.format("pictures/roof.jpg")), "utf-8")
    (folder / "roof.bank.toml").write_text(BANK.format(1), "utf-8")
    (folder / "other.toml").write_text(text(1), "utf-8")
    return folder


def fresh(*sources: Path) -> list[Campaign]:
    return sorted(CampaignFiles(*sources).all(), key=lambda each: each.id)


def edit_in_place(folder: Path) -> None:
    (folder / "roof.toml").write_text(text(2), "utf-8")


def append(folder: Path) -> None:
    with (folder / "other.toml").open("a") as file:
        file.write("# a comment\n[bank_transfer]\n" + TRANSFER.partition("]\n")[2])


def rename_over(folder: Path) -> None:
    replace_file(folder / "roof.toml", text(2))


def add(folder: Path) -> None:
    (folder / "new.toml").write_text(text(2), "utf-8")


def move_away(folder: Path) -> None:
    (folder / "roof.toml").rename(folder.parent / "roof.toml")


def rename(folder: Path) -> None:
    (folder / "other.toml").rename(folder / "another.toml")


def change_bank_file(folder: Path) -> None:
    replace_file(folder / "roof.bank.toml", BANK.format(20))


def remove_bank_file(folder: Path) -> None:
    (folder / "roof.bank.toml").unlink()


def change_picture(folder: Path) -> None:
    (folder / "pictures" / "roof.jpg").write_bytes(jpeg(2))


def remove_picture(folder: Path) -> None:
    (folder / "pictures" / "roof.jpg").unlink()


def make_the_folder_of_pictures_again(folder: Path) -> None:
    shutil.rmtree(folder / "pictures")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "roof.jpg").write_bytes(jpeg(2))


def make_the_folder_again(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "roof.toml").write_text(text(2), "utf-8")


def exchange_the_folder(folder: Path) -> None:
    new = folder.with_name("new")
    shutil.copytree(folder, new)
    (new / "roof.toml").write_text(text(2), "utf-8")
    folder.rename(folder.with_name("old"))
    new.rename(folder)


def save_as_vim_does(folder: Path) -> None:
    """vim with `backupcopy=no`, and emacs: the file becomes the backup, and a new one is written."""
    (folder / "4913").touch()
    (folder / "4913").unlink()
    (folder / "roof.toml").rename(folder / "roof.toml~")
    (folder / "roof.toml").write_text(text(2), "utf-8")
    (folder / "roof.toml~").unlink()


def save_as_emacs_does(folder: Path) -> None:
    """emacs keeps the backup, and marks the file with a link that leads nowhere while it is edited."""
    (folder / ".#roof.toml").symlink_to("ada@example.org.1234:5678")
    (folder / "roof.toml").rename(folder / "roof.toml~")
    (folder / "roof.toml").write_text(text(2), "utf-8")
    (folder / ".#roof.toml").unlink()


CHANGES: list[Callable[[Path], None]] = [
    save_as_vim_does,
    save_as_emacs_does,
    edit_in_place,
    append,
    rename_over,
    add,
    move_away,
    rename,
    change_bank_file,
    remove_bank_file,
    change_picture,
    remove_picture,
    make_the_folder_of_pictures_again,
    make_the_folder_again,
    exchange_the_folder,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_change_is_found_at_the_next_reload(way: str, folder: Path, change: Callable[[Path], None]) -> None:
    files = CampaignFiles(folder)
    files.reload()
    change(folder)
    assert files.reload()
    assert sorted(files.all(), key=lambda each: each.id) == fresh(folder)
    assert not files.reload()


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_change_before_the_first_reload_is_found(way: str, folder: Path, change: Callable[[Path], None]) -> None:
    files = CampaignFiles(folder)
    change(folder)
    assert files.reload()
    assert sorted(files.all(), key=lambda each: each.id) == fresh(folder)


def test_file_that_becomes_readable_is_loaded(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody copies a file that only root may read, and then changes its mode. Tests can run as root."""
    read = loader._read_bytes

    def read_if_allowed(path: Path) -> bytes:
        if not path.stat().st_mode & 0o444:
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(path)

    monkeypatch.setattr(loader, "_read_bytes", read_if_allowed)
    files = CampaignFiles(folder)
    files.reload()
    before = files.get("roof")
    (folder / ".new").write_text(text(2), "utf-8")
    (folder / ".new").chmod(0)
    os.replace(folder / ".new", folder / "roof.toml")
    assert not files.reload()
    assert "Permission denied" in (files.load_errors() or "")
    assert files.get("roof") is before
    (folder / "roof.toml").chmod(0o644)
    assert files.reload() == {"roof"}
    assert files.load_errors() is None


def test_folder_that_is_away_for_a_while_is_watched_again(way: str, folder: Path) -> None:
    files = CampaignFiles(folder)
    files.reload()
    shutil.rmtree(folder)
    assert not files.reload()
    assert {each.id for each in files.all()} == {"roof", "other"}, "nobody hides a campaign like this"
    folder.mkdir()
    for version in (2, 3):
        (folder / "roof.toml").write_text(text(version), "utf-8")
        files.reload()
        assert [*files.all()] == fresh(folder)


def test_file_that_is_missing_for_a_moment_stays(way: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git and vim remove a file before they write the new one. The folder can be listed in between."""
    files = CampaignFiles(folder)
    files.reload()
    list_names = source_files._list_names
    with monkeypatch.context() as patch:
        patch.setattr(source_files, "_list_names", lambda source: [*{*list_names(source)} - {"roof.toml"}])
        (folder / "roof.toml").unlink()
        (folder / "roof.toml").write_text(text(2), "utf-8")
        files.reload()
        assert files.get("roof")
    files.reload()
    assert [*files.all()] == fresh(folder)
    (folder / "roof.toml").unlink()
    assert files.reload() == {"roof"}


def test_hundreds_of_files_that_git_replaces_are_all_found(way: str, folder: Path) -> None:
    for number in range(200):
        (folder / f"many-{number}.toml").write_text(text(1), "utf-8")
    files = CampaignFiles(folder)
    files.reload()
    for number in range(200):
        (folder / f"many-{number}.toml").unlink()
        (folder / f"many-{number}.toml").write_text(text(2), "utf-8")
    found = files.reload()
    while files.load_more():
        pass
    assert found | files.reload() == {f"many-{number}" for number in range(200)}
    assert [*files.all()] == fresh(folder)


def test_new_folder_of_pictures_is_watched(way: str, folder: Path) -> None:
    files = CampaignFiles(folder)
    files.reload()
    (folder / "roof.toml").write_text(text(2, PICTURE.format("later/roof.jpg")), "utf-8")
    assert files.reload()
    assert files.get("roof").picture is None
    (folder / "later").mkdir()
    files.reload()
    for seed in (1, 2):
        (folder / "later" / "roof.jpg").write_bytes(jpeg(seed))
        assert files.reload()
        assert [*files.all()] == fresh(folder)


def test_swapped_link_of_kubernetes_is_found(way: str, tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    for version in (1, 2, 3):
        (folder / f"..{version}").mkdir(parents=True)
        (folder / f"..{version}" / "roof.toml").write_text(text(version), "utf-8")
    (folder / "..data").symlink_to("..1")
    (folder / "roof.toml").symlink_to("..data/roof.toml")
    files = CampaignFiles(folder)
    files.reload()
    for version in (2, 3):
        replace_link(folder / "..data", f"..{version}")
        shutil.rmtree(folder / f"..{version - 1}")
        assert files.reload() == {"roof"}
        assert [*files.all()] == fresh(folder)


def test_swapped_link_is_found_while_the_old_folder_stays(way: str, tmp_path: Path) -> None:
    for version in (1, 2):
        (tmp_path / f"{version}").mkdir()
        (tmp_path / f"{version}" / "roof.toml").write_text(text(version), "utf-8")
    (tmp_path / "current").symlink_to("1")
    files = CampaignFiles(tmp_path / "current")
    files.reload()
    replace_link(tmp_path / "current", "2")
    assert files.reload() == {"roof"}
    (tmp_path / "2" / "roof.toml").write_text(text(3), "utf-8")
    assert files.reload() == {"roof"}
    (tmp_path / "1" / "roof.toml").write_text(text(4), "utf-8")
    assert not files.reload()


def test_file_behind_links_is_followed(way: str, folder: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "roof.toml").write_text(text(1), "utf-8")
    (folder / "link.toml").symlink_to("../first/link.toml")
    (tmp_path / "first" / "link.toml").symlink_to(tmp_path / "first" / "roof.toml")
    files = CampaignFiles(folder)
    files.reload()
    (tmp_path / "first" / "roof.toml").write_text(text(2), "utf-8")
    assert files.reload() == {"link"}
    replace_file(tmp_path / "first" / "roof.toml", text(3))
    assert files.reload() == {"link"}
    replace_link(tmp_path / "first" / "link.toml", "../second/roof.toml")
    assert files.reload() == {"link"}
    (tmp_path / "second" / "roof.toml").write_text(text(4), "utf-8")
    assert files.reload() == {"link"}


def test_link_that_leads_to_itself_is_a_mistake(way: str, folder: Path) -> None:
    files = CampaignFiles(folder)
    files.reload()
    (folder / "loop.toml").symlink_to("loop.toml")
    assert not files.reload()
    assert "loop.toml: the file" in str(files.load_errors())
    (folder / "loop.toml").unlink()
    files.reload()
    assert files.load_errors() is None


def test_lost_events_cause_a_look_at_every_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use("events", monkeypatch)
    files = CampaignFiles(folder)
    files.reload()
    with Path("/proc/sys/fs/inotify/max_queued_events").open() as limit:
        more_than_kept = int(limit.read()) // 2 + 1
    scratch = folder / ".scratch"
    for _ in range(more_than_kept):  # each has two events or more
        scratch.touch()
        scratch.unlink()
    (folder / "other.toml").write_text(text(2), "utf-8")
    assert files.reload() == {"other"}


def test_service_without_inotify_polls_and_logs_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logs("info")
    monkeypatch.setattr(folder_watch, "log", structlog.get_logger())  # a logger keeps the level of its first use
    files = CampaignFiles(folder)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with capture_logs() as log:
            files._files.watch({})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [(each["event"], each["reason"]) for each in log] == [("campaigns_not_watched", "Too many open files")]
    edit_in_place(folder)
    assert files.reload() == {"roof"}


def test_folders_above_the_limit_of_the_kernel_are_polled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel watches no further folder (`max_user_watches`). The log says so once."""
    configure_logs("info")
    monkeypatch.setattr(folder_watch, "log", structlog.get_logger())
    monkeypatch.setattr(source_files, "FEW", 0)

    def refuse(*_: object) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    files, libc = CampaignFiles(folder), ctypes.CDLL(None, use_errno=True)
    full = SimpleNamespace(inotify_init1=libc.inotify_init1, inotify_add_watch=refuse)
    with monkeypatch.context() as patch, capture_logs() as log:
        patch.setattr(ctypes, "CDLL", lambda *_, **__: full)
        files.reload()
    reasons = [each["reason"] for each in log if each["event"] == "campaigns_not_watched"]
    assert reasons == ["No space left on device"]
    edit_in_place(folder)
    change_picture(folder)
    assert files.reload() == {"roof"}


def test_files_are_checked_in_turn_without_events(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use("polling", monkeypatch)
    monkeypatch.setattr(source_files, "FEW", 6)
    monkeypatch.setattr(source_files, "IN_TURN", 2)
    for number in range(5):
        (folder / f"more-{number}.toml").write_text(text(1), "utf-8")
    files = CampaignFiles(folder)
    files.reload()
    for path in folder.glob("more-*.toml"):
        path.write_text(text(2), "utf-8")
    found = [files.reload() for _ in range(4)]
    assert all(len(each) <= 2 for each in found)
    assert frozenset().union(*found) == {f"more-{number}" for number in range(5)}


def test_event_leads_to_a_look_at_its_file_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use("events", monkeypatch)
    looked: list[Path] = []
    files = CampaignFiles(folder)
    files.reload()
    files.reload()
    current = files._is_current
    monkeypatch.setattr(files, "_is_current", lambda path: looked.append(path) or current(path))
    (folder / "other.toml").write_text(text(2), "utf-8")
    (folder / ".other.toml.swp").touch()
    assert files.reload() == {"other"}
    files.reload()
    assert looked == [folder / "other.toml"]


def test_many_edits_are_loaded_in_parts_and_the_last_one_first(
    way: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "_AT_ONCE", 2)
    monkeypatch.setattr(source_files, "FEW", 9)
    for number in range(7):
        (folder / f"many-{number}.toml").write_text(text(1), "utf-8")
    files = CampaignFiles(folder)
    assert len(files.all()) == 9, "the start loads every file"
    files.reload()
    for number in range(7):
        (folder / f"many-{number}.toml").write_text(text(2), "utf-8")
    parts = [files.reload()]
    edit_in_place(folder)
    parts += [files.reload() for _ in range(4)]
    assert [len(each) for each in parts] == [2] * 4 + [0]
    assert "roof" in parts[1]
    assert [*files.all()] == fresh(folder)


class Edits(RuleBasedStateMachine):
    """Edit a folder at random. The campaigns are always those of a process that has just started."""

    way = "events"
    names = st.sampled_from(["roof", "well", "school"])

    @initialize()
    def start(self) -> None:
        self.patched = pytest.MonkeyPatch()
        use(self.way, self.patched)
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "campaigns"
        (self.folder / "pictures").mkdir(parents=True)
        (self.folder / "always.toml").write_text(text(0), "utf-8")
        self.version = 0
        self.files = CampaignFiles(self.folder)
        self.files.reload()

    def content(self, picture: bool = False) -> str:
        self.version += 1
        return text(self.version, TRANSFER + (PICTURE.format("pictures/one.jpg") if picture else ""))

    @rule(name=names, picture=st.booleans())
    def write(self, name: str, picture: bool) -> None:
        (self.folder / f"{name}.toml").unlink(missing_ok=True)
        (self.folder / f"{name}.toml").write_text(self.content(picture), "utf-8")

    @rule(name=names, picture=st.booleans())
    def replace(self, name: str, picture: bool) -> None:
        replace_file(self.folder / f"{name}.toml", self.content(picture))

    @rule(name=names)
    def remove(self, name: str) -> None:
        (self.folder / f"{name}.toml").unlink(missing_ok=True)

    @rule(name=names)
    def link(self, name: str) -> None:
        (self.root / f"{name}.toml").write_text(self.content(), "utf-8")
        if not (self.folder / f"{name}.toml").is_symlink():
            (self.folder / f"{name}.toml").unlink(missing_ok=True)
            (self.folder / f"{name}.toml").symlink_to(self.root / f"{name}.toml")

    @rule(name=names, amount=st.integers(1, 9))
    def write_bank_file(self, name: str, amount: int) -> None:
        self.version += 1
        replace_file(self.folder / f"{name}.bank.toml", BANK.format(amount) + "#" * self.version)

    @rule(name=names)
    def remove_bank_file(self, name: str) -> None:
        (self.folder / f"{name}.bank.toml").unlink(missing_ok=True)

    @rule(seed=st.integers(1, 3))
    def write_picture(self, seed: int) -> None:
        (self.folder / "pictures").mkdir(exist_ok=True)
        (self.folder / "pictures" / "one.jpg").write_bytes(jpeg(seed))

    @rule()
    def remove_pictures(self) -> None:
        shutil.rmtree(self.folder / "pictures", ignore_errors=True)

    @rule()
    def exchange_the_folder(self) -> None:
        self.version += 1
        new = self.root / f"new-{self.version}"
        shutil.copytree(self.folder, new, symlinks=True)
        self.folder.rename(self.root / f"old-{self.version}")
        new.rename(self.folder)

    @rule()
    def reload(self) -> None:
        self.files.reload()
        if self.way == "events":
            assert not self.files.reload()
        assert [*self.files.all()] == fresh(self.folder)
        assert self.files.load_errors() is None

    def teardown(self) -> None:
        if hasattr(self, "files"):
            self.reload()
            self.patched.undo()
            shutil.rmtree(self.root)


class EditsWithoutEvents(Edits):
    way = "polling"


FEW = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestEdits = Edits.TestCase
TestEdits.settings = FEW
TestEditsWithoutEvents = EditsWithoutEvents.TestCase
TestEditsWithoutEvents.settings = FEW
