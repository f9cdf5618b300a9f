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
    """Run the tests on each of them."""
    with topology(request.param, tmp_path_factory.mktemp(request.param.replace(" ", "-"))) as found:
        yield found


@pytest.fixture(scope="session")
def connect(place: Topology) -> Connect:
    """Create stores with a long deadline, because other tests check the deadline."""
    return partial(totals_store, place.url, replicas=place.replicas, deadline=10)


@pytest.fixture
async def store(connect: Connect, anyio_backend: str) -> AsyncIterator[RedisTotalsStore]:
    store = connect()
    yield store
    await store.close()


@pytest.fixture
def raw(place: Topology) -> Redis:
    """Return a client of the shared server that sees all keys."""
    return place.raw


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """Run a server that a test may stop, empty or fill."""
    with EmbeddedValkey(tmp_path) as server:
        yield server


@pytest.fixture
def raw_server(server: EmbeddedValkey) -> Iterator[Redis]:
    with Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
async def fragile(server: EmbeddedValkey, anyio_backend: str) -> AsyncIterator[RedisTotalsStore]:
    """Return a store on `server` with a short deadline."""
    store = totals_store(server.url, deadline=0.3)
    yield store
    await store.close()
