"""Serve `/v1/campaigns/…`, and the pictures and the feed of a campaign."""

from starlette.requests import Request

from donation_card.application.ports.campaigns import Campaigns
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.cached_response import CachedResponse, request_target
from donation_card.web.presentation.translations import request_translations


class CampaignEndpoints:
    """`/v1/campaigns/…`, `/c/…/updates.atom` and the pictures."""

    def __init__(self, campaigns: Campaigns, responses: CampaignResponseCache) -> None:
        self.campaigns, self.responses = campaigns, responses

    async def show(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get(request.path_params["id"])
        t = request_translations(request, campaign, accept_language=False)
        return self.responses.card(campaign, t, request_target(request.scope))

    async def progress(self, request: Request) -> CachedResponse:
        return self.responses.progress(self.campaigns.get_visible(request.path_params["id"]))

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
