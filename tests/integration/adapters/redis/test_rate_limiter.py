"""Test that the limits in Redis follow the rule of the domain for all workers."""

import asyncio
import time

import pytest
from donation_card.adapters.memory_rate_limiter import MemoryRateLimiter
from donation_card.adapters.redis.keys import limits_key
from donation_card.adapters.redis.rate_limiter import USED_PROOF_TTL_MS
from donation_card.application.ports.limits import LimitDecision
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.attack_detection import (
    DECLINE_THRESHOLD,
    DEESCALATE_AFTER_MS,
    ESCALATE_AFTER_MS,
    MAX_LEVEL,
    NO_SIGNALS,
    QUIET_WINDOWS_TO_END,
    WINDOW_MS,
    AttackState,
    AttackStatus,
    Signals,
    next_state,
)
from donation_card.domain.rate_limits import Bucket, Rate, acquire_all
from donation_card.errors import TotalsUnavailable
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from tests.support.accounts import new_account
from tests.support.redis_stores import rate_limiter

pytestmark = pytest.mark.anyio
HOUR = 3_600_000
signals = st.builds(Signals, st.integers(0, 30), st.integers(0, 200), st.integers(0, 300))
slow = [Bucket("b", Rate(HOUR, 3))]


@pytest.fixture
async def limits(place, anyio_backend):
    limits = rate_limiter(place.url, deadline=10)
    yield limits
    await limits.close()


@pytest.fixture(params=["shared", "alone"])
async def either(request, redis_url, anyio_backend):
    """Give each test the limiter in Redis and the one in memory."""
    limits = rate_limiter(redis_url, deadline=10) if request.param == "shared" else MemoryRateLimiter()
    yield limits
    await limits.close()


async def test_bucket_allows_its_burst_then_gives_retry_time(either, account):
    for _ in range(3):
        assert (await either.acquire(account, slow)).decision is LimitDecision.ALLOWED
    refused = await either.acquire(account, slow)
    assert refused.decision is LimitDecision.LIMITED
    assert HOUR - 60_000 < refused.retry_after_ms <= HOUR


async def test_empty_bucket_leaves_the_others_unchanged(either, account):
    empty, other = Bucket("empty", Rate(HOUR, 1)), Bucket("other", Rate(HOUR, 1))
    assert (await either.acquire(account, [empty])).decision is LimitDecision.ALLOWED
    assert (await either.acquire(account, [empty, other])).decision is LimitDecision.LIMITED
    assert (await either.acquire(account, [other])).decision is LimitDecision.ALLOWED


async def test_replayed_proof_is_refused_and_takes_nothing(either, account):
    one = [Bucket("b", Rate(HOUR, 2))]
    assert (await either.acquire(account, one, consume_once="proof")).decision is LimitDecision.ALLOWED
    assert (await either.acquire(account, one, consume_once="proof")).decision is LimitDecision.REPLAYED
    assert (await either.acquire(account, one, consume_once="another")).decision is LimitDecision.ALLOWED


async def test_proof_without_room_is_not_spent(either, account):
    full, free = Bucket("full", Rate(HOUR, 1)), Bucket("free", Rate(HOUR, 1))
    await either.acquire(account, [full])
    assert (await either.acquire(account, [full], consume_once="proof")).decision is LimitDecision.LIMITED
    assert (await either.acquire(account, [free], consume_once="proof")).decision is LimitDecision.ALLOWED


async def test_accounts_share_no_limit(limits, account):
    await limits.acquire(account, slow, consume_once="proof", signals=Signals(declined=DECLINE_THRESHOLD))
    other = await limits.acquire(new_account(), slow, consume_once="proof")
    assert (other.decision, other.attack_status) == (LimitDecision.ALLOWED, AttackStatus())


async def test_two_workers_share_burst_and_spent_proofs(place, limits, account):
    other = rate_limiter(place.url, deadline=10)
    answers = await asyncio.gather(*(each.acquire(account, slow) for each in [limits, other] * 10))
    assert [each.decision for each in answers].count(LimitDecision.ALLOWED) == 3
    replays = await asyncio.gather(*(each.acquire(account, (), consume_once="proof") for each in [limits, other] * 10))
    assert [each.decision for each in replays].count(LimitDecision.ALLOWED) == 1
    await other.close()


async def test_attack_signals_reach_every_worker(place, limits, account):
    other = rate_limiter(place.url, deadline=10)
    for _ in range(DECLINE_THRESHOLD):
        await limits.acquire(account, (), signals=Signals(declined=1))
    assert (await other.acquire(account, ())).attack_status == AttackStatus(1)
    await other.close()


