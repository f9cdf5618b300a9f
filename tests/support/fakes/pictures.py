"""In-memory fake of the port to the images of pictures."""

from __future__ import annotations

from collections.abc import Collection

from donation_card.application.ports.pictures import Pictures
from donation_card.domain.picture import Picture
from donation_card.errors import NotFound


class FakePictures(Pictures):
    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    async def read(self, picture: Picture, width: int, extension: str) -> bytes:
        if width not in picture.widths or extension not in picture.formats:
            raise NotFound
        return self.stored.setdefault(picture.file_name(width, extension), b"pixels")

    def remove_others(self, kept: Collection[Picture]) -> None:
        hashes = {picture.hash for picture in kept}
        self.stored = {name: body for name, body in self.stored.items() if name.partition("-")[0] in hashes}
