"""Health: `/healthz` says the process answers; `/readyz` says what each part can do, from what is known already."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service import __version__
from service.web.headers import NO_STORE

Reasons = Callable[[], dict[str, str | None]]
"""A part's name → why it is not ready, None where it is."""


async def alive(_: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__}, 200, NO_STORE)


class Readiness:
    def __init__(self, reasons: Reasons) -> None:
        self.reasons = reasons

    async def show(self, _: Request) -> Response:
        reasons = self.reasons()
        ready = not any(reasons.values())
        parts = {
            name: {"ready": False, "reason": reason} if reason else {"ready": True} for name, reason in reasons.items()
        }
        return JSONResponse({"ready": ready, "parts": parts}, 200 if ready else 503, NO_STORE)
