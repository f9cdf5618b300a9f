"""In-memory fake of the port to the campaigns."""

from __future__ import annotations

from collections.abc import Sequence

from donation_card.application.ports.campaigns import Campaigns
from donation_card.domain.campaign import Campaign
from donation_card.domain.picture import Picture
from donation_card.errors import ConfigFault, NotFound


class FakeCampaigns(Campaigns):
    def __init__(self, *campaigns: Campaign) -> None:
        self.by_id = {campaign.id: campaign for campaign in campaigns}
        self._all: tuple[Campaign, ...] = ()
        self.error: str | None = None
        self.changed: set[str] = set()
        self.files_to_read = 0

    def get(self, campaign_id: str) -> Campaign:
        if campaign_id not in self.by_id:
            raise NotFound("campaign_unknown")
        return self.by_id[campaign_id]

    def all(self) -> Sequence[Campaign]:
        found = tuple(self.by_id.values())
        if found != self._all:
            self._all = found
        return self._all

    def put(self, campaign: Campaign) -> None:
        self.by_id[campaign.id] = campaign
        self.changed.add(campaign.id)

    def reload(self) -> frozenset[str]:
        changed, self.changed = frozenset(self.changed), set()
        return changed

    def unread(self) -> int:
        return self.files_to_read

    def shown_images(self) -> dict[str, Picture]:
        return {image.hash: image for each in self.all_visible() for image in each.image_files.values()}

    def load_errors(self) -> str | None:
        return self.error

    def image_faults(self) -> Sequence[ConfigFault]:
        return []