async def test_operator_forces_and_releases_attack_status(either, account):
    await either.set_override(account, "on")
    assert (await either.acquire(account, ())).attack_status == AttackStatus(0, "on")
    await either.set_override(account, "")
    assert (await either.acquire(account, ())).attack_status == AttackStatus()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, MAX_LEVEL),
    st.integers(0, 2 * WINDOW_MS),
    st.integers(0, QUIET_WINDOWS_TO_END),
    signals,
    signals,
)
def test_attack_script_equals_the_domain_rule(redis_url, level, age, calm, before, news):
    assume(all(abs(age - boundary) > 20_000 for boundary in (DEESCALATE_AFTER_MS, WINDOW_MS)))
    assume(level == 0 or age > ESCALATE_AFTER_MS + 20_000)

    async def judged():
        limits, account = rate_limiter(redis_url, deadline=10), new_account()
        key, now = f"donation-card:{{{account.id}/test}}:limits", time.time_ns() // 1_000_000
        fields = {"level": level, "window_start": now - age, "quiet_windows": calm}
        fields |= {name: getattr(before, name) for name in ("declined", "expired")}
        fields["proofs_rejected"] = before.proofs_rejected
        await limits._redis.execute("HSET", key, *(word for pair in fields.items() for word in pair))
        await limits.acquire(account, (), signals=news)
        names = ("level", "window_start", "quiet_windows", "declined", "expired", "proofs_rejected")
        held = [int(value) for value in await limits._redis.execute("HMGET", key, *names)]
        await limits.close()
        return now, AttackState(*held[:3], Signals(*held[3:]))

    now, found = asyncio.run(judged())
    total = before.proofs_rejected + news.proofs_rejected
    assume(abs(total * 1_000 - age) > 20_000)  # the server's clock goes on while it is asked
    wanted = next_state(AttackState(level, now - age, calm, before), news, now)
    assert (found.level, found.quiet_windows, found.signals) == (wanted.level, wanted.quiet_windows, wanted.signals)
    assert abs(found.window_start - wanted.window_start) < 20_000


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(100_000, HOUR), st.integers(1, 5), st.integers(-10, 10).map(lambda n: n * 500_000)),
        min_size=1,
        max_size=4,
    )
)
def test_limit_script_equals_the_domain_rule(redis_url, wanted):
    async def taken():
        limits, account = rate_limiter(redis_url, deadline=10), new_account()
        key, now = f"donation-card:{{{account.id}/test}}:limits", time.time_ns() // 1_000_000
        buckets = [Bucket(str(n), Rate(every, burst)) for n, (every, burst, _) in enumerate(wanted)]
        held = {str(n): now + ahead for n, (_, _, ahead) in enumerate(wanted)}
        await limits._redis.execute("HSET", key, *(w for n, at in held.items() for w in (f"bucket:{n}", at)))
        answer = await limits.acquire(account, buckets)
        then = await limits._redis.execute("HMGET", key, *(f"bucket:{bucket.name}" for bucket in buckets))
        await limits.close()
        return answer, list(map(int, then)), acquire_all(buckets, held, now), held

    answer, found, (longest, then), held = asyncio.run(taken())
    assume(longest == 0 or longest > 20_000)
    assert answer.decision is (LimitDecision.LIMITED if longest else LimitDecision.ALLOWED)
    assert abs(answer.retry_after_ms - longest) < 20_000
    assert all(abs(a - b) < 20_000 for a, b in zip(found, (held | then).values(), strict=True))


async def test_limit_keys_hold_only_numbers_and_expire(limits, account, raw):
    await limits.acquire(account, slow, consume_once="proof", signals=Signals(expired=1))
    prefix = f"donation-card:{{{account.id}/test}}:"
    held = raw.hgetall(f"{prefix}limits")
    assert set(held) <= {
        b"level",
        b"window_start",
        b"quiet_windows",
        b"declined",
        b"expired",
        b"proofs_rejected",
        b"bucket:b",
    }
    assert all(value.isdigit() for value in held.values())
    name = f"{prefix}consumed:proof"
    assert USED_PROOF_TTL_MS - 60_000 < raw.pttl(name) <= USED_PROOF_TTL_MS + HOUR
    assert raw.pexpiretime(name) % HOUR == 0, "it tells no time of a donation"


async def test_time_of_a_session_is_forgotten_when_its_buckets_are_full(limits, account, raw):
    key = f"donation-card:{{{account.id}/test}}:limits"
    await limits.acquire(account, [Bucket("quick", Rate(1, 1)), *slow])
    assert {b"bucket:quick", b"bucket:b"} <= raw.hgetall(key).keys()
    await asyncio.sleep(0.01)
    await limits.acquire(account, (), signals=NO_SIGNALS)
    assert b"bucket:quick" not in raw.hgetall(key)
    assert b"bucket:b" in raw.hgetall(key), "this one still counts"


async def test_unreachable_server_is_reported_in_time(tmp_path, account):
    with EmbeddedValkey(tmp_path) as server:
        limits = rate_limiter(server.url)
        await limits.acquire(account, slow)
    with pytest.raises(TotalsUnavailable):
        await limits.acquire(account, slow)
    await limits.close()


async def test_worker_without_redis_keeps_detecting_attacks(account):
    now = 0
    alone = MemoryRateLimiter(now=lambda: now)
    await alone.acquire(account, (), signals=Signals(declined=DECLINE_THRESHOLD))
    assert (await alone.acquire(account, ())).attack_status == AttackStatus(1)
    for _ in range(QUIET_WINDOWS_TO_END + 1):
        now += WINDOW_MS
        last = await alone.acquire(account, (), signals=NO_SIGNALS)
    assert last.attack_status == AttackStatus()


@pytest.mark.parametrize("ahead", [3 * 3_600, 40 * 86_400])
async def test_bucket_far_ahead_is_unknown(limits, account, raw, ahead):
    bucket = Bucket("b", Rate(60_000, 2))
    until = int((time.time() + ahead) * 1_000)
    raw.hset(limits_key(account), mapping={"bucket:b": until, "window_start": until})
    assert [(await limits.acquire(account, [bucket])).decision.value for _ in range(3)] == [
        "allowed",
        "allowed",
        "limited",
    ]
    assert int(raw.hget(limits_key(account), "window_start")) <= time.time() * 1_000
