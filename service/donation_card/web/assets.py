"""Widget and assets: the card as it is written, every released card, and what our own pages load."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from starlette.requests import Request

from donation_card.errors import NotFound
from donation_card.resources import beside
from donation_card.web.http.cached_response import Answer
from donation_card.web.http.headers import IMMUTABLE, SHARED, Headers, digest

_STATIC: Final = Path(__file__).parent / "static"
_WIDGET: Final = beside("widget")
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

CARD: Final = "/widget/v1/donation-card.js"


@cache
def _newest() -> bytes:
    """Read once: what a worker names and what it serves stay the same while an upgrade replaces the file beneath it."""
    return (_WIDGET / "donation-card.js").read_bytes()


@cache
def pinned_card() -> tuple[str, str]:
    """The immutable address of the newest card, and its `integrity` (https://www.w3.org/TR/sri/)."""
    return _address(_newest()), _integrity(_newest())


def _integrity(body: bytes) -> str:
    return f"sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}"


def _address(card: bytes) -> str:
    return f"/widget/{digest(card)}/donation-card.js"


class Assets:
    """Files read once at the start; an address with a hash in it never changes its content."""

    def __init__(self) -> None:
        self.ready: dict[str, Answer] = {}
        self._urls: dict[str, str] = {}
        self._integrity: dict[str, str] = {}
        for path in sorted(_STATIC.iterdir()):
            body = path.read_bytes()
            self._urls[path.name] = f"/static/{digest(body)}/{path.name}"
            self._integrity[path.name] = _integrity(body)
            self._add(self._urls[path.name], body, SHARED | IMMUTABLE)  # a sandboxed frame is of no origin
        newest = _newest()
        self._add(CARD, newest, SHARED | {"cache-control": "public, max-age=600, stale-while-revalidate=86400"})
        for card in (newest, *(path.read_bytes() for path in sorted((_WIDGET / "releases").glob("*.js")))):
            self._add(_address(card), card, SHARED | IMMUTABLE)

    def url(self, name: str) -> str:
        return self._urls[name]

    def integrity(self, name: str) -> str:
        """For the `integrity` of a script's tag (https://www.w3.org/TR/sri/)."""
        return self._integrity[name]

    async def file(self, request: Request) -> Answer:
        """What is not answered before routing: a publisher's system adds its own query (`?ver=6.7`)."""
        if (answer := self.ready.get(request.url.path)) is None:
            raise NotFound
        return answer

    def _add(self, url: str, body: bytes, headers: Headers) -> None:
        self.ready[url] = Answer(body, _TYPES[PurePosixPath(url).suffix], headers, quality=11)
