"""Build valid requests of every kind, and change, cut, repeat and mix their bytes.

Two kinds of bad: *framed*, where the server can still see where the request ends, so that the next one on the same
connection is read; and *raw*, where any byte may be wrong and the connection may be lost.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from stripe import WebhookSignature

from tests.support.installation import WEBHOOK_SECRET, Installation

METHODS = [
    b"GET",
    b"GET",
    b"GET",
    b"GET",
    b"POST",
    b"HEAD",
    b"OPTIONS",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"TRACE",
    b"PROPFIND",
]
PIECES = [
    *(
        b"",
        b"%00",
        b"%",
        b"%zz",
        b"%ff%fe",
        b"..",
        b"/../",
        b"//",
        b"\\",
        b";",
        b"&",
        b"=",
        b"?",
        b"#",
        b"+",
        b"'",
        b'"',
        b"<b>",
    ),
    *(b"0", b"-1", b"1e309", b"NaN", b"Infinity", b"9" * 40, b"0x10", b"1,5", b"1.5", b"true", b"null", b"{}", b"[]"),
    *(
        b"[" * 200,
        b'{"a":' * 100,
        b"A" * 300,
        b"\xd9\xa1\xd9\xa2",
        b"\xf0\x9f\x98\x80",
        b"\xe2\x80\xae",
        b"\xc3\x28",
        b"\x00",
        b"\xff",
    ),
    *(
        b"be,ru;q=0.5",
        b"*;q=nan",
        b"*",
        b"x-" * 60,
        b"https://",
        b"javascript:",
        b"http://[",
        b"@",
        b"evil.example",
        b"http://[::1",
    ),
    *(
        b"t=1,v1=",
        b"v0=",
        b"t=",
        b"v1=" + b"0" * 64,
        b"whsec_",
        b"sk_test_",
        b"br",
        b"gzip",
        b'W/"',
        b"bytes=0-",
        b"chunked",
    ),
]
HEADERS = [
    *(
        b"accept",
        b"accept-language",
        b"accept-encoding",
        b"content-type",
        b"if-none-match",
        b"referer",
        b"origin",
        b"range",
    ),
    *(
        b"stripe-signature",
        b"host",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"authorization",
        b"cookie",
        b"sec-fetch-dest",
    ),
    *(b"idempotency-key", b"x-request-id", b"forwarded", b"te", b"via", b"x"),
]
LONGEST = 12_000
"""Lengths of a body on both sides of the limits of forms and events."""


@dataclass(frozen=True, slots=True)
class Request:
    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ((b"accept", b"application/json"),)
    body: bytes = b""

    def framed(self) -> bytes:
        """Return the bytes of the request, without line breaks that would end its head early."""
        target = re.sub(rb"[\x00-\x20\x7f-\xff]", lambda byte: b"%%%02x" % byte[0][0], self.target) or b"/"
        head = [
            self.method,
            b" ",
            target if target.startswith(b"/") else b"/" + target,
            b" HTTP/1.1\r\nhost: localhost\r\n",
        ]
        for name, value in self.headers:
            head += [name, b": ", re.sub(rb"[\r\n\0]", b" ", value), b"\r\n"]
        if self.body:
            head += [b"content-length: %d\r\n" % len(self.body)]
        return b"".join([*head, b"\r\n", self.body])


def good(installation: Installation) -> list[Request]:
    """Return a valid request for every route."""
    token = installation.token()
    order = installation.order("25", token=token, ui_mode="hosted").json()
    thanks = installation.client.get("/c/vitaly/give?lang=be").text
    event = json.dumps({"id": "evt_1", "object": "event", "type": "checkout.session.completed", "data": {"object": {}}})
    signed = WebhookSignature.generate_signature_header(event, WEBHOOK_SECRET).encode()
    as_json, as_form = (b"content-type", b"application/json"), (b"content-type", b"application/x-www-form-urlencoded")
    page = (
        (b"accept", b"text/html"),
        (b"accept-language", b"be, en;q=0.5"),
        (b"referer", b"https://news.example.org/a"),
    )
    body = json.dumps({"form_token": token, "amount": "25", "ui_mode": "embedded", "lang": "be"}).encode()
    article = quote("https://news.example.org/", safe="")
    form = f"form_token={token}&amount=custom&custom_amount=25%2C50&lang=be&return_url={article}".encode()
    assets = re.findall(r'(/static/[^"]+)"', thanks)
    public = quote(f"{installation.settings.public_url}/c/vitaly?lang=be", safe="")
    reads = [
        *("/v1/campaigns/vitaly?lang=be,ru", "/v1/campaigns/vitaly/progress", "/healthz", "/readyz", "/metrics"),
        "/v1/campaigns/vitaly/spending?lang=uk",
        *(f"/oembed?url={public}&maxwidth=500&maxheight=700&format=json", "/c/vitaly/updates.atom?lang=de", assets[0]),
        *("/c/vitaly/qr.svg?size=256", "/c/vitaly/badge.svg?lang=lt", "/widget/v1/donation-card.js", "/openapi.yaml"),
        *("/widget/0123456789abcdef/donation-card.js", f"/v1/checkout-sessions/{order['session_token']}?lang=pl"),
    ]
    pages = [
        *(
            "/?page=1",
            "/c/vitaly?lang=uk",
            "/c/vitaly/give?lang=ru&return_url=https%3A%2F%2Fnews.example.org%2F",
            "/c/vitaly/frame?theme=dark",
        ),
        *(
            "/c/vitaly/embed?kind=iframe&layout=compact&pinned=1",
            "/c/vitaly/thanks?session_id=cs_test_1&return_token=x.y",
        ),
    ]
    posts = [
        Request(b"POST", b"/v1/checkout-sessions", (as_json,), body),
        Request(b"POST", b"/v1/checkout-sessions", (as_form,), form),
        Request(b"POST", b"/v1/stripe/webhook", ((b"stripe-signature", signed),), event.encode()),
    ]
    return [
        *(Request(b"GET", path.encode()) for path in reads),
        *(Request(b"GET", path.encode(), page) for path in pages),
        *posts * 4,
    ]


def changed(text: bytes, dice: random.Random, other: bytes = b"") -> bytes:
    """Make one change at a random place."""
    at, to = sorted((dice.randrange(len(text) + 1), dice.randrange(len(text) + 1)))
    kind = dice.randrange(7)
    if kind == 0:
        return text[:at] + dice.choice(PIECES) + text[at:]
    if kind == 1:
        return text[:at] + dice.choice(PIECES) + text[to:]
    if kind == 2:
        return text[:at] + dice.randbytes(dice.randrange(1, 9)) + text[at:]
    if kind == 3:
        return text[:at] + text[to:]
    if kind == 4:
        return text[:to] + text[at:to] * dice.randrange(1, 4) + text[to:]
    if kind == 5 and text:
        at = dice.randrange(len(text))
        return text[:at] + bytes([text[at] ^ 1 << dice.randrange(8)]) + text[at + 1 :]
    return text[:at] + other[len(other) // 2 :]


def mutated(request: Request, dice: random.Random, others: list[Request]) -> Request:
    """Make a few changes, in any part."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        part, other = dice.randrange(10), dice.choice(others)
        if part < 4:
            request = replace(request, target=changed(request.target, dice, other.target)[:4_000])
        elif part < 7 and request.body:
            request = replace(request, body=changed(request.body, dice, other.body)[:LONGEST])
        elif part == 7:
            request = replace(request, method=dice.choice(METHODS))
        elif part == 8:
            request = replace(request, body=dice.choice((b"", dice.randbytes(40), b"x" * LONGEST, other.body)))
        else:
            headers = list(request.headers)
            value = changed(dice.choice(headers)[1] if headers else b"", dice, dice.choice(PIECES))[:2_000]
            headers[dice.randrange(len(headers) + 1) :] = [(dice.choice(HEADERS), value)]
            request = replace(request, headers=tuple(headers))
    return request


def raw(request: Request, dice: random.Random) -> bytes:
    """Return bytes that need not be HTTP."""
    wire = request.framed()
    for _ in range(dice.randrange(1, 6)):
        wire = changed(wire, dice, wire)
    if dice.randrange(20) == 0:
        wire = wire.replace(
            b"content-length: ",
            dice.choice((b"content-length: -", b"content-length: 9", b"transfer-encoding: chunked\r\nx: ")),
        )
    return wire
