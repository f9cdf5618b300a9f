"""Give each contract test the adapter and the fake in turn."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from donation_card.adapters.campaign_files.loader import CampaignFiles, read_campaign
from donation_card.adapters.redis.connection import create_connection
from donation_card.adapters.redis.form_sessions import RedisFormSessionStore
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.adapters.tokens import SignedTokens
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.limits import FormSessionStore, RateLimiter
from donation_card.application.ports.tokens import Tokens
from donation_card.application.ports.totals import TotalsStore

from tests.support.fakes import FakeCampaigns, FakeFormSessionStore, FakeRateLimiter, FakeTokens, FakeTotalsStore
from tests.support.lua_redis import MemoryConnection, MemoryServer
from tests.support.redis_stores import rate_limiter, totals_store
from tests.support.sandbox import Sandbox, sandbox_with

ROOF = Path("tests/support/roof.toml")


@pytest.fixture(params=["redis", "memory", "fake"])
async def store(request: pytest.FixtureRequest, redis_url: str, anyio_backend: str) -> AsyncIterator[TotalsStore]:
    """Return the adapter on a server, on `memory_redis.lua`, and the fake."""
    store: RedisTotalsStore | FakeTotalsStore
    if request.param == "fake":
        store = FakeTotalsStore()
    elif request.param == "memory":
        store = RedisTotalsStore(MemoryConnection(MemoryServer(time.time)))
    else:
        store = totals_store(redis_url, deadline=10)
    yield store
    await store.close()


@pytest.fixture(params=["redis", "fake"])
async def limiter(request: pytest.FixtureRequest, redis_url: str, anyio_backend: str) -> AsyncIterator[RateLimiter]:
    if request.param == "redis":
        limiter: RateLimiter = rate_limiter(redis_url, deadline=10)
    else:
        limiter = FakeRateLimiter(lambda: time.time_ns() // 1_000_000)
    yield limiter
    await limiter.close()


@pytest.fixture(params=["redis", "fake"])
async def forms(request: pytest.FixtureRequest, redis_url: str, anyio_backend: str) -> AsyncIterator[FormSessionStore]:
    if request.param == "fake":
        yield FakeFormSessionStore()
        return
    connection = create_connection(redis_url, deadline=10)
    yield RedisFormSessionStore(connection)
    await connection.close()


@pytest.fixture(params=["signed", "fake"])
def tokens(request: pytest.FixtureRequest) -> Tokens:
    return SignedTokens(["0123456789abcdef" * 2]) if request.param == "signed" else FakeTokens()


@pytest.fixture(params=["files", "fake"])
def campaigns(request: pytest.FixtureRequest, sample_campaign: Path) -> Campaigns:
    """The campaigns `roof`, and `well`, which is hidden."""
    text = ROOF.read_text("utf-8")
    (sample_campaign / "well.toml").write_text(text.replace('status = "open"', 'status = "hidden"'), "utf-8")
    if request.param == "files":
        return CampaignFiles(sample_campaign)
    roof = read_campaign(sample_campaign / "roof.toml")
    return FakeCampaigns(roof, replace(read_campaign(sample_campaign / "well.toml"), id="well"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_with(clock=time.time) as running:
        yield running
