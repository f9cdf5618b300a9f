"""The composition root: `create_app(settings)` connects adapters, use cases and endpoints."""

import contextlib
import os
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from donation_card import __version__
from donation_card.adapters.campaign_files.loader import FIRST
from donation_card.adapters.memory_rate_limiter import MemoryRateLimiter
from donation_card.adapters.page_folder import StaticPageFolder
from donation_card.adapters.pictures.store import PictureStore
from donation_card.adapters.proof_of_work import ProofOfWork
from donation_card.adapters.redis.connection import create_connection
from donation_card.adapters.redis.form_sessions import RedisFormSessionStore
from donation_card.adapters.redis.rate_limiter import LIMITS_TIMEOUT, RedisRateLimiter
from donation_card.adapters.tokens import SignedTokens
from donation_card.application.checkout import Checkout
from donation_card.application.counter_export import CounterExport
from donation_card.application.form_sessions import FormSessions
from donation_card.application.health import Health
from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.public_progress import PublicProgress
from donation_card.application.reconciliation import Reconciliation
from donation_card.application.session_limits import Budgets, SessionLimits
from donation_card.application.session_reader import SessionReader
from donation_card.application.stripe_account import StripeAccount
from donation_card.application.webhook_handler import WebhookHandler
from donation_card.background_tasks import BackgroundTasks
from donation_card.errors import DonationCardError
from donation_card.observability import logs, metrics, tracing
from donation_card.settings import Settings, from_environment
from donation_card.use_cases import campaign_files, redis_totals_store, stripe_payments, utc_now
from donation_card.web.api.campaigns import CampaignEndpoints
from donation_card.web.api.challenge import ChallengeEndpoint
from donation_card.web.api.checkout_sessions import CheckoutEndpoints
from donation_card.web.api.health import Readiness
from donation_card.web.api.metrics import MetricsEndpoint
from donation_card.web.api.picture import PictureEndpoint
from donation_card.web.api.stripe_webhook import WebhookEndpoint
from donation_card.web.assets import Assets
from donation_card.web.campaign_refresh import CampaignRefresh
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.fallback_pages import FallbackPages
from donation_card.web.http.bearer_auth import BearerAuth
from donation_card.web.http.response_cache import ResponseCache
from donation_card.web.middleware.cached_responses import CachedResponseMiddleware
from donation_card.web.middleware.public_url import PublicURLMiddleware
from donation_card.web.middleware.request_id import RequestIDMiddleware, RequestIds
from donation_card.web.middleware.security_headers import SecurityHeadersMiddleware
from donation_card.web.pages.campaign import CampaignPages
from donation_card.web.pages.embed import EmbedEndpoints
from donation_card.web.pages.give import GivePage
from donation_card.web.pages.site_total import SiteTotalEndpoints
from donation_card.web.pages.thanks import ThanksPage
from donation_card.web.pages.transfer import TransferPage
from donation_card.web.presentation.giving_page_renderer import GivingPageRenderer
from donation_card.web.presentation.page_renderer import PageRenderer
from donation_card.web.presentation.templates import Templates
from donation_card.web.problems import Problems
from donation_card.web.routes import routes


