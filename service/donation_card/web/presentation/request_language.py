"""Choose the language of a response."""

from starlette.requests import Request

from donation_card.domain.campaign import Campaign
from donation_card.web.presentation.translations import Translations, choose_translations


def request_translations(
    request: Request, campaign: Campaign | None = None, *, accept_language: bool = True
) -> Translations:
    """Return the texts in the language of the form, else of the query, else of the browser.

    Without `accept_language` the browser's languages are ignored: caches store JSON, pictures and feeds by their URL.
    Raise Invalid (`language_malformed`).
    """
    lang = getattr(request.state, "lang", "") or request.query_params.get("lang", "")
    header = request.headers.get("accept-language", "") if accept_language else ""
    return choose_translations(lang, campaign, header)
