"""Serve `/v1/campaigns/…`, and the pictures and the feed of a campaign."""

import re

from starlette.requests import Request

from donation_card.application.ports.campaigns import Campaigns
from donation_card.web.campaign_refresh import CampaignRefresh
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.cached_response import CachedResponse, request_target
from donation_card.web.presentation.campaign_list import list_translations
from donation_card.web.presentation.translations import request_translations


class CampaignEndpoints:
    """`/v1/campaigns/…`, `/c/…/updates.atom` and the pictures."""

    def __init__(self, campaigns: Campaigns, refresh: CampaignRefresh, responses: CampaignResponseCache) -> None:
        self.campaigns, self.refresh, self.responses = campaigns, refresh, responses

    async def show(self, request: Request) -> CachedResponse:
        """Serve the card of one campaign, or of the several that the path lists."""
        ids, target = re.split(r"[\s,]+", request.path_params["id"].strip()), request_target(request.scope)
        if len(ids) > 1:
            campaigns = self.campaigns.get_several(ids)
            for each in campaigns:
                await self.refresh.query_at_once(each)
            t = list_translations(request.query_params.get("lang", ""), campaigns)
            return self.responses.several(campaigns, t, target)
        campaign = self.campaigns.get(ids[0])
        await self.refresh.query_at_once(campaign)
        return self.responses.card(campaign, request_translations(request, campaign, accept_language=False), target)

    async def progress(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        await self.refresh.query_at_once(campaign)
        return self.responses.progress(campaign)

    async def spending(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        return self.responses.spending(campaign, request_translations(request, campaign, accept_language=False))

    async def picture(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get(request.path_params["id"])
        t = request_translations(request, campaign, accept_language=False)
        return await self.responses.picture(campaign, t, request.url.path.rpartition("/")[2])

    async def feed(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        return self.responses.feed(campaign, request_translations(request, campaign, accept_language=False))
