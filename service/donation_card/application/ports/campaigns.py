"""The port to the campaigns."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from donation_card.domain.campaign import Campaign
from donation_card.domain.picture import Picture
from donation_card.errors import ConfigFault, Invalid, NotFound

MAX_CAMPAIGNS = 10
"""Campaigns in one card."""


class Campaigns(Protocol):
    """Implementations name this class as their base, to inherit the methods about visible campaigns."""

    def get(self, campaign_id: str) -> Campaign:
        """Return a campaign, also a hidden one. Raise NotFound (`campaign_unknown`)."""

    def all(self) -> Sequence[Campaign]:
        """Return every campaign: the same object until one changes."""

    def reload(self) -> frozenset[str]:
        """Read changed files and return the ids of the campaigns that changed, appeared or went since the last call.

        An invalid file leaves its campaign as it was. Of many files, only some are read: see `load_more`.
        """

    def load_more(self) -> bool:
        """Read some of the files that are not read yet. Return True if more are left. The next `reload` names them."""
        return False

    def unread(self) -> int:
        """Return the number of files that are not read yet. `get` reads one that is asked for; `all` lacks them."""
        return 0

    def is_current(self, campaign_id: str) -> bool:
        """Return False if the file of a campaign changed since it was read. The next `reload` reads it."""
        return True

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

    def get_several(self, ids: Iterable[str]) -> list[Campaign]:
        """Return the known ones of these campaigns in this order, each once, also hidden ones.

        Raise Invalid (`too_many_campaigns`), and NotFound (`campaign_unknown`) if none is known.
        """
        ids, found = dict.fromkeys(filter(None, ids)), []
        if len(ids) > MAX_CAMPAIGNS:
            raise Invalid("too_many_campaigns", maximum=MAX_CAMPAIGNS)
        for campaign_id in ids:
            with suppress(NotFound):
                found.append(self.get(campaign_id))
        if not found:
            raise NotFound("campaign_unknown")
        return found

    def all_visible(self) -> list[Campaign]:
        return [campaign for campaign in self.all() if not campaign.hidden]
