"""The account is looked up once, and Redis remembers it."""

from __future__ import annotations

import pytest
from donation_card.application.stripe_account import StripeAccount
from donation_card.errors import PaymentsUnavailable

from tests.support.fakes import ACCOUNT
from tests.unit.application.conftest import Worker

pytestmark = pytest.mark.anyio


async def test_account_is_requested_once_and_stored(worker: Worker) -> None:
    assert [await worker.account.get(), await worker.account.get()] == [ACCOUNT, ACCOUNT]
    assert worker.payments.requests == ["account"]
    assert await worker.store.load_account("fingerprint") == ACCOUNT


async def test_account_without_redis(worker: Worker) -> None:
    worker.store.available = False
    assert await worker.account.get() == ACCOUNT


async def test_account_from_redis_while_stripe_is_unavailable(worker: Worker) -> None:
    await worker.account.get()
    worker.payments.error = PaymentsUnavailable()
    assert await StripeAccount(worker.payments, worker.store).get() == ACCOUNT


@pytest.mark.parametrize("available", [True, False])
async def test_account_is_unknown_without_stripe_and_redis(worker: Worker, available: bool) -> None:
    worker.payments.error, worker.store.available = PaymentsUnavailable(), available
    with pytest.raises(PaymentsUnavailable):
        await worker.account.get()
