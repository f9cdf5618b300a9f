"""Keep static pages as files of a folder that the proxy reads.

Several workers and machines may share the folder. Each file is written under another name and renamed, so they need
no lock.
"""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from donation_card.application.ports.page_folder import PageFolder

_PREFIX, _SUFFIX, _TEMPORARY = "donation-card.", ".html", ".donation-card."
_OURS = re.compile(r"donation-card\.([a-z0-9-]{1,64}\.[a-z]{2})\.html")
_LAST_BYTES = 200
_ABANDONED_AFTER = 3_600
"""Seconds after which a temporary file has no writer any more."""


class StaticPageFolder(PageFolder):
    """Implement `ports.PageFolder`. A page `vitaly.de` is the file `donation-card.vitaly.de.html`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> set[str]:
        """Return the names, and delete what a crash left of a page."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with os.scandir(self._folder) as entries:
            files = [entry.name for entry in entries]
        for name in files:
            if name.startswith(_TEMPORARY):
                with contextlib.suppress(OSError):
                    if os.stat(self._folder / name).st_mtime < time.time() - _ABANDONED_AFTER:
                        os.unlink(self._folder / name)
        return {found[1] for found in map(_OURS.fullmatch, files) if found}

    def last_line(self, name: str) -> str:
        try:
            with open(self._path(name), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES))
                return file.read().decode("utf-8", "replace").rstrip("\n").rpartition("\n")[2]
        except FileNotFoundError:
            return ""

    def write(self, pages: Mapping[str, str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=self._folder)
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fchmod(descriptor, 0o644)  # the proxy is another user
                    os.fsync(descriptor)
                os.replace(temporary, self._path(name))
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise

    def remove(self, names: Iterable[str]) -> None:
        failure: OSError | None = None
        for name in names:
            try:
                self._path(name).unlink(missing_ok=True)
            except OSError as error:
                failure = error
        if failure:
            raise failure

    def _path(self, name: str) -> Path:
        return self._folder / f"{_PREFIX}{name}{_SUFFIX}"
