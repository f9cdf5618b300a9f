"""The article from which a donor came: its host in Referer, and the return URL."""

from urllib.parse import urlsplit

from starlette.requests import Request

from donation_card.domain.campaign import Campaign
from donation_card.domain.host_name import canonical_host
from donation_card.errors import Invalid

_MAX_RETURN_URL = 300
"""Characters. The signed URL is a part of the address to which Stripe returns."""


def referring_host(request: Request) -> str:
    """Return the host of the page that framed or linked this one, or "". Nothing else of the header is used."""
    try:
        return canonical_host(urlsplit(request.headers.get("referer", "")).hostname or "")
    except ValueError:
        return ""


def validate_return_url(campaign: Campaign, url: str) -> str:
    """Return the URL if the campaign lists its site. Raise Invalid (`return_url_not_allowed`) otherwise.

    Any other site would make the service an open redirect.
    """
    if not url:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Invalid("return_url_not_allowed", given=url[:100]) from error
    plain = url.isascii() and url.isprintable() and len(url) <= _MAX_RETURN_URL
    if not plain or "\\" in url or parts.scheme != "https" or parts.netloc not in campaign.publisher_hosts:
        raise Invalid("return_url_not_allowed", given=url[:100])
    return url
