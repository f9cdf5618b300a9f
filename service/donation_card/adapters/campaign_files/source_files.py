"""List the campaign files of some folders, and name those that may have changed since they were read."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from donation_card.adapters.campaign_files.bank_file import SUFFIX
from donation_card.adapters.campaign_files.folder_watch import FolderWatch
from donation_card.adapters.campaign_files.image_files import FileStamp, file_stamp

FEW = 300
"""With at most so many campaign files, all are checked each time. So they need no event."""

IN_TURN = 100
"""Campaign files that are checked each time without an event if there are more."""

_SETTLED_AFTER = 2 * 10**9
"""Nanoseconds after which another change of a folder has another time for certain."""


class SourceFiles:
    """A source is a folder or a single file. Hidden files and bank files are no campaign files."""

    def __init__(self, sources: Sequence[Path]) -> None:
        self._sources = sources
        self._listed: list[FileStamp | None] | None = None
        self._names: list[list[str] | None] = []
        self.paths: list[Path] = []
        self.folders: set[Path] = set()
        """The sources that are readable folders. A file was removed only if its folder is one of them."""
        self._due: dict[Path, None] = {}
        self._turn: list[Path] = []
        self._watch: FolderWatch | None = None

    def renew(self) -> bool:
        """List the files if a folder changed, or if all files were checked in turn. Return True if they are others."""
        stamps = [file_stamp(source) for source in self._sources]
        if stamps == self._listed and self._turn:
            return False
        now = time.time_ns()
        self._listed = stamps if all(each is None or each[0] < now - _SETTLED_AFTER for each in stamps) else None
        before, self._names = self._names, [*map(_list_names, self._sources)]
        if self._names != before:
            known, self.paths = set(self.paths), _paths(self._sources, self._names)
            pairs = zip(self._sources, self._names, strict=True)
            self.folders = {source for source, names in pairs if names is not None}
            self._due = dict.fromkeys(each for each in self.paths if each not in known or each in self._due)
        self._turn = self._turn or self.paths.copy()
        return self._names != before

    def watch(self, files: Mapping[Path, Iterable[Path]]) -> None:
        """Watch the folders of these files from now on. What changed until now is due.

        `files` holds, for each campaign file, all files that belong to it.
        """
        if self._watch is None:
            self._watch = FolderWatch()
            self._watch.add({path.parent for belonging in files.values() for path in belonging})
            self._due = dict.fromkeys(self.paths)

    def follow(self, path: Path, belonging: Iterable[Path]) -> None:
        """Watch the folders of the files that belong to a campaign file. It is due again if one of them is new."""
        if self._watch and self._watch.add({each.parent for each in belonging}):
            self._due[path] = None

    def take_due(self, files: Mapping[Path, Iterable[Path]]) -> list[Path]:
        """Return the campaign files to check now: new ones, those with an event, and some in turn."""
        changed = self._watch.read() if self._watch else set()
        if changed is None:
            self._due |= dict.fromkeys(self.paths)
        elif changed:
            self._due |= dict.fromkeys(path for path, each in files.items() if not changed.isdisjoint(each))
        number = IN_TURN if len(self.paths) > FEW else FEW
        self._due |= dict.fromkeys(each for each in self._turn[:number] if each in files)
        del self._turn[:number]
        due, self._due = self._due, {}
        return [*due]


def list_files(*sources: Path) -> list[Path]:
    """Return the campaign files of folders, and single files."""
    return _paths(sources, [*map(_list_names, sources)])


def _list_names(source: Path) -> list[str] | None:
    """Return the names of the campaign files in a folder, or None if it is no readable folder."""
    try:
        return sorted(filter(_is_campaign_file, os.listdir(source)))
    except OSError:
        return None


def _paths(sources: Sequence[Path], names: Sequence[Sequence[str] | None]) -> list[Path]:
    """Return the paths of the files, and sources that are no folders. Reading a missing path reports the fault."""
    pairs = zip(sources, names, strict=True)
    return [path for source, found in pairs for path in ([source] if found is None else map(source.joinpath, found))]


def _is_campaign_file(name: str) -> bool:
    return name.endswith(".toml") and not name.endswith(SUFFIX) and name[0] != "."
