"""Play a day with 20 gifts and one without. Until the next period, an operator's tools keep the same of both."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from donation_card import app
from donation_card.adapters.redis import connection
from donation_card.adapters.redis.connection import Script
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.observability import metrics
from redis import Redis
from structlog.testing import capture_logs

from tests.support.installation import DECLINED, METRICS_TOKEN, Installation, eventually, running

MIDNIGHT = int(datetime(2027, 1, 14, 22, tzinfo=UTC).timestamp())
"""Midnight in Vilnius, where the periods of the campaign begin."""

STEP, HOUR = 10_800, 3_600
STEPS = range(60, 86_400, STEP)
GIFTS = 20


@dataclass
class StoppedClock:
    """A clock that only the test moves. The service, the sandbox and the scripts in Redis read it."""

    at: float = MIDNIGHT - 3 * HOUR

    def time(self) -> float:
        return self.at

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


@dataclass
class Kept:
    """Hold what Prometheus and the log keep of a day, and the keys in Redis."""

    series: list[dict[str, float]] = field(default_factory=list)
    """For each scrape: series → its increase since the day began."""
    lines: list[dict[str, object]] = field(default_factory=list)
    keys: list[set[str]] = field(default_factory=list)
    limits: list[set[str]] = field(default_factory=list)
    next_period: dict[str, float] = field(default_factory=dict)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StoppedClock:
    clock, original = StoppedClock(), connection.RedisConnection.eval

    async def eval_at(self: connection.RedisConnection, script: Script, *rest: object, **options: object) -> list[str]:
        source = script.source.replace("redis.call('TIME')", f"({{'{int(clock.at)}', '0'}})")
        return await original(self, Script(source), *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(app, "utc_now", clock.utc_now)
    monkeypatch.setattr(connection.RedisConnection, "eval", eval_at)
    monkeypatch.setitem(StripePayments.__init__.__kwdefaults__, "now", clock.time)
    return clock


@pytest.fixture
def campaigns(tmp_path: Path) -> Path:
    folder = tmp_path / "campaigns"
    folder.mkdir()
    text = Path("tests/support/roof.toml").read_text("utf-8").replace('every = "6h"', 'every = "1d"')
    (folder / "roof.toml").write_text(text, "utf-8")
    return folder


def scrape(installation: Installation) -> dict[str, float]:
    """Return every series, as Prometheus would store it."""
    answer = httpx.get(f"{installation.service}/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"})
    samples = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def gifts_of(step: int) -> Iterator[str]:
    """Yield what donors do in a step of the day: 20 gifts, a declined card, an amount that is changed, a refund."""
    yield from ["gift"] * (GIFTS // len(STEPS) + (step < GIFTS % len(STEPS)))
    yield from {2: ["declined"], 3: ["refund"], 4: ["changed"], 5: ["declined"]}.get(step, [])


def act(installation: Installation, action: str) -> None:
    token = installation.token("roof")
    if action == "declined":
        started = installation.submit(token=token, amount="custom", custom_amount="25")
        installation.pay(started.headers["location"], DECLINED)
        return
    first = installation.order("25", token=token).json()
    if action == "changed":
        first = installation.order("30", token=token, replaces_session=first["session_token"]).json()
    installation.pay(f"{installation.sandbox}/embed/{first['client_secret']}")
    installation.client.get(f"/v1/checkout-sessions/{first['session_token']}").raise_for_status()
    if action == "refund":
        params = {"limit": 1}
        page = httpx.get(f"{installation.sandbox}/v1/payment_intents", params=params, auth=("sk_test_x", "")).json()
        installation.operate("refunds", payment_intent=page["data"][0]["id"])


def play(clock: StoppedClock, redis_url: str, folder: Path, campaigns: Path, *, gifts: bool) -> Kept:
    clock.at, kept = MIDNIGHT - 3 * HOUR, Kept()
    metrics._snapshots.cache_clear()
    options = {"clock": clock.time, "seed": None}
    with (
        running(
            redis_url, folder, campaigns=campaigns, demo_publication_interval=None, sandbox_options=options
        ) as found,
        Redis.from_url(redis_url) as raw,
        capture_logs() as kept.lines,
    ):
        found.until_ready()
        account = httpx.get(f"{found.sandbox}/v1/account", auth=("sk_test_x", "")).json()["id"]

        def synchronised() -> bool:
            now = scrape(found)
            ready = [value for name, value in now.items() if "component_ready" in name]
            return now['donation_card_reconciliation_timestamp_seconds{type="sync"}'] == clock.at and all(ready)

        before: dict[str, float] = {}
        for step, at in enumerate(STEPS):
            clock.at = MIDNIGHT + at
            eventually(synchronised, "the sync of this step is complete")
            paid = found.paid("roof")[1]
            for action in gifts_of(step) if gifts else ():
                act(found, action)
                paid += action != "declined"
                eventually(lambda paid=paid: found.totals("roof").payments == paid, "it is counted")
            time.sleep(0.3)  # several refreshes
            now = scrape(found)
            before = before or now
            kept.series.append({name: value - before.get(name, 0) for name, value in now.items()})
            clock.at += 60  # the limits on new sessions have room again
            time.sleep(0.3)
            kept.keys.append(keys_of(raw, account))
            kept.limits.append({name.decode() for name in raw.hkeys(f"donation-card:{{{account}/test}}:limits")})
        clock.at = MIDNIGHT + 86_400 + 5
        eventually(synchronised, "the sync of the next day is complete")
        kept.next_period = {name: value - before.get(name, 0) for name, value in scrape(found).items()}
    return kept


def keys_of(raw: Redis, account: str) -> set[str]:
    """Return the names of the keys without random parts. Check that a donor's key expires at a full hour."""
    names = set()
    for key in raw.keys(f"donation-card:*{account}*"):
        name = key.decode().replace(account, "account")
        expires_at = raw.pexpiretime(key)
        if re.search(":(form|consumed):", name):
            assert expires_at % (HOUR * 1_000) == 0, name
            continue
        if not name.endswith(":lease"):
            assert expires_at == -1, name
            names.add(re.sub("[0-9a-f]{16}", "generation", name))
    return names


def test_twenty_gifts_leave_no_trace_before_the_next_period(
    redis_url: str, tmp_path: Path, campaigns: Path, clock: StoppedClock
) -> None:
    quiet = play(clock, redis_url, tmp_path / "quiet", campaigns, gifts=False)
    busy = play(clock, redis_url, tmp_path / "busy", campaigns, gifts=True)
    assert len(quiet.series[0]) > 30
    for one, other in zip(quiet.series, busy.series, strict=True):
        # the registry of this process counts on, so a series of the first day begins at 0
        different = {name for name in one | other if one.get(name, 0) != other.get(name, 0)}
        assert different == set()
        assert (one.keys(), other.keys()) == (quiet.series[0].keys(), busy.series[0].keys())
    assert busy.lines == quiet.lines
    assert busy.keys == quiet.keys
    assert busy.limits == quiet.limits, "no time of the latest session"
    paid = 'donation_card_checkout_sessions_total{event="paid"}'
    declined = 'donation_card_webhooks_total{outcome="ignored",reason="payment_declined"}'
    assert (busy.next_period[paid], busy.next_period[declined]) == (GIFTS + 2, 2)
    assert quiet.next_period[paid] == 0
