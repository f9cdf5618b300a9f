"""The contracts of the rate limiter and the form session store."""

from __future__ import annotations

import pytest
from donation_card.application.ports.limits import FormSessionStore, LimitDecision, RateLimiter
from donation_card.application.ports.payments import Account
from donation_card.domain.attack_detection import Signals
from donation_card.domain.rate_limits import Bucket, Rate

from tests.support.accounts import new_account

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000
ONE = Bucket("one", Rate(HOUR_MS, 1))
TWO = Bucket("two", Rate(HOUR_MS, 2))


async def test_all_buckets_are_charged_or_none(limiter: RateLimiter, account: Account) -> None:
    assert (await limiter.acquire(account, [ONE, TWO])).decision is LimitDecision.ALLOWED
    limited = await limiter.acquire(account, [ONE, TWO])
    assert limited.decision is LimitDecision.LIMITED
    assert HOUR_MS - 60_000 < limited.retry_after_ms <= HOUR_MS
    assert (await limiter.acquire(account, [TWO])).decision is LimitDecision.ALLOWED
    assert (await limiter.acquire(account, [TWO])).decision is LimitDecision.LIMITED


async def test_accounts_have_separate_buckets(limiter: RateLimiter, account: Account) -> None:
    assert (await limiter.acquire(account, [ONE])).decision is LimitDecision.ALLOWED
    assert (await limiter.acquire(new_account(), [ONE])).decision is LimitDecision.ALLOWED


async def test_value_is_consumed_once_and_a_replay_is_free(limiter: RateLimiter, account: Account) -> None:
    assert (await limiter.acquire(account, [TWO], consume_once="proof")).decision is LimitDecision.ALLOWED
    assert (await limiter.acquire(account, [TWO], consume_once="proof")).decision is LimitDecision.REPLAYED
    assert (await limiter.acquire(account, [TWO])).decision is LimitDecision.ALLOWED


async def test_limited_value_is_not_consumed(limiter: RateLimiter, account: Account) -> None:
    await limiter.acquire(account, [ONE])
    assert (await limiter.acquire(account, [ONE], consume_once="proof")).decision is LimitDecision.LIMITED
    assert (await limiter.acquire(account, [], consume_once="proof")).decision is LimitDecision.ALLOWED


async def test_declined_cards_raise_the_attack_status(limiter: RateLimiter, account: Account) -> None:
    assert (await limiter.acquire(account, ())).attack_status.effective_level == 0
    assert (await limiter.acquire(account, (), signals=Signals(declined=20))).attack_status.effective_level == 1
    await limiter.set_override(account, "off")
    assert (await limiter.acquire(account, ())).attack_status.effective_level == 0
    await limiter.set_override(account, "")
    assert (await limiter.acquire(account, ())).attack_status.effective_level == 1


async def test_form_allows_a_number_of_different_orders(forms: FormSessionStore, account: Account) -> None:
    assert await forms.begin_order(account, "form", "25", 2) == ""
    assert await forms.begin_order(account, "form", "25", 2) == "", "a repeated order is not counted"
    assert await forms.begin_order(account, "form", "30", 2) == ""
    assert await forms.begin_order(account, "form", "35", 2) is None
    assert await forms.begin_order(account, "another", "35", 2) == ""
    assert await forms.begin_order(new_account(), "form", "35", 2) == ""


async def test_form_returns_its_latest_session(forms: FormSessionStore, account: Account) -> None:
    await forms.begin_order(account, "form", "25", 2)
    assert await forms.record_session(account, "form", "first") == ""
    assert await forms.begin_order(account, "form", "30", 2) == "first"
    assert await forms.record_session(account, "form", "second") == "first"
    assert await forms.begin_order(account, "form", "25", 2) == "second"
