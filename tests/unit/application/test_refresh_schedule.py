"""A worker queries each campaign that may have changed, and few others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from donation_card.application import refresh_schedule
from donation_card.application.ports.totals import TouchMark
from donation_card.application.refresh_schedule import AT_ONCE, IN_TURN, RefreshSchedule
from donation_card.domain.publication import PublicationPolicy
from donation_card.web.campaign_refresh import CampaignRefresh
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.response_cache import ResponseCache
from hypothesis import given, settings, strategies as st

from tests.support.fakes import ACCOUNT, FakeTotalsStore
from tests.support.fakes.pictures import FakePictures
from tests.unit.application.conftest import NOW, ROOF, Worker, paid_session

pytestmark = pytest.mark.anyio

MANY = [replace(ROOF, id=f"c{number}") for number in range(30)]


def taken(schedule: RefreshSchedule, now: float = NOW) -> set[str]:
    return {campaign.id for campaign in schedule.take(now)}


def quiet() -> RefreshSchedule:
    """Return a schedule whose campaigns were all queried."""
    schedule = RefreshSchedule()
    schedule.follow(MANY)
    assert taken(schedule) == {each.id for each in MANY}
    return schedule


def test_few_campaigns_are_queried_while_nothing_changes() -> None:
    schedule = quiet()
    rounds = [taken(schedule) for _ in range(len(MANY) // IN_TURN)]
    assert {len(each) for each in rounds} == {IN_TURN}
    assert set().union(*rounds) == {each.id for each in MANY}, "each in turn"


def test_campaign_is_queried_when_its_period_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_schedule, "IN_TURN", 0)
    schedule = quiet()
    schedule.plan("c7", NOW + 100)
    schedule.plan("c7", NOW + 60)
    assert taken(schedule, NOW + 59) == set()
    assert taken(schedule, NOW + 60) == {"c7"}
    assert taken(schedule, NOW + 200) == set()


def test_changed_campaign_is_queried_and_removed_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_schedule, "IN_TURN", 0)
    schedule = quiet()
    schedule.add(["c0"])
    schedule.follow([replace(MANY[1], default_language="de"), *MANY[2:]])
    assert taken(schedule) == {"c1"}


def test_touched_campaign_is_queried_before_many_others() -> None:
    schedule = RefreshSchedule()
    schedule.follow([replace(ROOF, id=f"c{number}") for number in range(3 * AT_ONCE)])
    schedule.add(["c1234"])
    first = schedule.take(NOW)
    assert first[0].id == "c1234"
    assert len(first) <= AT_ONCE + IN_TURN


steps = st.one_of(
    st.tuples(st.just("touch"), st.integers(0, 29)),
    st.tuples(st.just("read"), st.integers(0, 2)),
    st.tuples(st.just("restart"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["empty", "restore", "backup"]), st.just(0)),
)


@settings(max_examples=200)
@given(st.lists(steps, max_size=40))
async def test_each_worker_queries_whatever_was_touched(sequence: list[tuple[str, int]]) -> None:
    """A worker owes a query for each touch after its last read, and for every campaign after Redis was replaced."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refresh_schedule, "IN_TURN", 0)
        store = FakeTotalsStore()
        await store.register_campaigns(ACCOUNT, ["c0/EUR"])
        workers = [quiet() for _ in range(3)]
        marks = [TouchMark()] * 3
        owed: list[set[str]] = [set(), set(), set()]
        everything = {each.id for each in MANY}
        server, backup = "first", (dict[str, int](), dict[str, str]())
        for step, number in [*sequence, *(("read", each) for each in range(3))]:
            if step == "touch":
                await store.touch(ACCOUNT, [f"c{number}/EUR"])
                for each in owed:
                    each.add(f"c{number}")
            elif step == "read":
                found = await store.touched(ACCOUNT, workers[number].mark)
                workers[number].read(replace(found, mark=replace(found.mark, server=server)))
                assert taken(workers[number]) >= owed[number]
                owed[number] = set()
            elif step == "restart":
                workers[number], owed[number] = RefreshSchedule(), everything.copy()
                workers[number].follow(MANY)
            elif step == "backup":
                backup = store._touches.get(ACCOUNT, {}).copy(), store._registered.get(ACCOUNT, {}).copy()
            else:
                store.wipe()
                if step == "restore":
                    store._touches[ACCOUNT], store._registered[ACCOUNT] = backup[0].copy(), backup[1].copy()
                    server += "+"  # a server reads a backup when it starts
                else:
                    await store.register_campaigns(ACCOUNT, ["c0/EUR"])
                owed = [everything.copy() for _ in workers]
    assert marks


def counting(worker: Worker) -> tuple[CampaignRefresh, list[str]]:
    queried: list[str] = []
    original = worker.store.publish_if_due

    async def publish_if_due(account: object, campaign: str, *rest: object, **options: object) -> object:
        queried.append(campaign)
        return await original(account, campaign, *rest, **options)  # type: ignore[arg-type]

    worker.store.publish_if_due = publish_if_due  # type: ignore[assignment,method-assign]
    responses = CampaignResponseCache(worker.campaigns, worker.progress, None, ResponseCache(), FakePictures())  # type: ignore[arg-type]
    return CampaignRefresh(worker.campaigns, worker.progress, responses), queried


async def test_gift_is_shown_at_once_where_that_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_schedule, "IN_TURN", 0)
    worker = Worker()
    await worker.reconciliation.run()
    refresh, queried = counting(worker)
    assert await refresh.refresh()
    assert await refresh.refresh()
    assert queried == ["roof/EUR"]
    await worker.recorder.record(paid_session(1), "webhook")
    assert await refresh.refresh()
    progress = worker.progress.get(worker.campaign)
    assert progress
    assert progress.raised.amount == 25_00


async def test_gift_touches_no_campaign_with_periods() -> None:
    policy = PublicationPolicy(6 * 3600, 100_00, 0, ROOF.publication.timezone)
    worker = Worker(campaign=replace(ROOF, publication=policy))
    await worker.reconciliation.run()
    before = await worker.store.touched(ACCOUNT, TouchMark())
    await worker.recorder.record(paid_session(1), "webhook")
    assert await worker.store.touched(ACCOUNT, TouchMark()) == before


async def test_stale_total_is_queried_after_the_next_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_schedule, "IN_TURN", 0)
    worker = Worker()
    refresh, queried = counting(worker)
    await refresh.refresh()
    await refresh.refresh()
    assert queried == ["roof/EUR"]
    worker.clock.advance(2)
    await worker.reconciliation.run()
    await refresh.refresh()
    assert worker.progress.stale_campaigns() == []


async def test_campaign_that_ends_is_closed_without_redis() -> None:
    worker = Worker()
    ends = replace(ROOF, ends_at=worker.clock().replace(year=2100))
    worker.campaigns.put(ends)
    await worker.reconciliation.run()
    refresh, _ = counting(worker)
    await refresh.refresh()
    assert worker.progress.next_refresh_at(ends) == ends.ends_at.timestamp()  # type: ignore[union-attr]
    await refresh.refresh(query=False)
    before = refresh._responses.entry(ends)
    worker.clock.at = ends.ends_at.timestamp()  # type: ignore[union-attr]
    await refresh.refresh(query=False)
    assert refresh._responses._entries["roof"] is not before
