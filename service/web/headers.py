"""Headers: what every kind of answer says about caching, framing, sharing and scripts.

One table of kinds, so that no route invents its own. Sources: Fetch (CORS, CORP), CSP Level 3, RFC 9111.
"""

from __future__ import annotations

import hashlib
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = dict[str, str]

NOBODY: Final = ("'none'",)

NO_STORE: Final[Headers] = {"cache-control": "no-store"}
SHARED: Final[Headers] = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag",
    "cross-origin-resource-policy": "cross-origin",
}
IMMUTABLE: Final[Headers] = {"cache-control": "public, max-age=31536000, immutable"}

SAFE: Final[Headers] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


def etag(body: bytes) -> str:
    """Of the content alone: the same bytes have the same tag on every worker."""
    return f'W/"{digest(body)}"'  # weak: gzip and brotli of the same content share it


def digest(body: bytes) -> str:
    """64 bits in hex: enough to name a version, and no secret."""
    return hashlib.sha256(body).hexdigest()[:16]


def fresh(seconds: int, *, live: bool, if_error: bool = False) -> Headers:
    """Cacheable for `seconds`, and as long again while it is renewed; a live figure is asked for each time."""
    if live:
        return {"cache-control": "public, no-cache"}
    stale = f"stale-while-revalidate={seconds}" + (", stale-if-error=86400" if if_error else "")
    return {"cache-control": f"public, max-age={seconds}, {stale}"}


def policy(
    *,
    script: tuple[str, ...] = (),
    style: tuple[str, ...] = (),
    connect: tuple[str, ...] = (),
    frame: tuple[str, ...] = (),
    image: tuple[str, ...] = (),
    form: tuple[str, ...] = (),
    ancestors: tuple[str, ...] = (),
) -> Headers:
    """The Content-Security-Policy of one of our pages: ourselves, and what is named."""
    directives = {
        "default-src": (),
        "script-src": ("'self'", *script),
        "style-src": ("'self'", *style),
        "img-src": ("'self'", *image),
        "connect-src": ("'self'", *connect),
        "frame-src": frame,
        "form-action": ("'self'", *form),
        "base-uri": (),
        "frame-ancestors": ancestors,
    }
    written = (f"{name} {' '.join(sources or NOBODY)}" for name, sources in directives.items())
    return {"content-security-policy": "; ".join(written)}


class SafeByDefault:
    """Pure ASGI middleware: an answer that says nothing of these headers gets the strictest."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_safely if scope["type"] == "http" else send)
