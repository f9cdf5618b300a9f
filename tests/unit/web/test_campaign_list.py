"""The list of open campaigns comes in pages, and only what changed is made again."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from donation_card.application.refresh_schedule import IN_TURN
from donation_card.domain.campaign import Campaign, Status
from donation_card.errors import NotFound
from donation_card.web.campaign_refresh import CampaignRefresh
from donation_card.web.campaign_responses import PAGE_SIZE, CampaignResponseCache
from donation_card.web.http.response_cache import ResponseCache
from donation_card.web.presentation.translations import translations_for
from hypothesis import given, settings, strategies as st

from tests.support.fakes.pictures import FakePictures
from tests.unit.application.conftest import ROOF, Worker

T = translations_for("en")


def campaign(number: int, kind: str = "open") -> Campaign:
    return replace(ROOF, id=f"c{number:05}", status=Status(kind))


class Listing:
    """The responses of one worker, with a renderer that writes the ids of the cards and counts them."""

    def __init__(self, *campaigns: Campaign) -> None:
        self.worker = worker = Worker()
        worker.campaigns.by_id = {each.id: each for each in campaigns}
        self.cards: list[str] = []
        renderer: Any = SimpleNamespace(card_json=self.card_json, campaigns=self.html)
        self.responses = CampaignResponseCache(
            worker.campaigns, worker.progress, renderer, ResponseCache(), FakePictures()
        )
        self.refresh = CampaignRefresh(worker.campaigns, worker.progress, self.responses)
        self.refresh.evict_hidden()

    def card_json(self, campaign: Campaign, *_: object) -> dict[str, str]:
        self.cards.append(campaign.id)
        return {"id": campaign.id}

    def html(self, cards: list[dict[str, str]], t: object, number: int, pages: int) -> str:
        return " ".join([f"{number}/{pages}", *(card["id"] for card in cards)])

    def put(self, campaign: Campaign | None, campaign_id: str = "") -> None:
        """Write one file, or delete it. The folder keeps the order of the ids."""
        by_id = self.worker.campaigns.by_id
        if campaign:
            by_id[campaign.id] = campaign
        else:
            by_id.pop(campaign_id, None)
        self.worker.campaigns.by_id = dict(sorted(by_id.items()))

    def page(self, number: int) -> list[str]:
        return self.responses.campaign_list(number, T).body.decode().split()


steps = st.tuples(
    st.integers(0, 59),
    st.sampled_from(["open", "closed", "hidden", "gone"]),
    st.booleans(),
)


@settings(deadline=None)
@given(st.integers(0, 60), st.lists(steps, max_size=12))
def test_pages_hold_each_open_campaign_once_in_order(number: int, changes: list[tuple[int, str, bool]]) -> None:
    listing = Listing(*map(campaign, range(number)))
    kinds = dict.fromkeys(range(number), "open")
    for changed, kind, refreshed in [(0, kinds.get(0, "gone"), True), *changes]:
        kinds[changed] = kind
        listing.put(None if kind == "gone" else campaign(changed, kind), f"c{changed:05}")
        if refreshed:
            listing.refresh.evict_hidden()
        expected = [f"c{each:05}" for each in sorted(kinds) if kinds[each] == "open"]
        pages = -(-len(expected) // 24) or 1
        for page in range(1, pages + 1):
            assert listing.page(page) == [f"{page}/{pages}", *expected[24 * page - 24 : 24 * page]]
        for missing in (0, -1, pages + 1):
            with pytest.raises(NotFound):
                listing.page(missing)


def test_page_of_ten_thousand_renders_its_own_campaigns() -> None:
    listing = Listing(*map(campaign, range(10_000)))
    assert listing.page(417)[1:] == [f"c{each:05}" for each in range(416 * 24, 10_000)]
    assert len(listing.cards) == 10_000 - 416 * 24
    listing.page(1)
    assert len(listing.cards) == 10_000 - 416 * 24 + PAGE_SIZE


def test_change_of_one_campaign_remakes_one_page() -> None:
    listing = Listing(*map(campaign, range(60)))
    before = [listing.responses.campaign_list(number, T) for number in (1, 2, 3)]
    listing.put(replace(campaign(30), default_language="de"))
    listing.refresh.evict_hidden()
    after = [listing.responses.campaign_list(number, T) for number in (1, 2, 3)]
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_kept_pages_are_bounded() -> None:
    listing = Listing(*map(campaign, range(2_400)))
    first = listing.responses.campaign_list(1, T)
    for number in range(2, 101):
        listing.page(number)
        assert listing.responses.campaign_list(1, T) is first, "the page that readers open stays"
    assert len(listing.responses._shared) <= 50


@pytest.mark.anyio
async def test_campaign_that_ends_leaves_the_list_without_an_edit() -> None:
    listing = Listing(*map(campaign, range(IN_TURN)))
    worker = listing.worker
    ends = replace(campaign(3), ends_at=worker.clock().replace(year=2100))
    listing.put(ends)
    await worker.reconciliation.run()
    await listing.refresh.refresh()
    assert ends.id in listing.page(1)
    worker.clock.at = ends.ends_at.timestamp()  # type: ignore[union-attr]
    await listing.refresh.refresh(query=False)
    assert listing.page(1) == ["1/1", *(f"c{each:05}" for each in range(IN_TURN) if each != 3)]


@pytest.mark.anyio
async def test_campaign_that_fails_leaves_the_list_and_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing(*map(campaign, range(3)))
    await listing.worker.reconciliation.run()
    original = listing.worker.store.publish_if_due

    async def publish_if_due(account: object, name: str, *rest: object, **options: object) -> object:
        if name == "c00001/EUR":
            raise ValueError
        return await original(account, name, *rest, **options)  # type: ignore[arg-type]

    assert len(listing.page(1)) == 4
    with monkeypatch.context() as patch:
        patch.setattr(listing.worker.store, "publish_if_due", publish_if_due)
        await listing.refresh.refresh()
        assert listing.page(1) == ["1/1", "c00000", "c00002"]
    await listing.refresh.refresh()
    assert listing.page(1) == ["1/1", "c00000", "c00001", "c00002"]
