"""Serve the page of a campaign, and the list of campaigns."""

import re

from starlette.requests import Request

from donation_card.application.ports.campaigns import Campaigns
from donation_card.errors import NotFound
from donation_card.web.campaign_refresh import CampaignRefresh
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.presentation.translations import request_translations

_PAGE_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class CampaignPages:
    """`/` and `/c/{id}`."""

    def __init__(self, campaigns: Campaigns, refresh: CampaignRefresh, responses: CampaignResponseCache) -> None:
        self.campaigns, self.refresh, self.responses = campaigns, refresh, responses

    async def show(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        await self.refresh.query_at_once(campaign)
        return self.responses.page(campaign, request_translations(request, campaign))

    async def list_page(self, request: Request) -> CachedResponse:
        t, given = request_translations(request), request.query_params.get("page", "1")
        if not _PAGE_NUMBER.fullmatch(given):
            raise NotFound
        return self.responses.campaign_list(int(given), t)
