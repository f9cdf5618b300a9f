"""Serve `/healthz` (the process answers) and `/readyz` (each component can do its work, as far as is known)."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from donation_card import __version__
from donation_card.application.health import Health
from donation_card.application.session_limits import SessionLimits
from donation_card.domain.attack_detection import MAX_LEVEL
from donation_card.web.http.bearer_auth import BearerAuth
from donation_card.web.http.headers import NO_STORE
from donation_card.web.presentation import documents


async def liveness(_: Request) -> Response:
    """Respond while the process can."""
    return JSONResponse(documents.Liveness(status="ok", version=__version__), 200, NO_STORE)


class Readiness:
    """`/readyz`. Ages are for operators. An attack or a warning is no reason to be unready."""

    def __init__(self, health: Health, session_limits: SessionLimits, operator: BearerAuth) -> None:
        self.health, self.session_limits, self.operator = health, session_limits, operator

    async def show(self, request: Request) -> Response:
        """Respond with 200 if every component is ready, else with 503."""
        reasons, ages = self.health.reasons(), self.health.ages() if self.operator.is_authorized(request) else {}
        components: dict[str, documents.ReadinessComponent] = {}
        for name, reason in reasons.items():
            components[name] = {"ready": not reason}
            if reason:
                components[name]["reason"] = reason
            if name in ages:
                components[name]["age_seconds"] = ages[name]
        attack = self.session_limits.attack_status
        document: documents.Readiness = {
            "ready": not any(reasons.values()),
            "components": components,
            "warnings": self.health.warnings(),
            "attack_mode": {
                "level": attack.effective_level,
                "max_level": MAX_LEVEL,
                "forced": bool(attack.override),
            },
        }
        return JSONResponse(document, 200 if document["ready"] else 503, NO_STORE)
