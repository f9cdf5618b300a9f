"""List every route of the service. `openapi.yaml` describes their responses."""

from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Route

from donation_card.observability.tracing import SpanRecorder
from donation_card.resources import resource_path
from donation_card.web.api import health, stripe_webhook
from donation_card.web.api.campaigns import CampaignEndpoints
from donation_card.web.api.challenge import ChallengeEndpoint
from donation_card.web.api.checkout_sessions import CheckoutEndpoints
from donation_card.web.api.health import Readiness
from donation_card.web.api.metrics import MetricsEndpoint
from donation_card.web.api.picture import PictureEndpoint
from donation_card.web.api.stripe_webhook import WebhookEndpoint
from donation_card.web.assets import CARD_PATH, SOURCE_PATH, Assets
from donation_card.web.campaign_responses import IMAGES
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.headers import cache_control
from donation_card.web.middleware.route_metrics import RouteMetricsMiddleware
from donation_card.web.pages.campaign import CampaignPages
from donation_card.web.pages.embed import EmbedEndpoints
from donation_card.web.pages.give import GivePage
from donation_card.web.pages.site_total import SiteTotalEndpoints
from donation_card.web.pages.thanks import ThanksPage
from donation_card.web.pages.transfer import TransferPage


def routes(
    campaigns: CampaignEndpoints,
    picture: PictureEndpoint,
    checkout_sessions: CheckoutEndpoints,
    challenge: ChallengeEndpoint,
    webhook: WebhookEndpoint,
    pages: CampaignPages,
    give: GivePage,
    transfer: TransferPage,
    thanks: ThanksPage,
    sites: SiteTotalEndpoints,
    embed: EmbedEndpoints,
    readiness: Readiness,
    metrics: MetricsEndpoint,
    assets: Assets,
    record_span: SpanRecorder | None,
) -> list[Route]:
    table: list[tuple[str, str, Any]] = [
        ("GET", "/v1/campaigns/{id}", campaigns.show),
        ("GET", "/v1/campaigns/{id}/progress", campaigns.progress),
        ("GET", "/v1/campaigns/{id}/spending", campaigns.spending),
        ("POST", "/v1/checkout-sessions", checkout_sessions.create),
        ("GET", "/v1/checkout-sessions/{session_token}", checkout_sessions.status),
        ("GET", "/v1/challenge", challenge.make),
        ("POST", stripe_webhook.PATH, webhook.receive),
        ("GET", "/healthz", health.liveness),
        ("GET", "/readyz", readiness.show),
        ("GET", "/metrics", metrics.show),
        ("GET", CARD_PATH, assets.file),
        ("GET", f"{SOURCE_PATH}/{{name}}", assets.file),
        ("GET", "/widget/{hash}/donation-card.js", assets.file),
        ("GET", "/static/{hash}/{name}", assets.file),
        ("GET", "/", pages.list_page),
        ("GET", "/c/{id}", pages.show),
        ("GET", "/c/{id}/give", give.show),
        ("GET", "/c/{id}/transfer", transfer.show),
        ("GET", "/c/{id}/transfer.svg", transfer.code),
        ("GET", "/c/{id}/thanks", thanks.show),
        ("GET", "/c/{id}/frame", embed.frame),
        ("GET", "/c/{id}/embed", embed.embed_code),
        ("GET", "/v1/campaigns/{id}/sites/{host}", sites.show),
        ("GET", "/c/{id}/sites/{host}", sites.page),
        ("POST", "/c/{id}/sites/{host}", sites.submit),
        ("GET", "/c/{id}/sites/{host}/badge.svg", sites.badge),
        ("GET", "/c/{id}/updates.atom", campaigns.feed),
        ("GET", "/c/{id}/qr.svg", embed.qr),
        *(("GET", f"/c/{{id}}/{name}", campaigns.picture) for name in IMAGES),
        ("GET", "/pictures/{name}", picture.show),
        ("GET", "/oembed", embed.oembed),
    ]
    return [
        *(
            Route(path, endpoint, methods=[method], middleware=[Middleware(RouteMetricsMiddleware, path, record_span)])
            for method, path, endpoint in table
        ),
        Route("/openapi.yaml", _contract(), methods=["GET"]),
    ]


def _contract() -> CachedResponse:
    contract = resource_path("openapi.yaml").read_bytes()
    return CachedResponse(contract, "application/yaml", cache_control(300, revalidate=False))
