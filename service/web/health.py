"""Health: `/healthz` says the process answers; `/readyz` says what each part can do, from what is known already."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service import __version__
from service.web.headers import NO_STORE

Reasons = Callable[[], dict[str, str | None]]
"""A part's name → why it is not ready, None where it is."""

Ages = Callable[[], dict[str, int | None]]
"""A part's name → seconds since it last did its work, None where it never has."""


class Operator:
    """Who may see what tells gifts apart by their time: whoever bears `token`; without one, nobody."""

    def __init__(self, token: str | None) -> None:
        self._expected = f"Bearer {token}".encode() if token else None

    def asks(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode("latin-1")
        return self._expected is not None and hmac.compare_digest(given, self._expected)


async def alive(_: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__}, 200, NO_STORE)


class Readiness:
    """`ages` of what everybody may know, `private` ones for the operator."""

    def __init__(self, reasons: Reasons, ages: Ages, private: Ages, operator: Operator) -> None:
        self.reasons, self.ages, self.private, self.operator = reasons, ages, private, operator

    async def show(self, request: Request) -> Response:
        reasons, ages = self.reasons(), self.ages()
        if self.operator.asks(request):
            ages |= self.private()
        parts = {
            name: {"ready": not reasons.get(name)}
            | ({"reason": reason} if (reason := reasons.get(name)) else {})
            | ({"age": ages[name]} if name in ages else {})
            for name in reasons | ages
        }
        ready = not any(reasons.values())
        return JSONResponse({"ready": ready, "parts": parts}, 200 if ready else 503, NO_STORE)
