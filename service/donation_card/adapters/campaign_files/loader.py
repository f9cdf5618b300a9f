"""Load campaigns from TOML files, and load them again when they change.

A mistake in one of the first files stops the start, with a list of their mistakes. A mistake that is found later keeps
the last valid version of the campaign, if there is one. An image file that cannot be used stops nothing: its campaign
is shown without it.
"""

import contextlib
import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import rtoml
import tomli

from donation_card.adapters.campaign_files.bank_file import BankFile, bank_file_of
from donation_card.adapters.campaign_files.constraints import violations
from donation_card.adapters.campaign_files.fields import seconds
from donation_card.adapters.campaign_files.image_files import FileStamp, ImageFiles, file_stamp, stamps_of
from donation_card.adapters.campaign_files.placeholders import placeholder_faults
from donation_card.adapters.campaign_files.quoting import quote_value
from donation_card.adapters.campaign_files.schema import CampaignFile, build_campaign, validate_sections
from donation_card.adapters.campaign_files.source_files import SourceFiles, list_files
from donation_card.application.ports.campaigns import Campaigns
from donation_card.domain.bank_transfer import ImportedTransfers
from donation_card.domain.campaign import Campaign
from donation_card.domain.picture import Picture
from donation_card.domain.spending import iso_date
from donation_card.errors import ConfigFault, ConfigurationError, NotFound
from donation_card.observability.log_events import LogEvent, log

MAX_FILE_BYTES = 256 * 1024
_MAX_FAULTS = 50
FIRST = 500
"""Files that a worker loads before it accepts requests."""

_AT_ONCE = 10
"""Files that are loaded at once later, so that requests wait for 15 ms."""

