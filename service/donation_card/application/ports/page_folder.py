"""The port to the folder from which the proxy serves static pages."""

from collections.abc import Iterable, Mapping
from typing import Protocol


class PageFolder(Protocol):
    """Pages by their name, such as `vitaly.de`. Each method raises OSError if the folder cannot be used."""

    def names(self) -> set[str]:
        """Return the names of all pages. A file of anybody else is no page."""

    def last_line(self, name: str) -> str:
        """Return the last line of a page, or an empty text if there is none."""

    def write(self, pages: Mapping[str, str]) -> None:
        """Write each page in this order. A reader sees the old page or the new one, never a part."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove pages. A page that is missing is removed already. One that cannot be removed delays no other."""
