"""Serve the card, every released card, and the assets of our own pages.

The card is written in three readable files, which are joined and minified when a worker starts.
"""

import base64
import hashlib
import json
import re
import string
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

import rcssmin
import rjsmin
from starlette.requests import Request

from donation_card.errors import NotFound
from donation_card.resources import resource_path
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.headers import IMMUTABLE, PUBLIC_CORS, Headers, content_hash
from donation_card.web.http.response_cache import ResponseCache

_STATIC = Path(__file__).parent / "static"
_WIDGET = resource_path("widget")
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

CARD_PATH = "/widget/v1/donation-card.js"

PALETTE = "palette.css"
"""The colours of the card and of the pages. It begins the card's style sheet and site.css."""

CARD_SOURCES = ("donation-card.js", PALETTE, "donation-card.css")
SOURCE_PATH = "/widget/v1/source"
"""The first line of the joined card names it."""

_STYLE_PLACEHOLDER = "'@import \"donation-card.css\"'"
"""A string in donation-card.js. It is valid CSS, so that the file runs before it is joined."""

_MINIFIERS: dict[str, Callable[[bytes], bytes]] = {".js": rjsmin.jsmin, ".css": rcssmin.cssmin}

_SHORT_CACHE = {"cache-control": "public, max-age=600, stale-while-revalidate=86400"}


def join_card(script: str, style_sheet: str) -> str:
    """Minify the card's script and put the minified style sheet into it. The source stays readable at its own address.

    What stands before a closing brace needs no semicolon or comma. No text of the script has them there.
    Raises ValueError unless the script has the placeholder once.
    """
    minified = re.sub("[;,]}", "}", rjsmin.jsmin(_shorten_names(script), keep_bang_comments=True))
    if minified.count(_STYLE_PLACEHOLDER) != 1:
        raise ValueError(f"donation-card.js must contain {_STYLE_PLACEHOLDER} once")
    return minified.replace(_STYLE_PLACEHOLDER, json.dumps(rcssmin.cssmin(style_sheet), ensure_ascii=False))


def _shorten_names(script: str) -> str:
    """Shorten the names that only this file can use, as minifiers do: private names, and the constants of the file.

    A name in quotes or after a dot is another one.
    """
    private = sorted(set(re.findall(r"this\.#(\w+)", script)))
    constants = re.findall(r"^  const (\w+) =", script, re.MULTILINE)
    for prefix, before, names in (("#", r"""(?<!["'])#""", private), ("$", r"""(?<![\w.$#"'-])""", constants)):
        for number, name in enumerate(names):
            letter = string.ascii_letters[number % 52] * (number // 52 + 1)
            script = re.sub(rf"{before}{name}\b", prefix + letter, script)
    return script


@cache
def current_card() -> bytes:
    """Return the joined card. It is made once, so that an upgrade cannot change it under a running worker."""
    script, *style_sheets = ((_WIDGET / name).read_text("utf-8") for name in CARD_SOURCES)
    return join_card(script, "".join(style_sheets)).encode()


@cache
def current_release() -> tuple[str, str]:
    """Return the immutable address of the newest card, and its `integrity` (https://www.w3.org/TR/sri/)."""
    return _address(current_card()), _integrity(current_card())


@cache
def fallback_style() -> str:
    """Return the style sheet inside the page that the proxy sends while the service does not answer."""
    sheets = (_WIDGET / PALETTE).read_text("utf-8") + (Path(__file__).parent / "fallback.css").read_text("utf-8")
    return str(rcssmin.cssmin(sheets))


def _integrity(body: bytes) -> str:
    return f"sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}"


def _address(card: bytes) -> str:
    return f"/widget/{content_hash(card)}/donation-card.js"


class Assets:
    """Files read once at the start; an address with a hash in it never changes its content.

    `urls` and `integrity` (https://www.w3.org/TR/sri/) are by the name of the file.
    """

    def __init__(self, response_cache: ResponseCache) -> None:
        self._response_cache = response_cache
        self.urls: dict[str, str] = {}
        self.integrity: dict[str, str] = {}
        for path in sorted(_STATIC.iterdir()):
            body = _MINIFIERS.get(path.suffix, bytes)(path.read_bytes())
            if path.name == "site.css":
                body = rcssmin.cssmin((_WIDGET / PALETTE).read_bytes()) + body
            self.urls[path.name] = f"/static/{content_hash(body)}/{path.name}"
            self.integrity[path.name] = _integrity(body)
            self._add(self.urls[path.name], body, PUBLIC_CORS | IMMUTABLE)  # a sandboxed frame is of no origin
        for name in CARD_SOURCES:
            self._add(f"{SOURCE_PATH}/{name}", (_WIDGET / name).read_bytes(), PUBLIC_CORS | _SHORT_CACHE)
        self._add(CARD_PATH, current_card(), PUBLIC_CORS | _SHORT_CACHE)
        for card in (current_card(), *(path.read_bytes() for path in sorted((_WIDGET / "releases").glob("*.js")))):
            self._add(_address(card), card, PUBLIC_CORS | IMMUTABLE)

    async def file(self, request: Request) -> CachedResponse:
        """Respond with a file. Content systems of publishers add a query to its address (`?ver=6.7`)."""
        if (answer := self._response_cache.get(request.url.path)) is None:
            raise NotFound
        return answer

    def _add(self, url: str, body: bytes, headers: Headers) -> None:
        self._response_cache.put(url, CachedResponse(body, _TYPES[PurePosixPath(url).suffix], headers, quality=11))
