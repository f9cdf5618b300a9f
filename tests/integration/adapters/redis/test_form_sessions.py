"""Test that all workers share the form sessions in Redis, and that a form expires in time."""

import pytest
from donation_card.adapters.redis.connection import create_connection
from donation_card.adapters.redis.form_sessions import RedisFormSessionStore
from donation_card.domain.lifetimes import SESSION_LIFETIME

pytestmark = pytest.mark.anyio
HOUR = 3_600_000


@pytest.fixture
async def connections(place, anyio_backend):
    pair = [create_connection(place.url, deadline=10) for _ in range(2)]
    yield pair
    for connection in pair:
        await connection.close()


@pytest.fixture
def forms(connections):
    return RedisFormSessionStore(connections[0])


@pytest.fixture
def forms_of_another_worker(connections):
    return RedisFormSessionStore(connections[1])


async def test_workers_share_orders_and_last_session_of_a_form(forms, forms_of_another_worker, account):
    other = forms_of_another_worker
    assert await forms.begin_order(account, "form", "25", 2) == ""
    assert await other.record_session(account, "form", "encrypted 1") == ""
    assert await forms.begin_order(account, "form", "30", 2) == "encrypted 1"
    assert await forms.record_session(account, "form", "encrypted 2") == "encrypted 1"
    assert await other.begin_order(account, "form", "25", 2) == "encrypted 2", "an order can be repeated"
    assert await other.begin_order(account, "form", "35", 2) is None
    assert await other.begin_order(account, "another", "35", 2) == ""


async def test_form_expires_at_the_full_hour_after_its_session(forms, account, raw):
    await forms.begin_order(account, "form", "25", 5)
    await forms.record_session(account, "form", "encrypted")
    name = f"donation-card:{{{account.id}/test}}:form:form"
    expires_at = raw.pexpiretime(name)
    assert expires_at % HOUR == 0
    assert SESSION_LIFETIME * 1_000 - 60_000 < raw.pttl(name) <= SESSION_LIFETIME * 1_000 + HOUR
