"""Serve the total of one site: page, JSON and badge."""

from starlette.requests import Request
from starlette.responses import Response

from donation_card.application.ports.campaigns import Campaigns
from donation_card.domain.campaign import Campaign
from donation_card.domain.host_name import canonical_host
from donation_card.domain.site_total import SiteTotal
from donation_card.errors import Forbidden, NotFound, Unauthorized
from donation_card.web.campaign_responses import CampaignResponseCache
from donation_card.web.http.cached_response import CachedResponse
from donation_card.web.http.request_body import MAX_FORM_BYTES, parse_form, read_body
from donation_card.web.presentation.page_renderer import PageRenderer
from donation_card.web.presentation.translations import Translations, request_translations
from donation_card.web.problems import http_status, localized_detail


class SiteTotalEndpoints:
    """`/c/{id}/sites/{host}` and its badge, and `/v1/campaigns/{id}/sites/{host}`.

    A closed total needs its token, in the header Authorization or in the form. It is never part of an address.
    """

    def __init__(self, campaigns: Campaigns, responses: CampaignResponseCache, pages: PageRenderer) -> None:
        self.campaigns, self.responses, self.pages = campaigns, responses, pages

    async def page(self, request: Request) -> CachedResponse | Response:
        campaign, site = self._opened(request)
        return self._page(campaign, site, request_translations(request, campaign), _bearer_token(request))

    async def submit(self, request: Request) -> CachedResponse | Response:
        campaign, site = self._opened(request)
        form = parse_form(await read_body(request.scope, request.receive, MAX_FORM_BYTES))
        request.state.lang = form.get("lang", "")
        return self._page(campaign, site, request_translations(request, campaign), form.get("token", "").strip())

    def _page(self, campaign: Campaign, site: SiteTotal, t: Translations, token: str) -> CachedResponse | Response:
        """Return the page of the total, or the form for its token."""
        try:
            site.check_token(token)
        except (Unauthorized, Forbidden) as error:
            said = localized_detail(error, t) if token else ""
            return self.pages.site_token_form(campaign, site, t, said, http_status(error))
        return self.responses.site_page(campaign, site, t)

    async def show(self, request: Request) -> CachedResponse:
        campaign, site = self._opened(request)
        site.check_token(_bearer_token(request))
        return self.responses.site_total(campaign, site)

    async def badge(self, request: Request) -> CachedResponse:
        campaign, site = self._opened(request)
        site.check_token(_bearer_token(request))
        t = request_translations(request, campaign, accept_language=False)
        return await self.responses.site_badge(campaign, site, t)

    def _opened(self, request: Request) -> tuple[Campaign, SiteTotal]:
        """Return the campaign and its site total. Raise the same NotFound whatever is missing or hidden."""
        try:
            campaign = self.campaigns.get_visible(request.path_params["id"])
            host = canonical_host(request.path_params["host"])
        except (NotFound, ValueError):
            raise NotFound from None
        for site in campaign.site_totals:
            if site.host == host:
                return campaign, site
        raise NotFound


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
