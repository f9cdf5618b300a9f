"""Headers: what every kind of answer says about caching, framing, sharing and scripts.

One table of kinds, so that no route invents its own. Sources: Fetch (CORS, CORP), CSP Level 3, Trusted Types, HTML
(COOP), Permissions Policy, RFC 9111.
"""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = dict[str, str]

CSP_NONE: Final = ("'none'",)

NO_STORE: Final[Headers] = {"cache-control": "no-store"}
PUBLIC_CORS: Final[Headers] = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag",
    "cross-origin-resource-policy": "cross-origin",
}
IMMUTABLE: Final[Headers] = {"cache-control": "public, max-age=31536000, immutable"}

_PERMISSIONS: Final = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi"),
    *("payment", "publickey-credentials-get", "serial", "usb", "xr-spatial-tracking"),
)
"""What a browser lends to a page: ours need none of it, and only on the way to Stripe is paying handed on."""


def permissions_policy(*, allow_payment: bool = False) -> Headers:
    """`paying`: Stripe's frame, and a wallet's frame in it, may ask the browser to pay; the CSP says who is framed."""
    lent = {"payment", "publickey-credentials-get"} if allow_payment else set()
    return {"permissions-policy": ", ".join(f"{power}={'*' if power in lent else '()'}" for power in _PERMISSIONS)}


COOP_UNSAFE_NONE: Final[Headers] = {"cross-origin-opener-policy": "unsafe-none"}
"""For what a publisher's sandboxed frame may open: a browser shows nothing at all where the two are combined."""

DATA_CSP: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
"""For data: opened as a page all the same, it can do nothing."""

DEFAULT_SECURITY_HEADERS: Final[Headers] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    **permissions_policy(),
    "content-security-policy": DATA_CSP,
}


def etag(body: bytes) -> str:
    """Of the content alone: the same bytes have the same tag on every worker."""
    return f'W/"{content_hash(body)}"'  # weak: gzip and brotli of the same content share it


def content_hash(body: bytes) -> str:
    """64 bits in hex: enough to name a version, and no secret."""
    return hashlib.sha256(body).hexdigest()[:16]


def cache_control(max_age: int, *, revalidate: bool, stale_if_error: bool = False) -> Headers:
    """Cacheable for `seconds`, and as long again while it is renewed; a live figure is asked for each time."""
    if revalidate:
        return {"cache-control": "public, no-cache"}
    stale = f"stale-while-revalidate={max_age}" + (", stale-if-error=86400" if stale_if_error else "")
    return {"cache-control": f"public, max-age={max_age}, {stale}"}


def content_security_policy(
    *,
    script: tuple[str, ...] = (),
    style: tuple[str, ...] = (),
    connect: tuple[str, ...] = (),
    frame: tuple[str, ...] = (),
    image: tuple[str, ...] = (),
    form: tuple[str, ...] = (),
    ancestors: tuple[str, ...] = (),
    trusted_types: str = "'none'",
) -> Headers:
    """The Content-Security-Policy of one of our pages: no script but those named, and no text that becomes one."""
    directives = {
        "default-src": (),
        "script-src": script,
        "style-src": ("'self'", *style),
        "img-src": ("'self'", *image),
        "connect-src": ("'self'", *connect),
        "frame-src": frame,
        "form-action": ("'self'", *form),
        "base-uri": (),
        "require-trusted-types-for": ("'script'",),
        "trusted-types": (trusted_types,),
        "frame-ancestors": ancestors,
    }
    written = (f"{name} {' '.join(sources or CSP_NONE)}" for name, sources in directives.items())
    return {"content-security-policy": "; ".join(written)}


class SecurityHeadersMiddleware:
    """Pure ASGI middleware: an answer that says nothing of these headers gets the strictest."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in DEFAULT_SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_safely if scope["type"] == "http" else send)


class PublicURLMiddleware:
    """Pure ASGI middleware: whatever Host or X-Forwarded-Proto says, the service is at `PUBLIC_URL` and nowhere else.

    So that no address that is made from a request, such as a redirect to the path without its last slash, leads to
    where a stranger wishes (OWASP WSTG-INPV-17).
    """

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self.app = app
        parts = urlsplit(public_url)
        self.scheme, self.host = parts.scheme, parts.netloc.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope = {**scope, "scheme": self.scheme, "headers": [(b"host", self.host), *others]}
        await self.app(scope, receive, send)
