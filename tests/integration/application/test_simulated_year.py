"""The simulated year of a network of newsrooms, at a small size and with a store in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.soak.simulated_year import Network
from tests.support.fakes import FakeTotalsStore


def network(folder: Path) -> Network:
    store = FakeTotalsStore()
    folder /= "campaigns"
    made = Network(folder, lambda: store, store.wipe, lambda _: None, campaigns=12, gifts=300, days=12, stride=1)
    store.clock = made.clock
    return made


def test_totals_of_a_simulated_year_equal_plain_sums(tmp_path: Path) -> None:
    year = network(tmp_path)
    asyncio.run(year.run())
    assert year.checked["exact totals"] > 20
    assert year.checked["public totals"] > 20
    assert year.work["last day"]["syncs"] >= 45
    assert year.work["last day"]["rebuilds"] == 1


def test_year_notices_a_gift_that_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    year, original = network(tmp_path), FakeTotalsStore.apply

    async def losing(store: FakeTotalsStore, account: object, state: object) -> object:
        if getattr(state, "object_id", "") == "pi_7":
            return None
        return await original(store, account, state)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeTotalsStore, "apply", losing)
    monkeypatch.setattr(FakeTotalsStore, "apply_to_rebuild", lambda *_: asyncio.sleep(0, True))
    with pytest.raises(AssertionError):
        asyncio.run(year.run())
