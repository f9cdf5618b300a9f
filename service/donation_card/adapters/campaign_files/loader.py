"""Load campaigns from TOML files, and load them again when they change.

A mistake in any file stops the start, with a list of all mistakes. A mistake in a later edit keeps the last valid
version of the campaign. An image file that cannot be used stops nothing: its campaign is shown without it.
"""

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import tomli

from donation_card.adapters.campaign_files.bank_file import BankFile, bank_file_of
from donation_card.adapters.campaign_files.constraints import violations
from donation_card.adapters.campaign_files.fields import seconds
from donation_card.adapters.campaign_files.image_files import FileStamp, ImageFiles, file_stamp, stamps_of
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
_RETRY_INTERVAL = 15 * 60
"""Seconds after which a file with mistakes is loaded again. Every time zone begins its days at such a time."""

_AT_ONCE = 50
"""Changed files that a running service loads at once. Others wait for a second, so that readers wait less."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class CampaignFiles(Campaigns):
    """Implement `ports.Campaigns` with each `*.toml` of a folder that is not hidden, or with single files.

    A `*.bank.toml` belongs to the campaign file beside it, and is loaded again with it.
    `publication_interval` overrides the interval of every campaign. The demo sets "0" for exact totals at once.
    The constructor raises ConfigurationError; `reload` never does.
    """

    def __init__(
        self,
        *sources: Path | str,
        publication_interval: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._files = SourceFiles([Path(source) for source in sources])
        self._clock = clock
        self._publication_interval = publication_interval
        self._stamps: dict[Path, dict[Path, FileStamp | None]] = {}
        """For each campaign file, the stamps of all files that belong to it."""
        self._retried: dict[Path, int] = {}
        self._loaded: dict[Path, Campaign] = {}
        self._by_id: dict[str, Campaign] = {}
        self._all: tuple[Campaign, ...] = ()
        self._shown_images: dict[str, Picture] = {}
        self._faults: dict[Path, Sequence[ConfigFault]] = {}
        self._image_faults: dict[Path, Sequence[ConfigFault]] = {}
        self._not_logged = self._scan()
        faults = [fault for each in self._faults.values() for fault in each]
        if not faults and not self._loaded:
            folders = ", ".join(map(str, sources)) or "campaigns"
            faults = [ConfigFault(folders, "*.toml", "no campaign file", "at least one, such as vitaly.toml")]
        if faults:
            raise ConfigurationError(faults + self.image_faults())

    def get(self, campaign_id: str) -> Campaign:
        found = self._by_id.get(campaign_id)
        if found is None:
            raise NotFound("campaign_unknown", given=campaign_id[:64])
        return found

    def all(self) -> Sequence[Campaign]:
        return self._all

    def shown_images(self) -> Mapping[str, Picture]:
        return self._shown_images

    def load_errors(self) -> str | None:
        """Return the mistakes of the files whose newest version is not used, or None."""
        return "; ".join(str(fault) for faults in self._faults.values() for fault in faults) or None

    def image_faults(self) -> list[ConfigFault]:
        """Return the mistakes of image files, without which their campaigns are shown."""
        return [fault for faults in self._image_faults.values() for fault in faults]

    def reload(self) -> frozenset[str]:
        """Load the files that changed, and return the ids of the campaigns that changed, appeared or went."""
        before = self._by_id
        self._files.watch(self._stamps)
        found, self._not_logged = self._not_logged | self._scan(), {}
        for path, faults in found.items():
            log.error(LogEvent.CAMPAIGN_FILE_INVALID, file=_name(path), faults=[str(fault) for fault in faults])
        if self._by_id is before:
            return frozenset()
        ids = before.keys() | self._by_id.keys()
        changed = frozenset(each for each in ids if before.get(each) is not self._by_id.get(each))
        for campaign_id in changed:
            event = LogEvent.CAMPAIGN_FILE_READ if campaign_id in self._by_id else LogEvent.CAMPAIGN_FILE_REMOVED
            log.info(event, campaign=campaign_id)
        return changed

    def _scan(self) -> dict[Path, Sequence[ConfigFault]]:
        """Load the files that changed since the last scan, and return their mistakes.

        From time to time, also load the files with mistakes: a date can now be in the past.
        """
        period = int(self._clock().timestamp()) // _RETRY_INTERVAL
        loaded = self._without_removed() if self._files.renew() else self._loaded
        changed = [path for path in self._files.take_due(self._stamps) if not self._is_current(path)]
        if self._loaded:
            self._files.postpone(changed[:-_AT_ONCE])
            del changed[:-_AT_ONCE]
        retried = [path for path in self._faults if self._retried[path] != period and path not in changed]
        if loaded is self._loaded and not changed and not retried:
            return {}
        loaded = dict(loaded)
        path_of_id = {each.id: path for path, each in loaded.items()}
        self._retried |= dict.fromkeys([*changed, *retried], period)
        faults = {path: self._load(path, loaded, path_of_id) for path in [*changed, *retried]}
        if loaded != self._loaded:
            self._loaded = loaded
            self._by_id = {each.id: each for _, each in sorted(loaded.items())}
            self._all = tuple(self._by_id.values())
            shown = (image for each in self.all_visible() for image in each.image_files.values())
            self._shown_images = {image.hash: image for image in shown}
        known = self._faults.keys() & retried
        return {path: each for path, each in faults.items() if each and path not in known}

    def _load(self, path: Path, loaded: dict[Path, Campaign], path_of_id: dict[str, Path]) -> Sequence[ConfigFault]:
        """Load one file, and return its mistakes."""
        self._stamps[path] = stamps_of(path, bank_file_of(path))
        try:
            interval = self._publication_interval
            campaign, images = load_campaign(path, publication_interval=interval, now=self._clock())
            if path_of_id.setdefault(campaign.id, path) != path:
                raise ConfigurationError(
                    [ConfigFault(_name(path), "the file's name", quote_value(path.name), "one file for a campaign")]
                )
        except ConfigurationError as error:
            self._faults[path] = error.faults
        else:
            loaded[path] = campaign
            self._faults.pop(path, None)
            self._stamps[path] |= images.stamps
            self._image_faults[path] = images.faults
        self._files.follow(path, self._stamps[path])
        return self._faults.get(path) or self._image_faults[path]

    def _is_current(self, path: Path) -> bool:
        known = self._stamps.get(path)
        return known is not None and all(file_stamp(each) == stamp for each, stamp in known.items())

    def _without_removed(self) -> dict[Path, Campaign]:
        """Forget the files that are not listed any more, and return the campaigns of the others."""
        listed, folders = set(self._files.paths), self._files.folders
        for each in (self._stamps, self._faults, self._image_faults):
            for path in each.keys() - listed:
                del each[path]
        return {path: each for path, each in self._loaded.items() if path in listed or path.parent not in folders}


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
        return tomli.loads(_read_bytes(path).decode("utf-8-sig"))
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
