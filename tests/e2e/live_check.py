"""Compare Stripe with the sandbox: `make live-check`, with a Stripe test key.

The same calls go to both, and each answer is compared field by field: keys, types, and the words that are no names,
addresses or times. Then the giving page is opened in a card on another origin, with Stripe's own page in it. No money
moves, and what it makes it expires. Live keys are refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import stripe
from donation_card.adapters.stripe.objects import HANDLED_EVENTS, create_params
from donation_card.application.ports.payments import CheckoutOrder, PaymentPage, UiMode
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.money import Money
from donation_card.settings import STRIPE_ORIGINS
from stripe._encode import _api_encode
from stripe_sandbox import SandboxSettings, create_sandbox

from tests.support.installation import listening, served

STRIPE = "https://api.stripe.com"

OF_THE_ACCOUNT = {"payment_method_types", "branding_settings", "payment_method_configuration_details", "capabilities"}
"""Fields that the dashboard decides. They are not compared. Of an account only the types are compared."""

NOT_A_WORD = re.compile(r"https?://|/|[a-z]{2,9}_(test_)?\w{8,}|.*\s|\d|.*@|$")


@dataclass
class Side:
    """Call one of the two. `sessions` are the created sessions, which must be expired."""

    name: str
    url: str
    key: str
    sessions: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, params: Any = None, key: str | None = None) -> httpx.Response:
        headers = {"stripe-version": stripe.api_version} | ({"idempotency-key": key} if key else {})
        query = urlencode(list(_api_encode(params or {})))
        url = f"{self.url}{path}" + (f"?{query}" if method == "GET" and query else "")
        body = query if method == "POST" else None
        if body is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        answer = httpx.request(method, url, content=body, headers=headers, auth=(self.key, ""), timeout=30)
        made = answer.json()
        if made.get("object") == "checkout.session" and made.get("status") == "open":
            self.sessions.append(made["id"])
        return answer

    def expire_all(self) -> int:
        """Expire the created sessions and return how many were open."""
        return sum(
            self.call("POST", f"/v1/checkout/sessions/{each}/expire").status_code == 200
            for each in dict.fromkeys(self.sessions)
        )


def differences(ours: Any, theirs: Any, where: str = "", *, words: bool = True) -> Iterator[str]:
    """Return what the sandbox has and Stripe has not, or differently. Stripe may have more: it adds fields at any time.

    `words`: whether what is said counts, and not the shape alone.
    """
    if ours is None or theirs is None:  # either may be empty where the other is not: an account's settings, a name
        return
    if type(ours) is not type(theirs):
        yield f"{where}: the sandbox answers {type(ours).__name__}, Stripe {type(theirs).__name__}"
    elif isinstance(ours, dict):
        for name in ours:
            path = f"{where}.{name}" if where else name
            if name not in theirs:
                yield f"{path}: Stripe does not answer it"
            elif name not in OF_THE_ACCOUNT:
                yield from differences(ours[name], theirs[name], path, words=words)
    elif isinstance(ours, list):
        if ours and theirs:
            yield from differences(ours[0], theirs[0], f"{where}[0]", words=words)
    elif isinstance(ours, str):
        if words and not NOT_A_WORD.match(ours) and ours != theirs:
            yield f"{where}: the sandbox says {ours!r}, Stripe {theirs!r}"
    elif words and ours != theirs and not (isinstance(ours, int) and ours > 10**9):  # an instant
        yield f"{where}: the sandbox says {ours!r}, Stripe {theirs!r}"


def order(shape: UiMode) -> Any:
    """Return the parameters that the service sends."""
    hosted = {"success_url": "https://give.example.org/thanks", "cancel_url": "https://give.example.org/"}
    return create_params(
        CheckoutOrder(
            campaign="live-check",
            site="other",
            attempt_id="live-check",
            amount=Money(2500, "EUR"),
            expires_at=int(time.time()) + 93 * 60,
            page=PaymentPage(shape, "Donation", "en", **(hosted if shape is UiMode.HOSTED else {})),
        )
    )


def steps() -> Iterator[tuple[str, Callable[[Side], httpx.Response]]]:
    """Return the steps, which run on both sides in this order."""
    sessions, embedded, hosted = "/v1/checkout/sessions", order(UiMode.EMBEDDED), order(UiMode.HOSTED)
    key = f"donation-card-live-check-{uuid.uuid4().hex}"

    def first(side: Side) -> str:
        return f"{sessions}/{side.sessions[0]}"

    yield "a session for the embedded page", lambda side: side.call("POST", sessions, embedded, key)
    yield "the same press again", lambda side: side.call("POST", sessions, embedded, key)
    yield "another amount with that key", lambda side: side.call("POST", sessions, embedded | {"locale": "de"}, key)
    yield "a session for the hosted page", lambda side: side.call("POST", sessions, hosted)
    yield "reading a session", lambda side: side.call("GET", first(side))
    yield "with its line items", lambda side: side.call("GET", first(side), {"expand": ["line_items"]})
    yield "a list of sessions", lambda side: side.call("GET", sessions, {"limit": 1})
    yield "expiring it", lambda side: side.call("POST", f"{first(side)}/expire")
    yield "expiring it again", lambda side: side.call("POST", f"{first(side)}/expire")
    yield "a session that is not there", lambda side: side.call("GET", f"{sessions}/cs_test_nothing")
    wrong = [
        ("a language that Stripe does not have", {"locale": "be"}),
        ("a parameter of yesterday", {"payment_method_types": ["card"]}),
        ("a success_url for the embedded page", {"success_url": "https://give.example.org/"}),
        ("too short a life", {"expires_at": int(time.time()) + 60}),
    ]
    for name, change in wrong:
        yield name, lambda side, change=change: side.call("POST", sessions, embedded | change)
    for path, name in LISTED.items():
        wanted = {"limit": 1} | ({"types": list(HANDLED_EVENTS)} if path == "/v1/events" else {})
        yield name, lambda side, path=path, wanted=wanted: side.call("GET", path, wanted)
    yield "nobody's address", lambda side: side.call("GET", "/v1/nothing")


LISTED = {path: f"a list: {path}" for path in ("/v1/payment_intents", "/v1/refunds", "/v1/disputes", "/v1/events")}
"""Lists whose content differs by account. Only the types are compared, and the sandbox has one of each."""


def live(ours: Side) -> None:
    """Give once at the sandbox, refund half, then dispute it, through the control API."""
    made = ours.call("POST", "/v1/checkout/sessions", order(UiMode.HOSTED)).json()
    ours.sessions.clear()
    httpx.post(made["url"], data={"number": "4242 4242 4242 4242", "email": "ada@example.org"})
    payment = ours.call("GET", "/v1/payment_intents").json()["data"][0]["id"]
    for switch in ("refunds", "disputes"):
        wish = {"payment_intent": payment, "amount": 1250}
        httpx.post(f"{ours.url}/sandbox/{switch}", json=wish).raise_for_status()


def compare(ours: Side, theirs: Side, say: Callable[[str], None]) -> int:
    """Return the number of steps that differ."""
    wrong = 0
    live(ours)
    for name, do in steps():
        here, there = do(ours), do(theirs)
        found = list(differences(here.json(), there.json(), words=name not in LISTED.values()))
        if here.status_code != there.status_code:
            found.insert(0, f"the sandbox answers {here.status_code}, Stripe {there.status_code}")
        for header in ("stripe-version", "idempotent-replayed"):
            if here.headers.get(header) != there.headers.get(header):
                found.append(f"header {header}: {here.headers.get(header)!r}, Stripe {there.headers.get(header)!r}")
        empty = ", nothing there to compare" if there.json().get("data") == [] else ""
        say(f" {'DIFFERS' if found else 'ok':>7}  {name} ({there.status_code}{empty})")
        for each in found:
            say(f"            {each}")
        wrong += bool(found)
    return wrong


def open_framed(theirs: Side, publishable: str, folder: Path, say: Callable[[str], None]) -> list[str]:
    """Go from the article to Stripe's page in a browser, and return what was wrong."""
    from playwright.sync_api import sync_playwright

    from tests.support.browser import CHROMIUM, article, choose, open_card, with_publisher_site

    base = None if theirs.url == STRIPE else theirs.url
    ours = {"stripe_secret_key": theirs.key, "stripe_publishable_key": publishable, "stripe_api_base": base}
    origins = STRIPE_ORIGINS["frame"] if base is None else (base,)
    wrong: list[str] = []
    with (
        EmbeddedValkey(folder / "valkey") as valkey,
        with_publisher_site(valkey.url, folder / "sandbox", settings_options=ours) as (installation, site),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(**CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.on("console", lambda line: wrong.append(line.text) if _refused(line.text) else None)
        page.on("response", lambda answer: _remember(theirs, answer))
        frame = open_card(page, site.publish(article(installation)))
        choose(frame, "25")
        frame.locator("#submit").click()
        payment = frame.locator("#payment iframe").first
        payment.wait_for(state="visible", timeout=60_000)
        page.wait_for_timeout(3_000)  # Stripe's page draws itself in frames of its own
        inside = [each for each in page.frames if _of(each.url, origins)]
        if not inside:
            wrong.append(f"no frame of {', '.join(origins)} in the giving page")
        elif not any(each.locator("input, button, iframe").count() for each in inside):
            wrong.append("Stripe's page is empty")
        say(f" {'DIFFERS' if wrong else 'ok':>7}  Stripe's embedded page in our frame, on {site.origin}'s page")
        browser.close()
    return wrong


def _remember(side: Side, answer: Any) -> None:
    if answer.request.method == "POST" and answer.url.endswith("/v1/checkout-sessions"):
        with contextlib.suppress(Exception):  # a redirect has no body
            side.sessions.append(answer.json()["client_secret"].partition("_secret_")[0])


def _refused(line: str) -> bool:
    return any(word in line for word in ("Content Security Policy", "TrustedHTML", "TrustedScript", "Refused to"))


def _of(url: str, origins: tuple[str, ...]) -> bool:
    parts = urlsplit(url)
    patterns = [re.escape(each).replace(r"\*", "[a-z0-9-]+") for each in origins]
    return any(re.fullmatch(pattern, f"{parts.scheme}://{parts.netloc}") for pattern in patterns)


def check(secret: str, publishable: str, url: str, say: Callable[[str], None], *, browser: bool = True) -> bool:
    """Return True if Stripe at `url` is as the sandbox. Raise ValueError for keys of the live mode."""
    for key, kinds in ((secret, ("sk_test_", "rk_test_")), (publishable, ("pk_test_",))):
        if not key.startswith(kinds):
            raise ValueError(f"a key of the test mode is needed ({' or '.join(kinds)}…); a live one is not touched")
    bound = listening()
    here = f"http://127.0.0.1:{bound.getsockname()[1]}"
    ours, theirs = Side("the sandbox", here, "sk_test_live_check"), Side("Stripe", url, secret)
    with (
        tempfile.TemporaryDirectory() as folder,
        served((create_sandbox(SandboxSettings(public_url=here)), bound)),
    ):
        say(f"Comparing {url} with the sandbox, API version {stripe.api_version}. No money moves.")
        try:
            wrong = compare(ours, theirs, say)
            framed = open_framed(theirs, publishable, Path(folder), say) if browser else []
            for each in framed:
                say(f"            {each}")
        finally:
            say(f"Cleaned up: {theirs.expire_all()} sessions expired.")
    wrong += bool(framed)
    say("The sandbox answers as Stripe does." if not wrong else f"{wrong} steps differ: mend the sandbox.")
    return not wrong


def main() -> None:
    if any(name not in os.environ for name in ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY")):
        sys.exit("set STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY, of a test mode (docs/operate.md)")
    keys = os.environ["STRIPE_SECRET_KEY"], os.environ["STRIPE_PUBLISHABLE_KEY"]
    try:
        good = check(*keys, os.environ.get("STRIPE_API_BASE", STRIPE), lambda line: print(line, flush=True))
    except ValueError as error:
        sys.exit(str(error))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
