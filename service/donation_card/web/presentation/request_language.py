"""Choose the language of a response."""

from starlette.requests import Request

from donation_card.domain.campaign import Campaign
from donation_card.web.presentation.translations import parse_accept_language, parse_lang_param


def requested_languages(request: Request) -> tuple[str, ...]:
    """Return the languages of the query parameter `lang`. Raise Invalid (`language_malformed`)."""
    return parse_lang_param(request.query_params.get("lang", ""))


def preferred_languages(request: Request) -> tuple[str, ...]:
    """Return the requested languages, else those of the browser. Raise Invalid (`language_malformed`)."""
    return requested_languages(request) or parse_accept_language(request.headers.get("accept-language", ""))


def data_language(request: Request, campaign: Campaign) -> str:
    """Choose the language of JSON, pictures and feeds. It depends on the URL only, because caches store them."""
    return campaign.best_language(requested_languages(request))


def page_language(request: Request, campaign: Campaign) -> str:
    """Choose the language of a page."""
    return campaign.best_language(preferred_languages(request))
