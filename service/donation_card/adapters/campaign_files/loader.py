"""Campaigns from files: read whole or not at all, watched, and never replaced by something worse.

The start is refused with every mistake in every file. Later, a bad edit keeps the campaign as it was.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
import tomli

from donation_card.adapters.campaign_files.constraints import violations
from donation_card.adapters.campaign_files.fields import seconds
from donation_card.adapters.campaign_files.schema import build_campaign, quote_value, validate_sections
from donation_card.application.ports.campaigns import Campaigns
from donation_card.domain.campaign import Campaign
from donation_card.errors import ConfigFault, ConfigurationError, NotFound

MAX_FILE_BYTES: Final = 256 * 1024
_MAX_FAULTS: Final = 50
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_PLACE: Final = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")


class CampaignFiles(Campaigns):
    """The campaigns of a folder (each `*.toml` in it that is not hidden), or of single files; `ports.Campaigns`.

    `publication_every` overrides the timetable of every campaign: the demo says "0", and the figures are live.
    Raises Misconfigured when made; `reload` never does.
    """

    def __init__(self, *sources: Path | str, publication_every: str | None = None) -> None:
        self._sources = [Path(source) for source in sources]
        self._every = publication_every
        self._log = structlog.get_logger(__name__)
        self._versions: dict[Path, FileStamp | None] = {}
        self._kept: dict[Path, Campaign] = {}
        self._by_id: dict[str, Campaign] = {}
        self._refused: dict[Path, Sequence[ConfigFault]] = {}
        faults = [fault for each in self._scan().values() for fault in each]
        if not faults and not self._kept:
            folders = ", ".join(map(str, self._sources)) or "campaigns"
            faults = [ConfigFault(folders, "*.toml", "no campaign file", "at least one, such as vitaly.toml")]
        if faults:
            raise ConfigurationError(faults)

    def get(self, campaign_id: str) -> Campaign:
        found = self._by_id.get(campaign_id)
        if found is None:
            raise NotFound("campaign_unknown", given=campaign_id[:64])
        return found

    def all(self) -> Sequence[Campaign]:
        return tuple(self._by_id.values())

    def load_errors(self) -> str | None:
        """Why the newest version of a file is not in use; None when all are."""
        return "; ".join(str(fault) for faults in self._refused.values() for fault in faults) or None

    def reload(self) -> bool:
        """Read what was written, added or removed since; whether a campaign changed. Cheap: call it every second."""
        before = self._by_id
        for path, faults in self._scan().items():
            self._log.error("campaign_file_invalid", file=_name(path), faults=[str(fault) for fault in faults])
        if self._by_id is before:
            return False
        for campaign_id in before.keys() | self._by_id.keys():
            if before.get(campaign_id) is not self._by_id.get(campaign_id):
                event = "campaign_file_read" if campaign_id in self._by_id else "campaign_file_removed"
                self._log.info(event, campaign=campaign_id)
        return True

    def _scan(self) -> dict[Path, Sequence[ConfigFault]]:
        """Bring the campaigns up to date. The mistakes found are of versions not seen before."""
        faults: dict[Path, Sequence[ConfigFault]] = {}
        paths, folders = self._list()
        listed = set(paths)
        kept = {path: each for path, each in self._kept.items() if path in listed or path.parent not in folders}
        self._versions = {path: each for path, each in self._versions.items() if path in listed}
        self._refused = {path: each for path, each in self._refused.items() if path in listed}
        holder = {each.id: path for path, each in kept.items()}
        for path in paths:
            version = _file_stamp(path)
            if path in self._versions and self._versions[path] == version:
                continue
            self._versions[path] = version
            try:
                read = read_campaign(path, publication_every=self._every)
                if holder.setdefault(read.id, path) != path:
                    raise ConfigurationError(
                        [ConfigFault(_name(path), "the file's name", quote_value(path.name), "one file a campaign")]
                    )
            except ConfigurationError as error:
                faults[path] = self._refused[path] = error.faults
            else:
                kept[path] = read
                self._refused.pop(path, None)
        if kept != self._kept:
            self._kept = kept
            self._by_id = {each.id: each for _, each in sorted(kept.items())}
        return faults

    def _list(self) -> tuple[list[Path], set[Path]]:
        """The files to read, and the folders that could be listed: only there can a missing file have been removed."""
        paths: list[Path] = []
        folders: set[Path] = set()
        for source in self._sources:
            try:
                names = os.listdir(source)
            except OSError:
                paths.append(source)  # a file; or reading it will tell what is wrong
            else:
                folders.add(source)
                paths += sorted(source / name for name in names if name.endswith(".toml") and name[0] != ".")
        return paths, folders


class FileStamp(NamedTuple):
    """Enough of a file's status to see that it was written again, or replaced by another."""

    mtime_ns: int
    size: int
    inode: int


