"""`donation-card rebuild` continues after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from redis import Redis

from tests.support.sandbox import KEY, sandbox_with

PAYMENTS = 6_000
"""One a second, so they are spread over more than an hour."""


def test_killed_rebuild_is_continued(redis_url: str, sample_campaign: Path) -> None:
    with sandbox_with(clock=time.time) as sandbox, Redis.from_url(redis_url, decode_responses=True) as redis:
        sandbox.operate("seed", payments=PAYMENTS, campaign="roof", currency="eur", amount=500)
        environment = os.environ | {
            "STRIPE_SECRET_KEY": KEY,
            "STRIPE_PUBLISHABLE_KEY": "pk_test_x",
            "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
            "STRIPE_API_BASE": sandbox.url,
            "REDIS_URL": redis_url,
            "PUBLIC_URL": "http://localhost:1",
            "SECRET_KEYS": "0123456789abcdef" * 2,
            "CAMPAIGNS_DIR": str(sample_campaign),
        }
        command = [sys.executable, "-m", "donation_card", "rebuild"]
        killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while killed.poll() is None and not _position(redis):
                time.sleep(0.01)
        finally:
            killed.kill()
            killed.wait(30)
        [(account, position)] = _position(redis).items()
        _, read_back_to, _ = position.split()
        assert int(read_back_to) % 3_600 == 0
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
        assert f"{PAYMENTS}" in done.stdout
        assert "30000.00 EUR" in done.stdout.replace(",", "")
        assert "rebuild_continued" in done.stdout + done.stderr
        assert not redis.hexists(account, "rebuild")


def _position(redis: Redis[str]) -> dict[str, str]:
    """Return the position of an unfinished rebuild, by the key of its account."""
    found = {key: redis.hget(key, "rebuild") for key in redis.keys("donation-card:*:account")}
    return {key: position for key, position in found.items() if position}
