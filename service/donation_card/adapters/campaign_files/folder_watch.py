"""Notice which files of some folders may have changed, with inotify(7).

No thread waits: the kernel keeps the events until they are read. Events can be missing (a network file system, a limit
of the kernel), so the caller must also check its files in turn.
"""

import ctypes
import os
import struct
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

from donation_card.observability.log_events import LogEvent, log

_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x4, 0x8, 0x40, 0x80, 0x100, 0x200
_WANTED = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_HEADER = struct.Struct("iIII")
"""The watch, the kind of the event, a cookie, and the length of the name that follows."""

_FOLDERS_IN_TURN = 100
"""Folders whose identity is checked at each reading. An event of a link above a folder does not reach the folder."""


class FolderWatch:
    """Watch folders by their path. If another folder takes the place of one, it is watched from then on."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._warned = False
        self._descriptor = self._open()
        self._folders: dict[int, set[Path]] = {}
        """By watch. Two paths can lead to one folder."""
        self._identities: dict[Path, tuple[int, int] | None] = {}
        self._turn: list[Path] = []

    def _open(self) -> int:
        try:
            descriptor = int(self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        except AttributeError:  # another system than Linux
            return -1
        if descriptor < 0:
            self._warn()
        else:
            weakref.finalize(self, os.close, descriptor)
        return descriptor

    def _warn(self) -> None:
        """Log the first failure alone: a limit of the kernel concerns each folder."""
        if not self._warned:
            log.warning(LogEvent.CAMPAIGNS_NOT_WATCHED, reason=os.strerror(ctypes.get_errno()))
        self._warned = True

    def add(self, folders: Iterable[Path]) -> bool:
        """Watch folders, also missing ones. Return True if one of them was not watched before."""
        new = [folder for folder in folders if folder not in self._identities]
        for folder in new:
            self._follow(folder)
        return bool(new)

    def read(self) -> set[Path] | None:
        """Return the paths with an event since the last call, or None if any file may have changed."""
        paths: set[Path] = set()
        lost = False
        for watch, kind, name in self._events():
            if kind & _OVERFLOW:
                lost = True
            elif kind & _IGNORED:  # the folder was deleted or unmounted
                for folder in self._folders.pop(watch, ()):
                    self._identities[folder], lost = None, True
            else:
                paths.update(folder / name for folder in self._folders.get(watch, ()))
        self._turn = self._turn or [*self._identities]
        for folder in self._turn[:_FOLDERS_IN_TURN]:
            lost = self._follow(folder) or lost
        del self._turn[:_FOLDERS_IN_TURN]
        return None if lost else paths

    def _follow(self, folder: Path) -> bool:
        """Watch the folder that is now at this path. Return False if it is the same as before."""
        try:
            status = folder.stat()
            identity = status.st_dev, status.st_ino
        except (OSError, ValueError):  # no name has a NUL character
            identity = None
        if folder in self._identities and self._identities[folder] == identity:
            return False
        self._identities[folder] = identity
        for watch in [watch for watch, folders in self._folders.items() if folder in folders]:
            self._folders[watch].remove(folder)
            if not self._folders[watch]:
                del self._folders[watch]
                self._library.inotify_rm_watch(self._descriptor, watch)
        if identity and self._descriptor >= 0:
            watch = self._library.inotify_add_watch(self._descriptor, os.fsencode(folder), _WANTED)
            if watch >= 0:
                self._folders.setdefault(watch, set()).add(folder)
            else:
                self._warn()
        return True

    def _events(self) -> Iterator[tuple[int, int, str]]:
        while True:
            try:
                data = os.read(self._descriptor, 65_536)
            except OSError:  # no more events
                return
            at = 0
            while at < len(data):
                watch, kind, _, length = _HEADER.unpack_from(data, at)
                at += _HEADER.size + length
                yield watch, kind, os.fsdecode(data[at - length : at].rstrip(b"\0"))