def _file_stamp(path: Path) -> FileStamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


def read_campaign(path: Path, *, publication_every: str | None = None) -> Campaign:
    """The campaign of one file. Raises Misconfigured with every mistake in it."""
    name = _name(path)
    every = None if publication_every is None else seconds(publication_every)
    faults: list[ConfigFault] = []
    if not (_ID.fullmatch(path.stem) and path.suffix == ".toml"):
        allowed = "1 to 64 of a-z, 0-9 and -, a letter or digit first, then .toml: the name is the campaign's address"
        faults.append(ConfigFault(name, "the file's name", quote_value(path.name), allowed))
    try:
        file, unsound, wrong = validate_sections(_toml(path), name)
    except _Unreadable as error:
        raise ConfigurationError([*faults, ConfigFault(name, *error.args)]) from error.__cause__
    live = every == 0 or ("publication" not in unsound and every is None and file.publication.every == 0)
    faults += wrong + violations(file, unsound, live=live, source=name)
    if len(faults) > _MAX_FAULTS:
        more = ConfigFault(name, "…", f"{len(faults) - _MAX_FAULTS} more mistakes", "none")
        faults = [*faults[:_MAX_FAULTS], more]
    if faults:
        raise ConfigurationError(faults)
    return build_campaign(file, path.stem, interval=every)


class _Unreadable(Exception):
    """A file that is no TOML at all. args: field, given, allowed."""


def _toml(path: Path) -> dict[str, Any]:
    text = ""
    try:
        text = _bytes(path).decode("utf-8-sig")
        return tomli.loads(text)
    except OSError as error:
        raise _Unreadable("the file", error.strerror or "unreadable", "a file that this service may read") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        given_byte = f"the byte 0x{error.object[error.start]:02x}"
        raise _Unreadable(f"line {line}", given_byte, "UTF-8: save the file in that encoding") from error
    except tomli.TOMLDecodeError as error:
        raise _Unreadable(*_syntax(str(error), text)) from error
    except RecursionError as error:
        raise _Unreadable(
            "the file", "brackets inside brackets without end", "lists and tables as in the docs"
        ) from error
    except ValueError as error:  # a number of more digits than Python reads
        raise _Unreadable("the file", "a number of very many digits", "amounts as in 1200") from error


def _bytes(path: Path) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for ever
        raise _Unreadable("the file", "a folder or a device", "a file")
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _Unreadable("the file", f"{max(status.st_size, len(data))} bytes", f"at most {MAX_FILE_BYTES} bytes")
    return data


def _syntax(message: str, text: str) -> Iterator[str]:
    """Field, given and allowed of a syntax error."""
    place = _PLACE.search(message)
    lines = text.splitlines() or [""]
    said = _PLACE.sub("", message)
    if place and place[1].startswith("line"):
        number = int(place[1].split()[1].rstrip(","))
        yield place[1]
        yield quote_value(lines[min(number, len(lines)) - 1].strip())
    else:
        yield "the end of the file"
        yield quote_value(lines[-1].strip())
    yield "each field once" if said == "Cannot overwrite a value" else f"TOML ({said})"


def _name(path: Path) -> str:
    """With its folder: `campaigns/vitaly.toml`."""
    return os.fsencode(Path(*path.parts[-2:])).decode("utf-8", "backslashreplace")
