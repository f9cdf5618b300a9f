"""The port to the campaigns."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from donation_card.domain.campaign import Campaign
from donation_card.domain.picture import Picture
from donation_card.errors import ConfigFault, NotFound


class Campaigns(Protocol):
    """Implementations name this class as their base, to inherit the methods about visible campaigns."""

    def get(self, campaign_id: str) -> Campaign:
        """Return a campaign, also a hidden one. Raise NotFound (`campaign_unknown`)."""

    def all(self) -> Sequence[Campaign]:
        """Return every campaign: the same object until one changes."""

    def reload(self) -> frozenset[str]:
        """Read changed files and return the ids of the campaigns that changed, appeared or went.

        An invalid file leaves its campaign as it was.
        """

    def shown_images(self) -> Mapping[str, Picture]:
        """Return every image file that a visible campaign shows, by its hash."""

    def load_errors(self) -> str | None:
        """Return the reason why the newest version of a file is not in use, or None if all are."""

    def image_faults(self) -> Sequence[ConfigFault]:
        """Return the mistakes of image files, without which their campaigns are shown."""

    def get_visible(self, campaign_id: str) -> Campaign:
        """Return a campaign. Raise NotFound (`campaign_unknown`, or `campaign_hidden` for a hidden one)."""
        campaign = self.get(campaign_id)
        if campaign.hidden:
            raise NotFound("campaign_hidden")
        return campaign

    def all_visible(self) -> list[Campaign]:
        return [campaign for campaign in self.all() if not campaign.hidden]
