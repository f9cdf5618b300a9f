"""The contract of the campaigns port."""

from __future__ import annotations

import pytest
from donation_card.application.ports.campaigns import Campaigns
from donation_card.errors import NotFound


def test_campaigns_are_found_by_id(campaigns: Campaigns) -> None:
    assert campaigns.get("roof").id == "roof"
    assert campaigns.get("well").hidden
    assert {campaign.id for campaign in campaigns.all()} == {"roof", "well"}


def test_hidden_campaigns_are_not_visible(campaigns: Campaigns) -> None:
    assert [campaign.id for campaign in campaigns.all_visible()] == ["roof"]
    assert campaigns.get_visible("roof").id == "roof"
    with pytest.raises(NotFound) as hidden:
        campaigns.get_visible("well")
    assert hidden.value.code == "campaign_hidden"


def test_unknown_campaign_is_not_found(campaigns: Campaigns) -> None:
    for find in (campaigns.get, campaigns.get_visible):
        with pytest.raises(NotFound) as unknown:
            find("river")
        assert unknown.value.code == "campaign_unknown"


def test_reload_without_a_change_reports_none(campaigns: Campaigns) -> None:
    campaigns.reload()
    before = campaigns.all()
    assert campaigns.reload() == frozenset()
    assert campaigns.all() is before
    assert campaigns.load_errors() is None
