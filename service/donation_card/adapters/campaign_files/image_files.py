"""Inspect the image files that a campaign file names. They lie in its folder."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from donation_card.adapters.campaign_files.schema import CampaignFile
from donation_card.adapters.pictures.inspection import PictureRefused, inspect
from donation_card.domain.picture import Box, CampaignPicture, Picture
from donation_card.errors import ConfigFault

_MAX_LINKS = 40
"""Links that are followed. The kernel follows as many."""

FileStamp = tuple[int, int, int]
"""The time of change, the size and the inode: they change when a file is written or replaced, or gets another mode."""


def file_stamp(path: Path) -> FileStamp | None:
    try:
        status = os.stat(str(path))  # a third of the CPU of `path.stat()`
    except (OSError, ValueError):  # no name has a NUL character
        return None
    return status.st_ctime_ns, status.st_size, status.st_ino


def stamps_of(*paths: Path) -> dict[Path, FileStamp | None]:
    """Return the stamps of files, and of all files to which their symbolic links lead."""
    return {each: file_stamp(each) for path in paths for each in _link_targets(path)}


def _link_targets(path: Path) -> Iterator[Path]:
    for _ in range(_MAX_LINKS):
        yield path
        try:
            path = path.parent / os.readlink(path)
        except (OSError, ValueError):  # no link, or no file
            return


class ImageFiles:
    """Collect the faults of the image files of one campaign, and the stamps that they had before they were read."""

    def __init__(self, folder: Path, source: str) -> None:
        self._folder, self._source = folder, source
        self.faults: list[ConfigFault] = []
        self.stamps: dict[Path, FileStamp | None] = {}

    def inspect(
        self, table: str, name: str, *, focus: tuple[float, float] | None = None, cover: Sequence[Box] = ()
    ) -> Picture | None:
        """Return the picture that a table of the file names, or None with a fault in `faults`."""
        path = self._folder / name
        self.stamps = stamps_of(path) | self.stamps
        try:
            return inspect(self._folder, name, focus=focus, cover=cover)
        except PictureRefused as error:
            field, given, allowed = error.args
            self.faults.append(ConfigFault(self._source, f"{table}.{field}", given, allowed))
            return None

    def picture_of(self, file: CampaignFile) -> CampaignPicture | None:
        if file.picture is None:
            return None
        image = self.inspect("picture", file.picture.file, focus=file.picture.focus)
        return CampaignPicture(image, file.picture.alt, file.picture.credit) if image else None

    def receipts_of(self, file: CampaignFile) -> dict[int, Picture]:
        """Return the receipts by the place of their spendings in the file."""
        found = {
            at: self.inspect(f"spent[{at}].receipt", spending.receipt.file, cover=spending.receipt.cover)
            for at, spending in enumerate(file.spent)
            if spending.receipt
        }
        return {at: picture for at, picture in found.items() if picture}
