"""The publisher of the demo: one news article with the embed code of the card, on an origin of its own."""

from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.snippet import placeholder_style
from donation_card.web.presentation.translations import translations_for


def create_article(service: str, campaigns: Path) -> Starlette:
    """Create the article's site. `service`: origin of the service, without a trailing slash."""

    async def show(request: Request) -> Response:
        return HTMLResponse(render_article(service, campaigns, request.query_params.get("lang", "")))

    return Starlette(routes=[Route("/", show)])


def render_article(service: str, campaigns: Path, lang: str) -> str:
    """Render the article with the card of `vitaly.toml`, in English if `lang` is no language of the card."""
    source = (Path(__file__).parent / "article.html").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    t = translations_for(lang if lang in LANGUAGES else "en")
    reserved = placeholder_style(read_campaign(campaigns / "vitaly.toml"), t, "card")
    return template.render(service=service, card_lang=t.language, reserved=reserved)
