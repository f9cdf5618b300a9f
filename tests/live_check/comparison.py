"""Send the same requests to Stripe and to the sandbox, and compare the answers field by field.

Only a field that the product reads can differ. Stripe leaves out optional fields and adds new ones at any time.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
from donation_card.application.ports.payments import UiMode
from donation_card.domain.money import Money

from tests.live_check.report import Step
from tests.live_check.stripe_api import SESSIONS, Side, order

if TYPE_CHECKING:
    from tests.live_check.check import LiveCheck

FIELDS_READ = {
    "checkout.session": "id object status payment_status amount_total currency metadata payment_intent created "
    "expires_at client_secret url",
    "payment_intent": "id metadata created currency amount_received latest_charge last_payment_error",
    "charge": "created payment_method_details",
    "refund": "id amount currency status payment_intent",
    "dispute": "id amount currency payment_intent balance_transactions",
    "balance_transaction": "amount currency created reporting_category",
    "event": "id type created data livemode",
    "list": "data has_more",
    "error": "type code",
}
"""Object of Stripe → the fields that the product reads. `metadata` and `data` stand for everything in them."""

NOT_A_WORD = re.compile(r"https?://|/|[a-z]{2,9}_(?=\w*[A-Z0-9])\w{8,}|.*\s|\d|.*@|$")
"""Texts that are not compared: ids, addresses, sentences, times."""

Request = Callable[[Side], httpx.Response]


def differences(
    ours: Any, theirs: Any, where: str = "", *, read: bool = True, values: bool = True
) -> Iterator[tuple[bool, str]]:
    """Yield each difference, and whether the product reads the field.

    `ours` may be null where Stripe has a value. `values`: compare values too, and not the types alone.
    """
    if ours is None:
        return
    if theirs is None:
        if read and values:  # any other field can be left out, and an example of another product can lack any
            yield True, f"{where}: Stripe does not send it"
    elif type(ours) is not type(theirs):
        yield read, f"{where}: the sandbox sends {type(ours).__name__}, Stripe {type(theirs).__name__}"
    elif isinstance(ours, dict):
        names = FIELDS_READ.get("error" if where == "error" else str(ours.get("object")))
        for name in ours:
            path = f"{where}.{name}" if where else name
            is_read = read and (names is None or name in names.split())
            yield from differences(ours[name], theirs.get(name), path, read=is_read, values=values)
    elif isinstance(ours, list):
        if ours and theirs:
            yield from differences(ours[0], theirs[0], f"{where}[0]", read=read, values=values)
    elif values and ours != theirs and not _is_incomparable(ours):
        yield read, f"{where}: the sandbox sends {ours!r}, Stripe {theirs!r}"


def _is_incomparable(value: Any) -> bool:
    if isinstance(value, str):
        return bool(NOT_A_WORD.match(value))
    return isinstance(value, int) and value > 10**9  # an instant


def compare(check: LiveCheck, request: Request, *, values: bool = True) -> Iterator[str]:
    """Send a request to both and yield the differences."""
    here, there = request(check.sandbox), request(check.stripe)
    if here.status_code != there.status_code:
        yield f"the sandbox answers {here.status_code}, Stripe {there.status_code}"
    for header in ("stripe-version", "idempotent-replayed"):
        if here.headers.get(header) != there.headers.get(header):
            yield f"header {header}: {here.headers.get(header)!r}, Stripe {there.headers.get(header)!r}"
    unread = []
    for is_read, text in differences(here.json(), there.json(), values=values):
        if is_read:
            yield text
        else:
            unread.append(text.partition(":")[0])
    if unread:
        check.note(f"differs, but the product does not read it: {', '.join(unread)}")
    if there.json().get("data") == []:
        check.note("the account has no example, so nothing was compared")


def api_steps() -> list[Step]:
    """Return the steps that compare the API. They share sessions, so they run in this order."""
    embedded, hosted = order(UiMode.EMBEDDED), order(UiMode.HOSTED)
    both = order(UiMode.HOSTED, fee=Money(100, "EUR"), allowed_methods=("card", "ideal"))
    key = f"donation-card-live-check-{uuid.uuid4().hex}"
    old, early = {"payment_method_types": ["card"]}, {"expires_at": int(time.time()) + 60}
    success_url = {"success_url": "https://give.example.org/"}
    return [
        _write("api-create-embedded", "create a session for the embedded page", _create(embedded, key)),
        _write("api-repeat", "the same press again returns the same session", _create(embedded, key)),
        _write("api-key-reuse", "another order with the same key", _create(embedded | {"locale": "de"}, key)),
        _write("api-create-hosted", "create a session for the hosted page", _create(hosted)),
        _write("api-allowed-methods", "create a session for cards and iDEAL, with two line items", _create(both)),
        _read("api-read", "read a session", _of_first("GET"), after=CREATED),
        _read("api-list", "list sessions", _get(SESSIONS, {"limit": 1}), values=False),
        _write("api-expire", "expire a session", _of_first("POST", "/expire"), after=CREATED),
        _write("api-expire-again", "expire it again", _of_first("POST", "/expire"), after=CREATED),
        _read("api-missing", "read a session that does not exist", _get(f"{SESSIONS}/cs_test_nothing")),
        _write("api-locale", "a language that Stripe does not have", _create(embedded | {"locale": "be"})),
        _write("api-old-parameter", "a parameter of earlier versions", _create(embedded | old)),
        _write("api-success-url", "a success_url for the embedded page", _create(embedded | success_url)),
        _write("api-short-life", "a session that expires too early", _create(embedded | early)),
    ]


def list_steps() -> list[Step]:
    """Return the steps that compare the lists. They follow the donations, so that the account has examples."""
    events = {"limit": 1, "types": ["checkout.session.completed"]}
    return [
        _read("api-list-complete", "list complete sessions", _get(SESSIONS, COMPLETE), values=False),
        _read("api-list-refunds", "list refunds", _get("/v1/refunds", REVERSALS), "rak_charge", values=False),
        _read("api-list-disputes", "list disputes", _get("/v1/disputes", REVERSALS), "rak_dispute", values=False),
        _read("api-list-events", "list events", _get("/v1/events", events), "rak_event", values=False),
    ]


COMPLETE = {"limit": 1, "status": "complete", "created": {"gte": 0}, "expand": ["data.payment_intent.latest_charge"]}
REVERSALS = {"limit": 1, "created": {"gte": 0}, "expand": ["data.payment_intent"]}
CREATED = ("api-create-embedded",)


def _write(name: str, title: str, request: Request, *, after: tuple[str, ...] = ()) -> Step:
    right = "rak_checkout_session_write"
    return Step(name, title, partial(compare, request=request), ("keys", *after), (right,))


def _read(
    name: str,
    title: str,
    request: Request,
    right: str = "rak_checkout_session",
    *,
    values: bool = True,
    after: tuple[str, ...] = (),
) -> Step:
    """`values` is False where the content differs by account."""
    run = partial(compare, request=request, values=values)
    return Step(name, title, run, ("keys", *after), (f"{right}_read",))


def _create(params: Any, key: str | None = None) -> Request:
    return lambda side: side.call("POST", SESSIONS, params, key)


def _get(path: str, params: Any = None) -> Request:
    return lambda side: side.call("GET", path, params)


def _of_first(method: str, action: str = "") -> Request:
    return lambda side: side.call(method, f"{SESSIONS}/{side.sessions[0]}{action}")


def fill_sandbox(ours: Side) -> None:
    """Give once at the sandbox, refund half and dispute it, so that each of its lists has an example."""
    made = ours.call("POST", SESSIONS, order(UiMode.HOSTED)).json()
    ours.sessions.clear()
    httpx.post(made["url"], data={"number": "4242 4242 4242 4242", "email": "ada@example.org"})
    payment = ours.call("GET", "/v1/payment_intents").json()["data"][0]["id"]
    for switch in ("refunds", "disputes"):
        wish = {"payment_intent": payment, "amount": 1250}
        httpx.post(f"{ours.url}/sandbox/{switch}", json=wish).raise_for_status()
