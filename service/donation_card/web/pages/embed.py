"""Serve the card as a frame, the page with the embed code, the QR code, and oEmbed."""

import re
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from donation_card.application.ports.campaigns import Campaigns
from donation_card.domain.campaign import Campaign
from donation_card.errors import Invalid, NotFound, UnsupportedFormat
from donation_card.web.http.headers import IMAGE_CSP, PUBLIC_CORS, cache_control
from donation_card.web.presentation import snippet
from donation_card.web.presentation.card_height import reserved_height
from donation_card.web.presentation.documents import EmbedCode, OEmbed
from donation_card.web.presentation.page_renderer import PageRenderer
from donation_card.web.presentation.picture import picture_json
from donation_card.web.presentation.qr_code import qr_svg
from donation_card.web.presentation.snippet import EMBED_KINDS, LAYOUTS, THEMES, Appearance
from donation_card.web.presentation.translations import Translations, choose_translations, request_translations

_OEMBED_SIZES = (100, 10_000)
"""Pixels that an oEmbed consumer may request."""

_OEMBED_LAYOUTS = ("card", "compact", "button")
"""From high to low. `bar` is left out, because a reader would close it and leave a hole."""

_QR_SIZES = (64, 2_048)
_WIDTH = 600
"""Pixels of an oEmbed frame if the consumer requests no width."""

_MAX_OFFERED = 100
"""Other campaigns from which a publisher chooses. The list of campaigns leads to this page with those of its page."""

_CAMPAIGN_PATH = re.compile(r"/c/([a-z0-9][a-z0-9-]{0,63})/?")


