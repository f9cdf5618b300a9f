"""Test the way to a release that writes another schema: the commands of docs/upgrade.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from donation_card.adapters.redis.totals_store import SCHEMA_VERSION
from donation_card.application.ports.payments import Account
from donation_card.domain.totals import Totals
from donation_card.errors import TotalsUnavailable

from tests.integration.adapters.redis.test_publication import GRID, roll
from tests.integration.adapters.redis.test_totals_store import ADA, BORIS, build, key
from tests.support.redis_servers import Topology, one_server
from tests.support.redis_stores import totals_store

pytestmark = pytest.mark.anyio

ADDED = {"touched", "published:{site}", "rebuild"}
"""Keys and fields that 0.1.0 does not know. It knows all others."""


def documented_patterns() -> list[str]:
    section = Path("docs/upgrade.md").read_text("utf-8").partition("### Remove the totals")[2]
    return re.findall(r"'(donation-card:[^']+)'", section.partition("\n## ")[0])


async def test_other_schema_is_refused_until_totals_are_removed(tmp_path: Path, account: Account) -> None:
    with one_server(tmp_path) as server:
        await go_back(server, account)


async def go_back(server: Topology, account: Account) -> None:
    store, later, raw = totals_store(server.url), totals_store(server.url), server.raw
    await build(store, account, ADA)
    decided = await roll(store, account, GRID)
    raw.hset(key(account, "meta"), "schema", int(SCHEMA_VERSION) + 1)
    for call in (later.totals(account, "roof"), later.apply(account, BORIS)):
        with pytest.raises(TotalsUnavailable, match="layout_unknown"):
            await call
    patterns = documented_patterns()
    assert len(patterns) == 3
    for pattern in patterns:
        for name in raw.scan_iter(pattern):
            raw.unlink(name)
    assert set(raw.scan_iter("*/roof}*")) == {key(account, "published").encode()}
    assert await later.totals(account, "roof") is None, "unknown, and not zero"
    await build(later, account, ADA, BORIS)
    assert await later.totals(account, "roof") == Totals(135_00, 2)
    assert decided is not None
    assert (again := await roll(later, account, GRID)) is not None
    assert again.raised >= decided.raised
    await store.close()
    await later.close()


def test_upgrade_page_names_every_key_that_0_1_0_ignores() -> None:
    section = Path("docs/upgrade.md").read_text("utf-8").partition("## Go back")[2].partition("### Remove")[0]
    keys = set(re.findall(r"^\| `donation-card:\{[^}]+\}:([^`]+)`", section, re.M))
    fields = set(re.findall(r"^\| field `(\w+)`", section, re.M))
    assert keys | fields == ADDED
    table = Path("docs/architecture.md").read_text("utf-8")
    assert all(f":{name}`" in table or f"`{name}`" in table for name in ADDED)
