"""Keep the texts of a campaign compressed. They are most of it, and most campaigns are seldom read."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import brotli

_UNPACKED = 200
"""Campaigns whose texts are also kept as they are, those that were read last."""

_QUALITY = 2
"""The quality of brotli, 0 to 11. 5 saves a tenth of the memory, and needs a quarter more CPU to load a file."""

Parts = dict[str, Any]
"""A text by language: a string, or a tuple of its parts."""


class TextPack:
    """Collect the texts of one campaign, then compress them together."""

    __slots__ = ("_collected", "_packed")

    def __init__(self) -> None:
        self._collected: list[Parts] = []
        self._packed = b""

    def add(self, texts: Parts, kind: Callable[..., Any] = str) -> "PackedTexts":
        """Add a text whose parts make something of a kind. Read the returned mapping after `close`."""
        self._collected.append(texts)
        return PackedTexts(self, len(self._collected) - 1, kind)

    def close(self) -> None:
        self._packed = brotli.compress(pickle.dumps(self._collected), quality=_QUALITY)
        self._collected = []

    def read(self, at: int) -> Parts:
        return _unpack(self._packed)[at]


@lru_cache(_UNPACKED)
def _unpack(packed: bytes) -> list[Parts]:
    found: list[Parts] = pickle.loads(brotli.decompress(packed))  # noqa: S301 this process packed it
    return found


class PackedTexts(Mapping[str, Any]):
    """A text by language. It equals a dict with the same content, and is printed like one."""

    __slots__ = ("_at", "_kind", "_pack")

    def __init__(self, pack: TextPack, at: int, kind: Callable[..., Any]) -> None:
        self._pack, self._at, self._kind = pack, at, kind

    def __getitem__(self, language: str) -> Any:
        parts = self._pack.read(self._at)[language]
        if isinstance(parts, str):
            return parts
        return self._kind(*parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._pack.read(self._at))

    def __len__(self) -> int:
        return len(self._pack.read(self._at))

    def __repr__(self) -> str:
        return repr(dict(self))
