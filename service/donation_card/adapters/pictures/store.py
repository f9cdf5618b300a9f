"""Make the images of a picture when they are first requested, and keep them in a folder.

The folder can be deleted at any time. It holds pixels that were made again, never a byte of an organiser's file.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from donation_card.adapters.pictures.inspection import PictureRefused, content_format, picture_hash, read_file
from donation_card.application.ports.pictures import Pictures
from donation_card.domain.picture import Picture
from donation_card.errors import NotFound
from donation_card.memory import release_freed_memory
from donation_card.observability.log_events import LogEvent, log

_LOCK = ".lock"
_TEMPORARY = ".picture-"
_MADE = re.compile(r"[0-9a-f]{32}-[0-9]+\.(webp|jpg)")
_ABANDONED_AFTER = 3_600
"""Seconds after which a temporary file has no writer any more."""


class PictureStore(Pictures):
    """Implement `ports.Pictures`. One image file is decoded at a time, also by several workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = asyncio.Lock()

    async def read(self, picture: Picture, width: int, extension: str) -> bytes:
        if width not in picture.widths or extension not in picture.formats:
            raise NotFound
        name = picture.file_name(width, extension)
        found = await asyncio.to_thread(self._stored, name)
        if found is None:
            async with self._making:
                found = await asyncio.to_thread(self._read_or_make, picture, name)
        return found

    def remove_others(self, kept: Collection[Picture]) -> None:
        hashes = {picture.hash for picture in kept}
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(self._folder)):
                with contextlib.suppress(OSError):
                    if entry.name.startswith(_TEMPORARY):
                        old = entry.stat().st_mtime < time.time() - _ABANDONED_AFTER
                    else:  # nothing else is ours
                        old = _MADE.fullmatch(entry.name) is not None and entry.name[:32] not in hashes
                    if old:
                        os.unlink(entry)

    def _stored(self, name: str) -> bytes | None:
        with contextlib.suppress(OSError):
            return (self._folder / name).read_bytes() or None
        return None

    def _read_or_make(self, picture: Picture, name: str) -> bytes:
        """Return a stored image, or make all images of the picture. Other workers wait, and find them then."""
        with self._locked():
            found = self._stored(name)
            if found is not None:
                return found
            try:
                made = make(picture)
            except PictureRefused as error:
                log.error(LogEvent.PICTURE_UNREADABLE, file=Path(picture.path).name, reason=": ".join(error.args[1:]))
                raise NotFound from error
            release_freed_memory()
            self._store(made)
            return made[name]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of the folder. Without a folder, go on without a lock."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                fcntl.flock(stack.enter_context(open(self._folder / _LOCK, "wb")), fcntl.LOCK_EX)
            yield

    def _store(self, made: Mapping[str, bytes]) -> None:
        """Write each image under a temporary name and rename it, so that nobody reads half of it."""
        temporary = None
        try:
            for name, body in made.items():
                descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=self._folder)
                with open(descriptor, "wb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(descriptor)
                os.replace(temporary, self._folder / name)
        except OSError as error:  # a full disk or a read-only folder: each request makes the images again
            log.warning(LogEvent.PICTURE_NOT_STORED, reason=error.strerror or type(error).__name__)
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)


def make(picture: Picture) -> dict[str, bytes]:
    """Return every served image by its file name. Raise PictureRefused if the file is another one by now."""
    from donation_card.adapters.pictures.rendering import render  # Pillow needs memory

    data = read_file(Path(picture.path))
    if picture_hash(data, picture.crop, picture.cover) != picture.hash:
        raise PictureRefused("file", "a file that changed", "the file that was inspected")
    return render(data, picture, content_format(data))
