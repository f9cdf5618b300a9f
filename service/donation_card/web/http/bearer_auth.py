"""Check the operator's token (RFC 6750)."""

import hmac
from collections.abc import Sequence

from starlette.requests import Request


class BearerAuth:
    """Authorize requests with one of `tokens`. Without tokens, authorize none."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._expected = [f"Bearer {token}".encode() for token in tokens]

    def is_authorized(self, request: Request) -> bool:
        """Return True if the header Authorization has a valid token. The comparison takes constant time."""
        given = request.headers.get("authorization", "").encode("latin-1")
        return any(hmac.compare_digest(given, expected) for expected in self._expected)
