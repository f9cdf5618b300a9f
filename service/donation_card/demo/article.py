"""The publisher of the demo: one news article with the embed code of the card, on an origin of its own."""

from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.snippet import PLACEHOLDER_STYLE


def create_article(service: str) -> Starlette:
    """Create the article's site. `service`: origin of the service, without a trailing slash."""
    source = (Path(__file__).parent / "article.html").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)

    async def show(request: Request) -> Response:
        wanted = request.query_params.get("lang", "en")
        lang = wanted if wanted in LANGUAGES else "en"
        return HTMLResponse(template.render(service=service, card_lang=lang, reserved=PLACEHOLDER_STYLE["card"]))

    return Starlette(routes=[Route("/", show)])
