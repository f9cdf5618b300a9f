"""Provide Redis servers and totals stores. Each test has its own Stripe account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.demo.embedded_valkey import EmbeddedValkey
from redis import Redis

from tests.support.accounts import Connect
from tests.support.redis_servers import TOPOLOGIES, Topology, topology
from tests.support.redis_stores import totals_store


@pytest.fixture(scope="session", params=TOPOLOGIES)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    """The same tests run on each of them."""
    with topology(request.param, tmp_path_factory.mktemp(request.param.replace(" ", "-"))) as found:
        yield found


@pytest.fixture(scope="session")
def connect(place: Topology) -> Connect:
    """Patient: how long a server may take is another test's question."""
    return partial(totals_store, place.url, replicas=place.replicas, deadline=10)


@pytest.fixture
async def ledger(connect: Connect, anyio_backend: str) -> AsyncIterator[RedisTotalsStore]:
    ledger = connect()
    yield ledger
    await ledger.close()


@pytest.fixture
def raw(place: Topology) -> Redis:
    """The shared server as a bystander sees it."""
    return place.raw


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server to stop, wipe and starve."""
    with EmbeddedValkey(tmp_path) as server:
        yield server


@pytest.fixture
def raw_server(server: EmbeddedValkey) -> Iterator[Redis]:
    with Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
async def fragile(server: EmbeddedValkey, anyio_backend: str) -> AsyncIterator[RedisTotalsStore]:
    """A ledger on `server` that has little patience."""
    ledger = totals_store(server.url, deadline=0.3)
    yield ledger
    await ledger.close()
