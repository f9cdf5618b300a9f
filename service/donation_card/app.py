"""The composition root: `create_app(settings)` puts the real parts together; others come in by keyword."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from donation_card import __version__
from donation_card.adapters.campaign_files.loader import CampaignFiles
from donation_card.adapters.memory_rate_limiter import MemoryRateLimiter
from donation_card.adapters.proof_of_work import ProofOfWork
from donation_card.adapters.redis.rate_limiter import RedisRateLimiter
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.adapters.tokens import SignedTokens
from donation_card.application.checkout import Checkout
from donation_card.application.donations import Donations
from donation_card.application.form_sessions import FormSessions
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.payments import Payments
from donation_card.application.ports.totals import TotalsStore
from donation_card.application.session_limits import Budgets, SessionLimits
from donation_card.background_tasks import BackgroundTasks
from donation_card.errors import DonationCardError
from donation_card.observability.logs import configure_logs, flush_logs
from donation_card.observability.metrics import configure_metrics
from donation_card.observability.tracing import configure_tracing
from donation_card.settings import Settings, from_environment
from donation_card.web.api import stripe_webhook
from donation_card.web.api.campaigns import CampaignResponseCache
from donation_card.web.api.health import BearerAuth, Readiness
from donation_card.web.api.metrics import MetricsEndpoint, RouteMetricsMiddleware
from donation_card.web.api.stripe_webhook import WebhookEndpoint
from donation_card.web.assets import Assets
from donation_card.web.http.cached_response import CachedResponseMiddleware, ReadCounter
from donation_card.web.http.headers import PublicURLMiddleware, SecurityHeadersMiddleware
from donation_card.web.middleware.request_id import RequestIDMiddleware, RequestIds
from donation_card.web.pages.campaign import PageRenderer
from donation_card.web.problems import Problems
from donation_card.web.routes import routes


class Service(Starlette):
    """An application with what stands `around` even its own handling of errors."""

    def __init__(self, around: Callable[[ASGIApp], CachedResponseMiddleware], **parts: Any) -> None:
        super().__init__(**parts)
        self._around = around

    def build_middleware_stack(self) -> ASGIApp:
        prepared = self._around(super().build_middleware_stack())
        self.by_heart = prepared.raw_response  # for `donation_card.server.http_protocol`
        return prepared


def create_app(
    settings: Settings,
    *,
    campaigns: Campaigns | None = None,
    ledger: TotalsStore | None = None,
    payments: Payments | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """Raises Misconfigured, with every fault, when a campaign file is wrong."""
    configure_metrics()
    files = campaigns or CampaignFiles(settings.campaigns_dir, publication_every=settings.demo_publication_interval)
    stripe = payments or stripe_payments(settings)
    donations = Donations(files, ledger or redis_ledger(settings), stripe, clock)
    shared = RedisRateLimiter(settings.redis_url)
    tokens = SignedTokens(settings.secret_keys)
    admission = SessionLimits(
        donations,
        shared,
        MemoryRateLimiter(),
        ProofOfWork(settings.secret_keys),
        Budgets.from_stripe_limit(settings.stripe_rate_limit),
        settings.workers,
    )
    donations.on_event = admission.record_signal
    checkout = Checkout(donations, stripe, tokens, admission, FormSessions(donations, shared, tokens))
    assets = Assets()
    pages = PageRenderer(settings, assets)
    response_cache = CampaignResponseCache(donations, pages, assets.responses)
    tally = ReadCounter()
    upkeep = BackgroundTasks(donations, response_cache, admission, tally)
    problems = Problems(pages)
    webhook = RouteMetricsMiddleware(WebhookEndpoint(donations, problems.expected), stripe_webhook.PATH)
    operator = BearerAuth(settings.metrics_tokens)
    metrics = MetricsEndpoint(operator, lambda: upkeep.gauges(reasons()))

    def reasons() -> dict[str, str | None]:
        return upkeep.readiness() | {"payments": checkout.key_error}

    readiness = Readiness(reasons, upkeep.ages, operator, lambda: str(admission.attack_status))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with upkeep.lifespan(app):
            yield
        end_tracing()
        flush_logs()  # the signal that ends a worker leaves no time for it

    ids = RequestIds(settings.forwarded_allow_ips)
    span, end_tracing = configure_tracing(settings.otlp_endpoint, __version__)

    def around(app: ASGIApp) -> CachedResponseMiddleware:
        behind_proxies = ProxyHeadersMiddleware(app, settings.forwarded_allow_ips)  # type: ignore[arg-type]
        return CachedResponseMiddleware(
            RequestIDMiddleware(cast(ASGIApp, behind_proxies), ids, span),
            answers=assets.responses,
            posts={stripe_webhook.PATH: RequestIDMiddleware(webhook, ids, span)},
            ids=ids,
            tally=tally,
        )

    return Service(
        around,
        routes=routes(checkout, response_cache, pages, webhook, metrics, settings.public_url, readiness, assets),
        middleware=[
            Middleware(SecurityHeadersMiddleware),
            Middleware(PublicURLMiddleware, public_url=settings.public_url),
        ],
        exception_handlers={
            DonationCardError: problems.expected,
            HTTPException: problems.http,
            Exception: problems.unexpected,
        },
        lifespan=lifespan,
    )


def stripe_payments(settings: Settings) -> StripePayments:
    return StripePayments(
        settings.stripe_secret_key, settings.stripe_webhook_secrets, api_base=settings.stripe_api_base
    )


def redis_ledger(settings: Settings) -> RedisTotalsStore:
    return RedisTotalsStore(settings.redis_url, replicas=settings.redis_min_replicas_ack)


def worker() -> Starlette:
    """What `serve` runs in each worker process."""
    settings = from_environment(os.environ)
    configure_logs(settings.log_level)
    return create_app(settings)
