"""Bodies: reading what was sent, with a limit on how much, before anybody looks at it."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from donation_card.errors import Invalid, TooLarge

MAX_FORM_BYTES: Final = 8 * 1024
MAX_EVENT_BYTES: Final = 64 * 1024
"""Bytes. Stripe's events are a few kilobytes; https://docs.stripe.com/webhooks names no limit, so this is ours."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be, without reading on; Invalid if it ends early."""
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
    """The fields of an urlencoded form; one value a field. Raises Invalid (`request_malformed`)."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise Invalid(field="form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Invalid(field="form")
    return fields