class EmbedEndpoints:
    """`/c/{id}/frame`, `/c/{id}/embed`, `/c/{id}/qr.svg` and `/oembed`."""

    def __init__(self, campaigns: Campaigns, pages: PageRenderer) -> None:
        self.campaigns, self.pages = campaigns, pages
        self.public_url = pages.settings.public_url

    async def frame(self, request: Request) -> Response:
        """Show the frame. For a hidden campaign it contains nothing of it, and the card shows a neutral line."""
        campaign = self.campaigns.get(request.path_params["id"])
        t = request_translations(request, campaign)
        return self.pages.frame(campaign, t, _appearance(request), self._others(request, campaign))

    async def embed_code(self, request: Request) -> Response:
        campaign = self.campaigns.get_visible(request.path_params["id"])
        t = request_translations(request, campaign)
        kind, appearance = _choice(request, "kind", EMBED_KINDS), _appearance(request)
        pinned = _choice(request, "pinned", ("", "1")) == "1"
        others = self._others(request, campaign)
        code = self._embed_code(campaign, t, kind, appearance, others, pinned=pinned)
        if "application/json" in request.headers.get("accept", ""):
            shared = PUBLIC_CORS | {"vary": "accept, accept-language"}
            return JSONResponse(code, 200, cache_control(300, revalidate=False) | shared)
        chosen: dict[str, Any] = {
            "lang": t.language,
            "kind": kind,
            "theme": appearance.theme,
            "layout": appearance.layout,
            "pinned": pinned,
            "with": [each.id for each in others],
        }
        known = {campaign.id, *chosen["with"]}
        more = (each for each in self.campaigns.all_visible() if each.id not in known)
        offered = [*others, *islice(more, _MAX_OFFERED - len(others))]
        return self.pages.embed_code_page(campaign, t, code, chosen, offered)

    def _others(self, request: Request, campaign: Campaign) -> list[Campaign]:
        """Return the visible campaigns of the query parameter `with`. Raise Invalid (`too_many_campaigns`)."""
        several = self.campaigns.get_several([campaign.id, *request.query_params.getlist("with")])
        return [each for each in several if each.id != campaign.id and not each.hidden]

    def _embed_code(
        self,
        campaign: Campaign,
        t: Translations,
        kind: str,
        appearance: Appearance,
        others: list[Campaign],
        *,
        pinned: bool,
    ) -> EmbedCode:
        public_url = self.public_url
        code = {
            "script": lambda: snippet.script_snippet(public_url, campaign, t, appearance, others=others, pinned=pinned),
            "iframe": lambda: snippet.iframe_snippet(public_url, campaign, t, appearance, others),
            "link": lambda: snippet.link_snippet(public_url, campaign, t, others),
        }[kind]()
        return {
            "code": code,
            "policy": snippet.csp_directives(kind, public_url, picture=campaign.picture is not None and not others),
            "preview": snippet.frame_url("", campaign, t, appearance, others),
            "reserved_height": reserved_height(campaign, t, appearance.effective_layout, others),
        }

    async def oembed(self, request: Request) -> Response:
        """Return a frame that fits into the size which the consumer allows (https://oembed.com)."""
        if request.query_params.get("format", "json") != "json":
            raise UnsupportedFormat("format_not_supported")
        campaign, t = self._campaign_at_url(request.query_params.get("url", ""))
        width = min(_WIDTH, _size(request, "maxwidth", _OEMBED_SIZES, _WIDTH))
        room = _size(request, "maxheight", _OEMBED_SIZES, _OEMBED_SIZES[1])
        heights = {layout: snippet.height_px(campaign, t, layout, width) for layout in _OEMBED_LAYOUTS}
        layout = next((each for each, height in heights.items() if height <= room), "button")
        tall = min(room, heights[layout])
        document = OEmbed(
            version="1.0",
            type="rich",
            title=t.translate("card.dialog_title", recipient=campaign.recipient.short_name),
            provider_name=campaign.recipient.short_name,
            provider_url=self.public_url,
            cache_age=3600,
            html=snippet.oembed_frame(self.public_url, campaign, t, Appearance(layout=layout), width, tall),
            width=width,
            height=tall,
        )
        if (picture := picture_json(campaign, t)) is not None:
            largest = picture["files"][-1]
            document["thumbnail_url"] = f"{self.public_url}{largest['url']}"
            document["thumbnail_width"], document["thumbnail_height"] = largest["width"], largest["height"]
        return JSONResponse(document, 200, PUBLIC_CORS | cache_control(300, revalidate=False))

    def _campaign_at_url(self, address: str) -> tuple[Campaign, Translations]:
        """Return the campaign and the language of a page's URL. Raise NotFound (`url_not_recognized`)."""
        try:
            parts = urlsplit(address)
            page = _CAMPAIGN_PATH.fullmatch(parts.path)
            lang = parse_qs(parts.query, max_num_fields=20).get("lang", [""])[0]
            if page is None or f"{parts.scheme}://{parts.netloc}" != self.public_url:
                raise ValueError
            campaign = self.campaigns.get_visible(page[1])
            return campaign, choose_translations(lang, campaign)
        except (ValueError, Invalid) as error:
            raise NotFound("url_not_recognized") from error

    async def qr(self, request: Request) -> Response:
        """Return a QR code with the URL of the campaign's page, also of a hidden campaign."""
        campaign = self.campaigns.get(request.path_params["id"])
        size = _size(request, "size", _QR_SIZES, 256)
        body = qr_svg(f"{self.public_url}/c/{campaign.id}", size)
        return Response(body, 200, PUBLIC_CORS | cache_control(300, revalidate=False) | IMAGE_CSP, "image/svg+xml")


def _choice(request: Request, name: str, allowed: tuple[str, ...]) -> str:
    """Return a query parameter, by default the first of `allowed`. Raise Invalid (`parameter_invalid`)."""
    given = request.query_params.get(name, allowed[0])
    if given not in allowed:
        raise Invalid("parameter_invalid", field=name, given=given[:40], allowed=", ".join(filter(None, allowed)))
    return given


def _appearance(request: Request) -> Appearance:
    return Appearance(_choice(request, "theme", THEMES), _choice(request, "layout", LAYOUTS))


def _size(request: Request, name: str, limits: tuple[int, int], default: int) -> int:
    """Return a size in pixels. Raise Invalid (`size_out_of_range`)."""
    given, (low, high) = request.query_params.get(name, str(default)), limits
    if not re.fullmatch(r"[0-9]{1,5}", given, re.ASCII) or not low <= int(given) <= high:
        raise Invalid("size_out_of_range", field=name, given=given[:40], minimum=low, maximum=high)
    return int(given)
