"""The publisher of the demo: one news article on an origin of its own, with the card pasted into it."""

from __future__ import annotations

from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.snippet import PLACEHOLDER_STYLE


def create_article(service: str) -> Starlette:
    """`service`: origin of the service, without a slash at its end."""
    source = (Path(__file__).parent / "article.html").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)

    async def show(request: Request) -> Response:
        asked = request.query_params.get("lang", "en")
        lang = asked if asked in LANGUAGES else "en"
        return HTMLResponse(template.render(service=service, card_lang=lang, reserved=PLACEHOLDER_STYLE["card"]))

    return Starlette(routes=[Route("/", show)])
