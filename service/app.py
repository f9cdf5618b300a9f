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

from service import __version__
from service.adapters.campaign_files import CampaignFiles
from service.adapters.memory_limits import MemoryLimits
from service.adapters.proof_of_work import ProofOfWork
from service.adapters.redis_ledger import RedisLedger
from service.adapters.redis_limits import RedisLimits
from service.adapters.stripe_payments import StripePayments
from service.adapters.tokens import SignedTokens
from service.admission import Admission, Budgets
from service.checkout import Checkout
from service.donations import Donations
from service.errors import DonationCardError
from service.intentions import Intentions
from service.logs import configure_logs, flush_logs
from service.ports import Campaigns, Ledger, Payments
from service.settings import Settings, from_environment
from service.tracing import spans
from service.upkeep import Upkeep
from service.web import stripe_webhook
from service.web.answers import Prepared, Tally
from service.web.campaigns import Board
from service.web.headers import OneAddress, SafeByDefault
from service.web.health import Operator, Readiness
from service.web.metrics import MetricsEndpoint, Timed
from service.web.pages import Pages
from service.web.problems import Problems
from service.web.request_ids import Named, RequestIds
from service.web.routes import routes
from service.web.stripe_webhook import WebhookEndpoint
from service.web.widget import Assets


class Service(Starlette):
    """An application with what stands `around` even its own handling of errors."""

    def __init__(self, around: Callable[[ASGIApp], Prepared], **parts: Any) -> None:
        super().__init__(**parts)
        self._around = around

    def build_middleware_stack(self) -> ASGIApp:
        prepared = self._around(super().build_middleware_stack())
        self.by_heart = prepared.by_heart  # for `service.protocol`
        return prepared


def create_app(
    settings: Settings,
    *,
    campaigns: Campaigns | None = None,
    ledger: Ledger | None = None,
    payments: Payments | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """Raises Misconfigured, with every fault, when a campaign file is wrong."""
    files = campaigns or CampaignFiles(settings.campaigns, publication_every=settings.publication_every)
    stripe = payments or stripe_payments(settings)
    donations = Donations(files, ledger or redis_ledger(settings), stripe, clock)
    shared = RedisLimits(settings.redis_url)
    tokens = SignedTokens(settings.secret_keys)
    admission = Admission(
        donations,
        shared,
        MemoryLimits(),
        ProofOfWork(settings.secret_keys),
        Budgets.under(settings.stripe_rate),
        settings.workers,
    )
    donations.heard = admission.hear
    checkout = Checkout(donations, stripe, tokens, admission, Intentions(donations, shared, tokens))
    assets = Assets()
    pages = Pages(settings, assets)
    board = Board(donations, pages, assets.ready)
    tally = Tally()
    upkeep = Upkeep(donations, board, admission, tally)
    problems = Problems(pages)
    webhook = Timed(WebhookEndpoint(donations, problems.expected), stripe_webhook.PATH)
    operator = Operator(settings.metrics_tokens)
    metrics = MetricsEndpoint(operator, lambda: upkeep.gauges(reasons()))

    def reasons() -> dict[str, str | None]:
        return upkeep.reasons() | {"payments": checkout.refused}

    readiness = Readiness(reasons, upkeep.ages, operator, lambda: str(admission.mode))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with upkeep.lifespan(app):
            yield
        end_tracing()
        flush_logs()  # the signal that ends a worker leaves no time for it

    ids = RequestIds(settings.forwarded_allow_ips)
    span, end_tracing = spans(settings.otlp_endpoint, __version__)

    def around(app: ASGIApp) -> Prepared:
        behind_proxies = ProxyHeadersMiddleware(app, settings.forwarded_allow_ips)  # type: ignore[arg-type]
        return Prepared(
            Named(cast(ASGIApp, behind_proxies), ids, span),
            answers=assets.ready,
            posts={stripe_webhook.PATH: Named(webhook, ids, span)},
            ids=ids,
            tally=tally,
        )

    return Service(
        around,
        routes=routes(checkout, board, pages, webhook, metrics, settings.public_url, readiness, assets),
        middleware=[Middleware(SafeByDefault), Middleware(OneAddress, public_url=settings.public_url)],
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


def redis_ledger(settings: Settings) -> RedisLedger:
    return RedisLedger(settings.redis_url, replicas=settings.redis_replicas)


def worker() -> Starlette:
    """What `serve` runs in each worker process."""
    settings = from_environment(os.environ)
    configure_logs(settings.log_level)
    return create_app(settings)
