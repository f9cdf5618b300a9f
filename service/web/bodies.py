"""Bodies: reading what was sent, with a limit on how much, before anybody looks at it."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from service.errors import Invalid, TooLarge

FORM_LIMIT: Final = 8 * 1024
EVENT_LIMIT: Final = 64 * 1024
"""Bytes. Stripe's events are a few kilobytes; https://docs.stripe.com/webhooks names no limit, so this is ours."""


async def read(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be, without reading on."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(limit=limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise TooLarge(limit=limit)
    except ClientDisconnect as error:
        raise Invalid(field="body") from error
    return bytes(body)


def form(body: bytes) -> dict[str, str]:
    """The fields of an urlencoded form; one value a field. Raises Invalid (`request_malformed`)."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise Invalid(field="form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Invalid(field="form")
    return fields