def create_app(settings: Settings, campaigns: Campaigns | None = None) -> ASGIApp:
    """Return the application of one worker. Raise ConfigurationError with every fault of the campaign files.

    `campaigns`: those that were loaded already.
    """
    metrics.configure_metrics()
    record_span, end_tracing = tracing.configure_tracing(settings.otlp_endpoint, __version__)

    # adapters
    campaigns = campaigns or campaign_files(settings, first=FIRST)
    payments, totals_store = stripe_payments(settings), redis_totals_store(settings)
    pictures = PictureStore(settings.picture_cache_dir)
    limits_connection = create_connection(settings.redis_url, deadline=LIMITS_TIMEOUT, connections=8)
    limiter, form_store = RedisRateLimiter(limits_connection), RedisFormSessionStore(limits_connection)
    tokens, challenges = SignedTokens(settings.secret_keys), ProofOfWork(settings.secret_keys)

    # use cases
    budgets, workers = Budgets.from_stripe_limit(settings.stripe_rate_limit), settings.workers * settings.instances
    account = StripeAccount(payments, totals_store)
    progress = PublicProgress(account, campaigns, totals_store, utc_now, settings.publication_key)
    session_limits = SessionLimits(account, limiter, MemoryRateLimiter(), challenges, budgets, workers)
    form_sessions = FormSessions(account, form_store, tokens)
    recorder = PaymentRecorder(account, campaigns, totals_store, payments)
    webhook_handler = WebhookHandler(account, payments, recorder, session_limits, utc_now)
    session_reader = SessionReader(payments, recorder, budgets.reads, workers)
    checkout = Checkout(campaigns, progress, payments, tokens, session_limits, form_sessions, recorder)
    reconciliation = Reconciliation(account, campaigns, totals_store, payments, recorder, progress, utc_now)
    export = CounterExport(campaigns, utc_now)
    metrics.on_count(export.renew_if_due)

    # responses
    response_cache = ResponseCache()
    assets = Assets(response_cache)
    templates = Templates(settings, assets)
    pages, giving_pages = PageRenderer(templates), GivingPageRenderer(templates)
    responses = CampaignResponseCache(campaigns, progress, pages, response_cache, pictures)
    campaign_refresh = CampaignRefresh(campaigns, progress, responses)
    page_folder = StaticPageFolder(settings.fallback_pages_dir) if settings.fallback_pages_dir else None
    fallback_pages = FallbackPages(campaigns, progress, giving_pages, page_folder)
    problems = Problems(giving_pages, campaigns, progress)

    # the worker itself
    background_tasks = BackgroundTasks(
        campaigns, totals_store, reconciliation, session_limits, campaign_refresh, export, pictures, fallback_pages
    )
    health = Health(
        campaigns, progress, reconciliation, checkout, background_tasks.errors, utc_now, lambda: fallback_pages.error
    )
    operator = BearerAuth(settings.metrics_tokens)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            async with background_tasks.running():
                yield
        finally:
            for connection in (limiter, totals_store, payments):
                await connection.close()
            end_tracing()
            logs.flush_logs()  # a signal ends the worker right after this

    app: ASGIApp = Starlette(
        routes=routes(
            CampaignEndpoints(campaigns, campaign_refresh, responses),
            PictureEndpoint(campaigns, pictures),
            CheckoutEndpoints(checkout, session_reader, campaigns, progress, tokens, giving_pages, settings.public_url),
            ChallengeEndpoint(session_limits),
            WebhookEndpoint(webhook_handler),
            CampaignPages(campaigns, campaign_refresh, responses),
            GivePage(campaigns, progress, tokens, giving_pages),
            TransferPage(campaigns, progress, giving_pages),
            ThanksPage(session_reader, campaigns, progress, tokens, giving_pages),
            SiteTotalEndpoints(campaigns, responses, pages),
            EmbedEndpoints(campaigns, pages),
            Readiness(health, session_limits, operator),
            MetricsEndpoint(operator, health.gauges, export),
            assets,
            record_span,
        ),
        exception_handlers={
            DonationCardError: problems.expected,
            HTTPException: problems.http,
            Exception: problems.unexpected,
        },
        lifespan=lifespan,
    )
    request_ids = RequestIds(settings.forwarded_allow_ips)
    middleware = [
        Middleware(CachedResponseMiddleware, response_cache, request_ids),
        Middleware(RequestIDMiddleware, request_ids),
        Middleware(ProxyHeadersMiddleware, settings.forwarded_allow_ips),
        Middleware(SecurityHeadersMiddleware),
        Middleware(PublicURLMiddleware, settings.public_url),
    ]
    for layer, arguments, options in reversed(middleware):
        app = layer(app, *arguments, **options)
    return app


def worker() -> ASGIApp:
    """Return the application of one worker process of `donation-card serve`."""
    settings = from_environment(os.environ)
    logs.configure_logs(settings.log_level)
    return create_app(settings)
