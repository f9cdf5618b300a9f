"""Close Stripe's door: an ASGI middleware in front of the sandbox."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import JSONResponse


class StripeGate:
    """Let requests pass, or hang, or refuse them. `wrap` fits `between` of an installation."""

    def __init__(self) -> None:
        self._mode, self._app = "open", None

    def wrap(self, app: Any) -> StripeGate:
        self._app = app
        return self

    def close(self, mode: str) -> None:
        self._mode = mode

    def open(self) -> None:
        self._mode = "open"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while self._mode == "hang" and scope["type"] == "http":
            await asyncio.sleep(0.1)
        if self._mode == "refuse" and scope["type"] == "http":
            await JSONResponse({"error": {"type": "api_error", "message": "refused"}}, 500)(scope, receive, send)
        else:
            assert self._app is not None
            await self._app(scope, receive, send)