_RETRY_INTERVAL = 15 * 60
"""Seconds after which a file with mistakes is loaded again. Every time zone begins its days at such a time."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class CampaignFiles(Campaigns):
    """Implement `ports.Campaigns` with each `*.toml` of a folder that is not hidden, or with single files.

    A `*.bank.toml` belongs to the campaign file beside it, and is loaded again with it.
    `publication_interval` overrides the interval of every campaign. The demo sets "0" for exact totals at once.
    `first`: load only so many files in the constructor. `livemode`: placeholders are mistakes.
    The constructor raises ConfigurationError; the methods never do.
    """

    def __init__(
        self,
        *sources: Path | str,
        publication_interval: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        first: int | None = None,
        livemode: bool = False,
    ) -> None:
        self._files = SourceFiles([Path(source) for source in sources])
        self._clock = clock
        self._publication_interval, self._livemode = publication_interval, livemode
        self._waiting: dict[Path, None] = {}
        """Files that are to be loaded: new and changed ones. The last one is the next."""
        self._stamps: dict[Path, dict[Path, FileStamp | None]] = {}
        """For each campaign file, the stamps of all files that belong to it."""
        self._retried: dict[Path, int] = {}
        self._loaded: dict[Path, Campaign] = {}
        self._by_id: dict[str, tuple[Path, Campaign]] = {}
        self._all: tuple[Campaign, ...] = ()
        self._shown_images: dict[str, Picture] = {}
        self._faults: dict[Path, Sequence[ConfigFault]] = {}
        self._image_faults: dict[Path, Sequence[ConfigFault]] = {}
        self._not_logged: dict[Path, Sequence[ConfigFault]] = {}
        self._changed: set[str] = set()
        self._lock = threading.RLock()
        """`get` can load a file in another thread."""
        self._find_changes()
        self._from_start = set(self._waiting)
        """The files that were there at the start and are still waiting. The log does not name each of them."""
        self._load_some(first)
        faults = [fault for each in self._faults.values() for fault in each]
        if not faults and not self._loaded:
            folders = ", ".join(map(str, sources)) or "campaigns"
            faults = [ConfigFault(folders, "*.toml", "no campaign file", "at least one, such as vitaly.toml")]
        if faults:
            raise ConfigurationError(faults + self.image_faults())
        self._changed.clear()
        self._publish()

    def get(self, campaign_id: str) -> Campaign:
        if campaign_id not in self._by_id and self._waiting:
            self._load_now(campaign_id)
        if campaign_id not in self._by_id:
            raise NotFound("campaign_unknown", given=campaign_id[:64])
        return self._by_id[campaign_id][1]

    def all(self) -> Sequence[Campaign]:
        return self._all

    def shown_images(self) -> Mapping[str, Picture]:
        return self._shown_images

    def unread(self) -> int:
        return len(self._waiting)

    def is_current(self, campaign_id: str) -> bool:
        with self._lock:
            found = self._by_id.get(campaign_id)
            return found is not None and self._is_current(found[0])

    def load_errors(self) -> str | None:
        """Return the mistakes of the files whose newest version is not used, or None."""
        unread = [f"{len(self._waiting)} campaign files are not loaded yet"] if self._waiting else []
        return "; ".join([str(fault) for faults in self._faults.values() for fault in faults] + unread) or None

    def image_faults(self) -> list[ConfigFault]:
        """Return the mistakes of image files, without which their campaigns are shown."""
        return [fault for faults in self._image_faults.values() for fault in faults]

    def reload(self) -> frozenset[str]:
        with self._lock:
            self._files.watch(self._stamps)
            self._find_changes()
            self.load_more()
        found, self._not_logged = self._not_logged, {}
        for path, faults in found.items():
            log.error(LogEvent.CAMPAIGN_FILE_INVALID, file=_name(path), faults=[str(fault) for fault in faults])
        changed, self._changed = frozenset(self._changed), set()
        if changed:
            self._publish()
        return changed

    def load_more(self) -> bool:
        with self._lock:
            self._load_some(_AT_ONCE)
        return bool(self._waiting)

    def _find_changes(self) -> None:
        """Note the files that changed.

        From time to time, also load the files with mistakes: a date can now be in the past.
        """
        if self._files.renew():
            self._forget_removed()
        due = [path for path in self._files.take_due(self._stamps) if path not in self._waiting]
        self._waiting |= dict.fromkeys(path for path in reversed(due) if not self._is_current(path))
        for path in [path for path in self._faults if self._retried[path] != self._period()]:
            self._load(path, again=path not in self._waiting)

    def _load_some(self, number: int | None) -> None:
        for path in [*islice(reversed(self._waiting), number)]:
            self._load(path)

    def _load_now(self, campaign_id: str) -> None:
        """Load the file of a campaign now, with its images, if it is waiting."""
        with self._lock:
            for path in [folder / f"{campaign_id}.toml" for folder in self._files.folders]:
                if path in self._waiting:
                    self._load(path)
            if campaign_id in self._by_id and not self.get(campaign_id).hidden:
                self._shown_images = self._shown_images | _images_by_hash([self.get(campaign_id)])

    def _load(self, path: Path, *, again: bool = False) -> None:
        """Load a file. `again`: its mistakes were reported before."""
        self._waiting.pop(path, None)
        self._stamps[path] = stamps_of(path, bank_file_of(path))
        try:
            interval = self._publication_interval
            campaign, images = load_campaign(path, publication_interval=interval, now=self._clock())
            if self._livemode and (faults := placeholder_faults(campaign)):
                raise ConfigurationError(faults)
            if self._by_id.get(campaign.id, (path,))[0] != path:
                raise ConfigurationError(
                    [ConfigFault(_name(path), "the file's name", quote_value(path.name), "one file for a campaign")]
                )
        except ConfigurationError as error:
            self._faults[path], self._retried[path] = error.faults, self._period()
            if not again:
                self._not_logged[path] = error.faults
        else:
            self._faults.pop(path, None)
            self._stamps[path] |= images.stamps
            self._image_faults.pop(path, None)
            if images.faults:
                self._image_faults[path] = self._not_logged[path] = images.faults
            self._use(path, campaign)
        self._files.follow(path, self._stamps[path])

    def _use(self, path: Path, campaign: Campaign) -> None:
        if self._loaded.get(path) != campaign:
            self._loaded[path], self._by_id[campaign.id] = campaign, (path, campaign)
            self._changed.add(campaign.id)
            if path not in self._from_start:
                log.info(LogEvent.CAMPAIGN_FILE_READ, campaign=campaign.id)
        self._from_start.discard(path)

    def _publish(self) -> None:
        self._all = tuple(self._loaded[path] for path in sorted(self._loaded, key=str))
        self._shown_images = _images_by_hash(self.all_visible())

    def _period(self) -> int:
        return int(self._clock().timestamp()) // _RETRY_INTERVAL

    def _is_current(self, path: Path) -> bool:
        known = self._stamps.get(path)
        return known is not None and all(file_stamp(each) == stamp for each, stamp in known.items())

    def _forget_removed(self) -> None:
        """Forget the files that are not listed any more, and their campaigns unless their folder is unreadable.

        A file that is there again was being replaced: editors and git remove it first. The next list names it.
        """
        known = self._loaded.keys() | self._stamps.keys() | self._waiting.keys()
        removed = {path for path in known - set(self._files.paths) if not os.path.lexists(path)}
        for each in (self._waiting, self._stamps, self._faults, self._image_faults):
            for path in each.keys() & removed:
                del each[path]
        for path in [path for path in self._loaded.keys() & removed if path.parent in self._files.folders]:
            campaign = self._loaded.pop(path)
            del self._by_id[campaign.id]
            self._changed.add(campaign.id)
            log.info(LogEvent.CAMPAIGN_FILE_REMOVED, campaign=campaign.id)


def _images_by_hash(campaigns: Iterable[Campaign]) -> dict[str, Picture]:
    return {image.hash: image for each in campaigns for image in each.image_files.values()}


class LoadedCampaign(NamedTuple):
    """A campaign without the images that cannot be used, and what was found in its image files."""

    campaign: Campaign
    images: ImageFiles


def read_campaign(path: Path, *, publication_interval: str | None = None, now: datetime | None = None) -> Campaign:
    """Read the campaign of one file with its images. Raise ConfigurationError with every mistake in all files."""
    campaign, images = load_campaign(path, publication_interval=publication_interval, now=now)
    if images.faults:
        raise ConfigurationError(images.faults)
    return campaign


def load_campaign(
    path: Path, *, publication_interval: str | None = None, now: datetime | None = None
) -> LoadedCampaign:
    """Load the campaign of one file, and its bank file. Raise ConfigurationError with every mistake in both.

    `now` is the time until which money can have been spent, by default that of the clock.
    """
    name = _name(path)
    interval = None if publication_interval is None else seconds(publication_interval)
    faults: list[ConfigFault] = []
    if not (_ID.fullmatch(path.stem) and path.suffix == ".toml"):
        allowed = "1 to 64 of a-z, 0-9 and -, a letter or digit first, then .toml: the name is the campaign's id"
        faults.append(ConfigFault(name, "the file's name", quote_value(path.name), allowed))
    try:
        file, invalid, mistakes = validate_sections(_parse_toml(path), name, CampaignFile)
    except _UnreadableFile as error:
        raise ConfigurationError([*faults, ConfigFault(name, *error.args)]) from error.__cause__
    wanted = file.publication.every if interval is None and "publication" not in invalid else interval
    faults += mistakes + violations(file, invalid, immediate=wanted == 0, now=now or datetime.now(UTC), source=name)
    imported = None
    try:
        imported = _read_bank_file(bank_file_of(path), currency=getattr(file, "currency", "EUR"))
    except ConfigurationError as error:
        faults += error.faults
    images = ImageFiles(path.parent, name)
    picture = images.picture_of(file) if "picture" not in invalid else None
    receipts = images.receipts_of(file) if "spent" not in invalid else {}
    if faults:
        faults += images.faults
    if len(faults) > _MAX_FAULTS:
        more = ConfigFault(name, "…", f"{len(faults) - _MAX_FAULTS} more mistakes", "none")
        faults = [*faults[:_MAX_FAULTS], more]
    if faults:
        raise ConfigurationError(faults)
    campaign = build_campaign(file, path.stem, interval=interval, imported=imported, picture=picture, receipts=receipts)
    return LoadedCampaign(campaign, images)


def read_receipts(*sources: Path) -> Iterator[tuple[str, Picture]]:
    """Yield a name and the picture of each receipt, whatever else is wrong with its campaign file."""
    for path in list_files(*sources):
        with contextlib.suppress(_UnreadableFile):
            file, invalid, _ = validate_sections(_parse_toml(path), _name(path), CampaignFile)
            receipts = ImageFiles(path.parent, "").receipts_of(file) if "spent" not in invalid else {}
            for at, picture in receipts.items():
                yield f"{path.stem}-{iso_date(*file.spent[at].date)}-{at}", picture


def _read_bank_file(path: Path, *, currency: str) -> ImportedTransfers | None:
    """Read the bank file of a campaign, or return None if there is none. Raise ConfigurationError."""
    if not os.path.lexists(path):
        return None
    name = _name(path)
    try:
        file, _, faults = validate_sections(_parse_toml(path), name, BankFile)
    except _UnreadableFile as error:
        raise ConfigurationError([ConfigFault(name, *error.args)]) from error.__cause__
    if currency != "EUR":
        faults.append(ConfigFault(name, "the file", f"beside a campaign in {currency}", "beside a campaign in EUR"))
    if faults:
        raise ConfigurationError(faults)
    return file.imported()


class _UnreadableFile(Exception):
    """A file without TOML in it. The arguments are the field, the given value and what is allowed."""


def _parse_toml(path: Path) -> dict[str, Any]:
    try:
        return _loads(_read_bytes(path).decode("utf-8-sig"))
    except OSError as error:
        raise _UnreadableFile(
            "the file", error.strerror or "unreadable", "a file that this service may read"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        given_byte = f"the byte 0x{error.object[error.start]:02x}"
        raise _UnreadableFile(f"line {line}", given_byte, "UTF-8: save the file in that encoding") from error
    except tomli.TOMLDecodeError as error:
        raise _UnreadableFile(*_describe(error)) from error
    except RecursionError as error:
        raise _UnreadableFile("the file", "brackets nested too deeply", "lists and tables as in the docs") from error
    except ValueError as error:  # Python limits the number of digits
        raise _UnreadableFile("the file", "a number of very many digits", "amounts as in 1200") from error


def _loads(text: str) -> dict[str, Any]:
    """Parse TOML. rtoml needs a fifth of the CPU of tomli, which explains what is wrong with a text."""
    try:
        return rtoml.loads(text.replace("\r\n", "\n"))
    except rtoml.TomlParsingError:
        return tomli.loads(text)


def _read_bytes(path: Path) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a named pipe would block
        raise _UnreadableFile("the file", "a folder or a device", "a file")
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _UnreadableFile("the file", f"{max(status.st_size, len(data))} bytes", f"at most {MAX_FILE_BYTES} bytes")
    return data


def _describe(error: tomli.TOMLDecodeError) -> tuple[str, str, str]:
    """Return field, given and allowed of a syntax error."""
    at_end = error.pos >= len(error.doc)
    place = "the end of the file" if at_end else f"line {error.lineno}, column {error.colno}"
    lines = error.doc.splitlines() or [""]
    line = lines[min(error.lineno, len(lines)) - 1].strip()
    allowed = "each field once" if error.msg == "Cannot overwrite a value" else f"TOML ({error.msg})"
    return place, quote_value(line), allowed


def _name(path: Path) -> str:
    """Return the name of a file with its folder: `campaigns/vitaly.toml`."""
    return os.fsencode(Path(*path.parts[-2:])).decode("utf-8", "backslashreplace")
