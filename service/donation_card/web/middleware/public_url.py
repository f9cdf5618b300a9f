"""Replace the address in the request by `PUBLIC_URL`."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send


class PublicURLMiddleware:
    """Pure ASGI middleware: set scheme and Host of each request to those of `PUBLIC_URL`.

    Starlette builds redirects from Host. A Host or X-Forwarded-Proto that a client chose could lead a donor to another
    site (OWASP WSTG-INPV-17).
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
