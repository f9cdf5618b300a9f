"""Read the header Referer."""

from urllib.parse import urlsplit

from starlette.requests import Request


def referring_host(request: Request) -> str | None:
    """Return the host of the page that framed or linked this one. Nothing else of the header is used."""
    try:
        return urlsplit(request.headers.get("referer", "")).hostname
    except ValueError:
        return None
