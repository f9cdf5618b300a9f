"""Serve the donation page."""

from starlette.requests import Request
from starlette.responses import Response

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.tokens import Tokens
from donation_card.application.public_progress import PublicProgress
from donation_card.web.http.return_url import referring_host, validate_return_url
from donation_card.web.presentation.giving_page_renderer import GivingPageRenderer
from donation_card.web.presentation.translations import request_translations


class GivePage:
    """`/c/{id}/give`."""

    def __init__(
        self, campaigns: Campaigns, progress: PublicProgress, tokens: Tokens, pages: GivingPageRenderer
    ) -> None:
        self.campaigns, self.progress, self.tokens, self.pages = campaigns, progress, tokens, pages

    async def show(self, request: Request) -> Response:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        return_url = validate_return_url(campaign, request.query_params.get("return_url", ""))
        t = request_translations(request, campaign)
        token = self.tokens.issue_form_token(campaign.id, campaign.site_label(referring_host(request)))
        status, ways = self.progress.status(campaign), self.progress.ways_to_give(campaign)
        framed = request.headers.get("sec-fetch-dest") == "iframe"  # https://www.w3.org/TR/fetch-metadata/
        progress = self.progress.get(campaign)
        return self.pages.give(campaign, progress, t, status, token, ways=ways, framed=framed, return_url=return_url)
