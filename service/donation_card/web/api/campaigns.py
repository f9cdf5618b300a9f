"""Serve `/v1/campaigns/…`, and the pictures and the feed of a campaign."""

from __future__ import annotations

from starlette.requests import Request

from donation_card.application.ports.campaigns import Campaigns
from donation_card.domain.campaign import Campaign
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.cached_response import CachedResponse, request_target
from donation_card.web.presentation import translations as texts


class CampaignEndpoints:
    """`/v1/campaigns/…`, `/c/…/updates.atom` and the pictures."""

    def __init__(self, campaigns: Campaigns, responses: CampaignResponseCache) -> None:
        self.campaigns, self.responses = campaigns, responses

    async def show(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get(request.path_params["id"])
        wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
        return self.responses.card(campaign, campaign.best_language(wanted), request_target(request.scope))

    async def progress(self, request: Request) -> CachedResponse:
        return self.responses.progress(self.campaigns.get_visible(request.path_params["id"]))

    async def picture(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get(request.path_params["id"])
        wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
        name = request.url.path.rpartition("/")[2]
        return await self.responses.picture(campaign, campaign.best_language(wanted), name)

    async def feed(self, request: Request) -> CachedResponse:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
        return self.responses.feed(campaign, campaign.best_language(wanted))


def language_for(request: Request, campaign: Campaign) -> str:
    """Choose a page's language: `lang`, else the browser's, else the campaign's first one.

    Raise Invalid (`language_malformed`).
    """
    wanted = texts.parse_lang_param(request.query_params.get("lang", ""))
    return campaign.best_language(wanted or texts.parse_accept_language(request.headers.get("accept-language", "")))
