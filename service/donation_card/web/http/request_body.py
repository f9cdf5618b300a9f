"""Read request bodies with a limit on their size."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from donation_card.errors import Invalid, TooLarge

MAX_FORM_BYTES: Final = 8 * 1024
MAX_EVENT_BYTES: Final = 64 * 1024
"""Stripe's events are a few kilobytes. https://docs.stripe.com/webhooks names no limit."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body.

    Raise TooLarge as soon as the size is known, without reading further. Raise Invalid if the client disconnects.
    """
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(limit=limit)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid(field="body")
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLarge(limit=limit)
        more = message.get("more_body", False)
    return bytes(body)


def parse_form(body: bytes) -> dict[str, str]:
    """Return the fields of an urlencoded form. Raise Invalid for a malformed body and for repeated fields."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise Invalid(field="form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Invalid(field="form")
    return fields
