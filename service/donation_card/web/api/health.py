"""Health: `/healthz` says the process answers; `/readyz` says what each part can do, from what is known already."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from donation_card import __version__
from donation_card.web.http.bearer_auth import BearerAuth
from donation_card.web.http.headers import NO_STORE

NotReadyReasons = Callable[[], dict[str, str | None]]
"""A part's name → why it is not ready, None where it is."""

Ages = Callable[[], dict[str, int | None]]
"""A part's name → seconds since it last did its work, None where it never has."""


async def liveness(_: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__}, 200, NO_STORE)


class Readiness:
    """`ages` are for the operator. `attack_mode` is told beside the parts: a service under attack is ready."""

    def __init__(
        self, reasons: NotReadyReasons, ages: Ages, operator: BearerAuth, attack_mode: Callable[[], str]
    ) -> None:
        self.reasons, self.ages, self.operator, self.attack_mode = reasons, ages, operator, attack_mode

    async def show(self, request: Request) -> Response:
        reasons, ages = self.reasons(), self.ages() if self.operator.is_authorized(request) else {}
        parts = {
            name: {"ready": not reasons.get(name)}
            | ({"reason": reason} if (reason := reasons.get(name)) else {})
            | ({"age": ages[name]} if name in ages else {})
            for name in reasons | ages
        }
        told = {"ready": not any(reasons.values()), "parts": parts, "attack_mode": self.attack_mode()}
        return JSONResponse(told, 200 if told["ready"] else 503, NO_STORE)
