"""Widget and assets: the card as it is written, every released card, and what our own pages load."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from starlette.requests import Request

from donation_card.errors import NotFound
from donation_card.resources import resource_path
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.headers import IMMUTABLE, PUBLIC_CORS, Headers, content_hash
from donation_card.web.http.response_cache import ResponseCache

_STATIC: Final = Path(__file__).parent / "static"
_WIDGET: Final = resource_path("widget")
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

CARD_PATH: Final = "/widget/v1/donation-card.js"


@cache
def _current_card() -> bytes:
    """Read once: what a worker names and what it serves stay the same while an upgrade replaces the file beneath it."""
    return (_WIDGET / "donation-card.js").read_bytes()


@cache
def current_release() -> tuple[str, str]:
    """The immutable address of the newest card, and its `integrity` (https://www.w3.org/TR/sri/)."""
    return _address(_current_card()), _integrity(_current_card())


def _integrity(body: bytes) -> str:
    return f"sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}"


def _address(card: bytes) -> str:
    return f"/widget/{content_hash(card)}/donation-card.js"


class Assets:
    """Files read once at the start; an address with a hash in it never changes its content."""

    def __init__(self, response_cache: ResponseCache) -> None:
        self._response_cache = response_cache
        self._urls: dict[str, str] = {}
        self._integrity: dict[str, str] = {}
        for path in sorted(_STATIC.iterdir()):
            body = path.read_bytes()
            self._urls[path.name] = f"/static/{content_hash(body)}/{path.name}"
            self._integrity[path.name] = _integrity(body)
            self._add(self._urls[path.name], body, PUBLIC_CORS | IMMUTABLE)  # a sandboxed frame is of no origin
        newest = _current_card()
        self._add(
            CARD_PATH, newest, PUBLIC_CORS | {"cache-control": "public, max-age=600, stale-while-revalidate=86400"}
        )
        for card in (newest, *(path.read_bytes() for path in sorted((_WIDGET / "releases").glob("*.js")))):
            self._add(_address(card), card, PUBLIC_CORS | IMMUTABLE)

    def url(self, name: str) -> str:
        return self._urls[name]

    def integrity(self, name: str) -> str:
        """For the `integrity` of a script's tag (https://www.w3.org/TR/sri/)."""
        return self._integrity[name]

    async def file(self, request: Request) -> CachedResponse:
        """What is not answered before routing: a publisher's system adds its own query (`?ver=6.7`)."""
        if (answer := self._response_cache.get(request.url.path)) is None:
            raise NotFound
        return answer

    def _add(self, url: str, body: bytes, headers: Headers) -> None:
        self._response_cache.put(url, CachedResponse(body, _TYPES[PurePosixPath(url).suffix], headers, quality=11))
