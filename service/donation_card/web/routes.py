"""List every route of the service. `openapi.yaml` describes their responses."""

from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Route

from donation_card.resources import resource_path
from donation_card.web.api import health, stripe_webhook
from donation_card.web.api.campaigns import CampaignEndpoints
from donation_card.web.api.challenge import ChallengeEndpoint
from donation_card.web.api.checkout_sessions import CheckoutEndpoints
from donation_card.web.api.health import Readiness
from donation_card.web.api.metrics import MetricsEndpoint
from donation_card.web.api.stripe_webhook import WebhookEndpoint
from donation_card.web.assets import CARD_PATH, SOURCE_PATH, Assets
from donation_card.web.campaign_responses import IMAGES
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.headers import cache_control
from donation_card.web.middleware.route_metrics import RouteMetricsMiddleware
from donation_card.web.pages.campaign import CampaignPages
from donation_card.web.pages.embed import EmbedEndpoints
from donation_card.web.pages.give import GivePage
from donation_card.web.pages.thanks import ThanksPage


def routes(
    campaigns: CampaignEndpoints,
    checkout_sessions: CheckoutEndpoints,
    challenge: ChallengeEndpoint,
    webhook: WebhookEndpoint,
    pages: CampaignPages,
    give: GivePage,
    thanks: ThanksPage,
    embed: EmbedEndpoints,
    readiness: Readiness,
    metrics: MetricsEndpoint,
    assets: Assets,
) -> list[Route]:
    return [
        _get("/v1/campaigns/{id}", campaigns.show),
        _get("/v1/campaigns/{id}/progress", campaigns.progress),
        _route("/v1/checkout-sessions", checkout_sessions.create, "POST"),
        _get("/v1/checkout-sessions/{session_token}", checkout_sessions.status),
        _get("/v1/challenge", challenge.make),
        _route(stripe_webhook.PATH, webhook.receive, "POST"),
        _get("/healthz", health.liveness),
        _get("/readyz", readiness.show),
        _get("/metrics", metrics.show),
        _get(CARD_PATH, assets.file),
        _get(f"{SOURCE_PATH}/{{name}}", assets.file),
        _get("/widget/{hash}/donation-card.js", assets.file),
        _get("/static/{hash}/{name}", assets.file),
        _get("/", pages.list_all),
        _get("/c/{id}", pages.show),
        _get("/c/{id}/give", give.show),
        _get("/c/{id}/thanks", thanks.show),
        _get("/c/{id}/frame", embed.frame),
        _get("/c/{id}/embed", embed.embed_code),
        _get("/c/{id}/updates.atom", campaigns.feed),
        _get("/c/{id}/qr.svg", embed.qr),
        *(_get(f"/c/{{id}}/{name}", campaigns.picture) for name in IMAGES),
        _get("/oembed", embed.oembed),
        Route("/openapi.yaml", _contract(), methods=["GET"]),
    ]


def _get(path: str, endpoint: Any) -> Route:
    return _route(path, endpoint, "GET")


def _route(path: str, endpoint: Any, method: str) -> Route:
    return Route(path, endpoint, methods=[method], middleware=[Middleware(RouteMetricsMiddleware, route=path)])


def _contract() -> CachedResponse:
    return CachedResponse(
        resource_path("openapi.yaml").read_bytes(), "application/yaml", cache_control(300, revalidate=False)
    )
