"""A ledger on the real server: each test has a Stripe account of its own, and those that break servers a server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from service.adapters.embedded_valkey import EmbeddedValkey
from service.adapters.redis_ledger import RedisLedger
from service.ports import Account

_numbers = itertools.count()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def account() -> Account:
    return new_account()


def new_account() -> Account:
    return Account(f"acct_{next(_numbers)}", livemode=False)


@pytest.fixture
async def ledger(redis_url: str, anyio_backend: str) -> AsyncIterator[RedisLedger]:
    ledger = RedisLedger(redis_url)
    yield ledger
    await ledger.close()


@pytest.fixture
def raw(redis_url: str) -> Iterator[Redis]:
    """The shared server as a bystander sees it."""
    with Redis.from_url(redis_url) as client:
        yield client


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
async def fragile(server: EmbeddedValkey, anyio_backend: str) -> AsyncIterator[RedisLedger]:
    """A ledger on `server` that has little patience."""
    ledger = RedisLedger(server.url, deadline=0.3)
    yield ledger
    await ledger.close()
