"""Each campaign is refreshed on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from donation_card.domain.campaign import Campaign
from donation_card.domain.publication import PublishedTotal
from donation_card.web.campaign_refresh import CampaignRefresh
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.response_cache import ResponseCache
from structlog.testing import capture_logs

from tests.support.fakes.pictures import FakePictures
from tests.unit.application.conftest import ROOF, Worker

pytestmark = pytest.mark.anyio

NAMES = ("ark", "roof", "well")


@pytest.fixture
async def worker() -> Worker:
    worker = Worker()
    for name in NAMES:
        worker.campaigns.put(replace(ROOF, id=name))
    await worker.reconciliation.run()
    return worker


@pytest.fixture
def refresh(worker: Worker) -> CampaignRefresh:
    responses = CampaignResponseCache(worker.campaigns, worker.progress, None, ResponseCache(), FakePictures())  # type: ignore[arg-type]
    return CampaignRefresh(worker.campaigns, worker.progress, responses)


@pytest.mark.parametrize("failing", NAMES)
@pytest.mark.parametrize("error", [ValueError, OverflowError, AssertionError, KeyError, RecursionError])
async def test_failing_campaign_delays_no_other(
    worker: Worker,
    refresh: CampaignRefresh,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
    error: type[Exception],
) -> None:
    original = worker.store.publish_if_due

    async def publish_if_due(account: object, campaign: str, *rest: object, **options: object) -> PublishedTotal | None:
        if campaign == f"{failing}/EUR":
            raise error("kept back")
        return await original(account, campaign, *rest, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(worker.store, "publish_if_due", publish_if_due)
        for _ in range(3):
            await refresh.refresh()
    assert {name for name in NAMES if worker.progress.get(worker.campaigns.get(name))} == {*NAMES} - {failing}
    assert worker.progress.stale_campaigns() == [f"{failing}: {error.__name__}"]
    assert [line["campaign"] for line in logs if line["event"] == "campaign_refresh_failed"] == [failing], "once"
    assert worker.progress.stale_totals() == set(), "a sync does not help"
    await refresh.refresh()
    assert worker.progress.stale_campaigns() == []


@pytest.mark.parametrize("failing", NAMES)
async def test_campaign_whose_response_fails_delays_no_other(
    worker: Worker, refresh: CampaignRefresh, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    original = CampaignResponseCache.entry

    def entry(cache: CampaignResponseCache, campaign: Campaign) -> object:
        if campaign.id == failing:
            raise ValueError
        return original(cache, campaign)

    monkeypatch.setattr(CampaignResponseCache, "entry", entry)
    refresh.evict_hidden()
    await refresh.refresh()
    assert worker.progress.stale_campaigns() == [f"{failing}: ValueError"]
    assert len(worker.progress.visible()) == len(NAMES)
