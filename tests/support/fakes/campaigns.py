"""In-memory fake of the port to the campaigns."""

from __future__ import annotations

from collections.abc import Sequence

from donation_card.application.ports.campaigns import Campaigns
from donation_card.domain.campaign import Campaign
from donation_card.errors import ConfigFault, NotFound


class FakeCampaigns(Campaigns):
    def __init__(self, *campaigns: Campaign) -> None:
        self.by_id = {campaign.id: campaign for campaign in campaigns}
        self.error: str | None = None
        self.changed = False

    def get(self, campaign_id: str) -> Campaign:
        if campaign_id not in self.by_id:
            raise NotFound("campaign_unknown")
        return self.by_id[campaign_id]

    def all(self) -> Sequence[Campaign]:
        return list(self.by_id.values())

    def put(self, campaign: Campaign) -> None:
        self.by_id[campaign.id] = campaign
        self.changed = True

    def reload(self) -> bool:
        changed, self.changed = self.changed, False
        return changed

    def load_errors(self) -> str | None:
        return self.error

    def image_faults(self) -> Sequence[ConfigFault]:
        return []
