"""Build the header fields for caching, framing, sharing and scripts.

Sources: Fetch (CORS, CORP), CSP Level 3, Trusted Types, HTML (COOP), Permissions Policy, RFC 9111.
"""

import hashlib

Headers = dict[str, str]

CSP_NONE = ("'none'",)

NO_STORE: Headers = {"cache-control": "no-store"}
BEARER: Headers = {"www-authenticate": "Bearer"}
"""For a response 401 (RFC 6750)."""
PUBLIC_CORS: Headers = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag",
    "cross-origin-resource-policy": "cross-origin",
}
IMMUTABLE: Headers = {"cache-control": "public, max-age=31536000, immutable"}

_PERMISSIONS = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi"),
    *("payment", "publickey-credentials-get", "serial", "usb", "xr-spatial-tracking"),
)
"""The browser features that pages may not use."""


def permissions_policy(*, allow_payment: bool = False) -> Headers:
    """Deny all browser features, except payment if `allow_payment`.

    Payment is allowed to every frame, because Stripe's frame contains the frame of a wallet. The CSP limits the frames.
    """
    allowed = {"payment", "publickey-credentials-get"} if allow_payment else set()
    return {"permissions-policy": ", ".join(f"{name}={'*' if name in allowed else '()'}" for name in _PERMISSIONS)}


COOP_UNSAFE_NONE: Headers = {"cross-origin-opener-policy": "unsafe-none"}
"""For pages that a sandboxed frame can open: browsers block a page that combines `same-origin` with a sandbox."""

DATA_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
"""For responses that are no pages, in case a browser shows one as a page."""

IMAGE_CSP: Headers = {"content-security-policy": f"{DATA_CSP}; style-src 'unsafe-inline'"}
"""The policy of an image that is opened by itself: no script and no request. An SVG contains its own colours."""

DEFAULT_SECURITY_HEADERS: Headers = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    **permissions_policy(),
    "content-security-policy": DATA_CSP,
}


def etag(body: bytes) -> str:
    """Return the ETag of a body. It is the same in every worker."""
    return f'W/"{content_hash(body)}"'  # weak: gzip and brotli of the same content share it


def content_hash(body: bytes) -> str:
    """Return 64 bits of the SHA-256 as hex. It names a version and protects nothing."""
    return hashlib.sha256(body).hexdigest()[:16]


def cache_control(max_age: int, *, revalidate: bool, stale_if_error: bool = False) -> Headers:
    """Allow caches to keep a response for `max_age` seconds, or require revalidation each time.

    A cache may send the response for another `max_age` seconds while it requests a new one.
    """
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
    """Return the Content-Security-Policy of a page. Each directive allows only what the arguments name."""
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
    policy = "; ".join(f"{name} {' '.join(sources or CSP_NONE)}" for name, sources in directives.items())
    return {"content-security-policy": policy}
