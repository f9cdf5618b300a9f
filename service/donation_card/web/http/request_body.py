"""Read request bodies with a limit on their size."""

from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from donation_card.errors import Invalid, TooLarge

MAX_FORM_BYTES = 8 * 1024
MAX_EVENT_BYTES = 512 * 1024
"""Most events of Stripe have a few kilobytes. Those with the evidence of a dispute can have 150,000 characters."""

USUAL_EVENT_BYTES = 64 * 1024
"""Events of at most this size need no place in memory of their own."""


def declared_length(scope: Scope) -> int | None:
    """Return the Content-Length of a request, or None if it has none. The server reads no more than that."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(declared) if declared.isdigit() else None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the whole body.

    Raise TooLarge as soon as the size is known, without reading further. Raise Invalid if the client disconnects.
    """
    if (declared_length(scope) or 0) > limit:
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
