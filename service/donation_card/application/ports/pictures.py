"""The port to the images that are made from the organiser's files."""

from collections.abc import Collection
from typing import Protocol

from donation_card.domain.picture import Picture


class Pictures(Protocol):
    async def read(self, picture: Picture, width: int, extension: str) -> bytes:
        """Return a served image. Raise NotFound if the file is no longer the one that was inspected."""

    def remove_others(self, kept: Collection[Picture]) -> None:
        """Delete the stored images of all other pictures."""
