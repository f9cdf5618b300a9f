"""Keep the texts of a campaign compressed. They are most of it, and most campaigns are seldom read."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import brotli

_UNPACKED = 200
"""Campaigns whose texts are also kept as they are, those that were read last."""


class TextPack:
    """Collect the texts of one campaign, then compress them together."""

    __slots__ = ("_collected", "_packed")

    def __init__(self) -> None:
        self._collected: list[tuple[Callable[..., Any], dict[str, tuple[Any, ...]]]] = []
        self._packed = b""

    def add(self, kind: Callable[..., Any], parts: dict[str, tuple[Any, ...]]) -> "PackedTexts":
        """Add a text of this kind, whose parts are given by language. Read the returned mapping after `close`."""
        self._collected.append((kind, parts))
        return PackedTexts(self, len(self._collected) - 1)

    def add_plain(self, texts: Mapping[str, str]) -> "PackedTexts":
        return self.add(str, {language: (text,) for language, text in texts.items()})

    def close(self) -> None:
        self._packed = brotli.compress(pickle.dumps(self._collected), quality=1)
        self._collected = []

    def read(self, at: int) -> Mapping[str, Any]:
        return _unpack(self._packed)[at]


@lru_cache(_UNPACKED)
def _unpack(packed: bytes) -> list[Mapping[str, Any]]:
    found = pickle.loads(brotli.decompress(packed))  # noqa: S301 this process packed it
    return [{language: kind(*parts) for language, parts in texts.items()} for kind, texts in found]


class PackedTexts(Mapping[str, Any]):
    """A text by language. It equals a dict with the same content, and is printed like one."""

    __slots__ = ("_at", "_pack")

    def __init__(self, pack: TextPack, at: int) -> None:
        self._pack, self._at = pack, at

    def __getitem__(self, language: str) -> Any:
        return self._pack.read(self._at)[language]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pack.read(self._at))

    def __len__(self) -> int:
        return len(self._pack.read(self._at))

    def __repr__(self) -> str:
        return repr(self._pack.read(self._at))
