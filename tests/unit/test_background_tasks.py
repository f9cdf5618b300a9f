"""Test that a sync that fails is repeated, but less and less often."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from donation_card import background_tasks
from donation_card.application.counter_export import CounterExport
from donation_card.background_tasks import MAX_SYNC_RETRY, BackgroundTasks
from donation_card.domain.picture import Picture
from donation_card.errors import PaymentsUnavailable, TotalsUnavailable
from donation_card.web.fallback_pages import FallbackPages

from tests.support.fakes.pictures import FakePictures
from tests.unit.application.conftest import Worker

pytestmark = pytest.mark.anyio


NO_PAGES = FallbackPages(None, None, None, None)  # type: ignore[arg-type]
"""An installation without a folder of static pages."""


class FailingSync:
    """A reconciliation that fails as long as `error` is set."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.runs, self.history = error, 0, None

    async def run_if_due(self) -> None:
        self.runs += 1
        if self.error:
            raise self.error


async def runs_in(seconds: int, sync: FailingSync, tasks: BackgroundTasks, patch: pytest.MonkeyPatch) -> int:
    before = sync.runs
    patch.setattr(background_tasks, "SYNC_POLL_INTERVAL", 2.0)  # other tests shorten it
    loop = SimpleNamespace(time=lambda: runs_in.now)  # type: ignore[attr-defined]
    patch.setattr(background_tasks.asyncio, "get_running_loop", lambda: loop)
    for _ in range(seconds // 2):
        runs_in.now += 2.0  # type: ignore[attr-defined]
        try:
            await tasks._synchronise()
        except Exception as error:
            assert error is sync.error  # noqa: PT017
    patch.undo()
    return sync.runs - before


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def tasks_with(sync: Any) -> BackgroundTasks:
    worker = Worker()
    runs_in.now = 1_000.0  # type: ignore[attr-defined]
    return BackgroundTasks(worker.campaigns, worker.store, sync, worker.limits, None, None, FakePictures(), NO_PAGES)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [PaymentsUnavailable(reason="empty_page"), IndexError("list index out of range")])
async def test_failing_sync_backs_off(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = FailingSync(error)
    tasks = tasks_with(sync)
    assert await runs_in(3_600, sync, tasks, monkeypatch) <= 3_600 / MAX_SYNC_RETRY + 6
    assert tasks.errors()["reconcile"]
    sync.error = None
    assert await runs_in(int(MAX_SYNC_RETRY) + 2, sync, tasks, monkeypatch) >= 1
    assert await runs_in(20, sync, tasks, monkeypatch) == 10


async def test_sync_without_redis_is_repeated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sync = FailingSync(TotalsUnavailable())
    assert await runs_in(20, sync, tasks_with(sync), monkeypatch) == 10


async def test_new_worker_begins_once_every_total_was_answered() -> None:
    answers = iter([False, True])

    async def refresh(*, query: bool) -> bool:
        return next(answers)

    worker = Worker()
    campaign_refresh = SimpleNamespace(refresh=refresh, evict_hidden=lambda: None)
    export = CounterExport(worker.campaigns, worker.clock)
    sync: Any = FailingSync(None)
    tasks = BackgroundTasks(
        worker.campaigns, worker.store, sync, worker.limits, campaign_refresh, export, FakePictures(), NO_PAGES
    )  # type: ignore[arg-type]
    await tasks._refresh_progress()
    assert not tasks._refreshed.is_set()
    await tasks._refresh_progress()
    assert tasks._refreshed.is_set()


async def test_first_sync_waits_for_all_campaign_files(monkeypatch: pytest.MonkeyPatch) -> None:
    sync = FailingSync(None)
    tasks = tasks_with(sync)
    tasks._campaigns.files_to_read = 3  # type: ignore[attr-defined]
    assert await runs_in(20, sync, tasks, monkeypatch) == 0
    tasks._campaigns.files_to_read = 0  # type: ignore[attr-defined]
    assert await runs_in(20, sync, tasks, monkeypatch) == 10


async def test_pictures_stay_while_campaign_files_are_unread() -> None:
    worker, pictures, sync = Worker(), RemovedPictures(), FailingSync(None)
    refresh = SimpleNamespace(refresh=answered, evict_hidden=lambda: None)
    export: Any = CounterExport(worker.campaigns, worker.clock)
    tasks = BackgroundTasks(worker.campaigns, worker.store, sync, worker.limits, refresh, export, pictures, NO_PAGES)  # type: ignore[arg-type]
    worker.campaigns.files_to_read = 3
    await tasks._refresh_progress()
    assert pictures.removals == 0
    worker.campaigns.files_to_read = 0
    await tasks._refresh_progress()
    await tasks._refresh_progress()
    assert pictures.removals == 1


async def answered(*, query: bool) -> bool:
    return query


class RemovedPictures(FakePictures):
    """Count how often the images of other campaigns were removed."""

    removals = 0

    def remove_others(self, kept: Iterable[Picture]) -> None:
        self.removals += 1
