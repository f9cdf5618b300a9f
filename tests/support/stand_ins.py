"""Stand-ins for Stripe: sandboxes that leave out optional fields, whose key lacks rights, and others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from stripe_sandbox import SandboxSettings, create_sandbox

from tests.support.installation import listening, served

KEPT_FIELDS = {
    "checkout.session": "automatic_tax created custom_fields custom_text expires_at id livemode mode object "
    "payment_method_types payment_status shipping_options"
    " amount_total client_secret currency metadata payment_intent status url",
    "payment_intent": "created id livemode object status metadata currency latest_charge",
    "charge": "amount captured created currency id livemode metadata object paid status payment_method_details",
    "refund": "amount created currency id object payment_intent status",
    "dispute": "amount balance_transactions charge created currency id is_charge_refundable livemode metadata object "
    "reason status payment_intent",
    "event": "created data id livemode object pending_webhooks type",
    "account": "id object",
}
"""Object → the fields that Stripe's OpenAPI description (2026-05-27) requires, and after them those that are set."""

Change = Callable[[str, bytes], bytes]
"""Address of a request, with its query, and the body of the answer → the body that is sent."""


def unchanged(url: str, body: bytes) -> bytes:
    return body


def without_optional_fields(url: str, body: bytes) -> bytes:
    """Leave out each null, and each field of an object that Stripe's description does not require and nothing sets."""
    if not url.startswith("/v1/"):
        return body

    def reduced(value: Any) -> Any:
        if isinstance(value, list):
            return [reduced(each) for each in value]
        if not isinstance(value, dict):
            return value
        kept = KEPT_FIELDS.get(str(value.get("object")))
        return {
            name: reduced(each)
            for name, each in value.items()
            if each is not None and (kept is None or name in kept.split())
        }

    return json.dumps(reduced(json.loads(body)), indent=2).encode()


def form_in_nested_frames(url: str, body: bytes) -> bytes:
    """Move the card form into a frame of the payment page, with other fields and another label."""
    if not url.startswith("/embed/"):
        return body
    if not url.endswith("?form"):
        return b"""<!doctype html><title>Payment</title><script>
            const form = location.pathname + '?form';
            addEventListener('message', (event) => parent.postMessage(event.data, '*'));
            if (location.ancestorOrigins[0] === origin) location.replace(form); // after a submit, in the inner frame
            else document.write('<iframe width=600 height=600 src="' + form + '"></iframe>');</script>"""
    more = """<input required autocomplete="cc-exp" aria-label="MM / YY"><input required autocomplete="cc-csc">
        <input required aria-label="Postal code"><button type="button">Pay with Link</button>"""
    text = body.decode().replace('name="number" required autocomplete="off"', 'name="number" autocomplete="cc-number"')
    return text.replace("Card number or IBAN", "Number").replace("<p class", f"{more}<p class", 1).encode()


def without_form(url: str, body: bytes) -> bytes:
    """Show an empty payment page."""
    return b"<!doctype html><title>Payment</title>" if url.startswith("/embed/") else body


def script_that_is_blocked(url: str, body: bytes) -> bytes:
    """Let Stripe's script load a picture that the policy of the giving page blocks."""
    return body + b"\nnew Image().src = 'https://blocked.example/x.png';" if url.endswith("stripe.js") else body


@contextmanager
def stripe_stand_in(change: Change = unchanged, *, key: str = "", lacks: Iterable[str] = ()) -> Iterator[str]:
    """Serve a sandbox whose answers are changed on their way. `lacks`: rights that the key lacks."""
    bound = listening()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    sandbox = create_sandbox(SandboxSettings(public_url=url))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        start, body = {}, b""

        async def changed(message: Any) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
                final = change(scope["path"] + query, body)
                headers = dict(start["headers"]) | {b"content-length": str(len(final)).encode()}
                if final != body:
                    headers.pop(b"content-security-policy", None)
                start["headers"] = list(headers.items())
                await send(start)
                await send({"type": "http.response.body", "body": final})

        await sandbox(scope, receive, changed if scope["type"] == "http" else send)

    with served((app, bound)):
        if lacks:
            httpx.post(f"{url}/sandbox/rights", json={"key": key, "lacks": list(lacks)}).raise_for_status()
        yield url
