"""The page behind a payment link: the donor names an amount, and goes on to a session's payment page."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from stripe_sandbox import currencies
from stripe_sandbox.bodies import read_limited
from stripe_sandbox.checkout import Checkout
from stripe_sandbox.objects import LINK, PRICE
from stripe_sandbox.pages import LARGEST_FORM, NOWHERE, amount_text, templates
from stripe_sandbox.store import Store, Stored
from stripe_sandbox.texts import language_of, texts

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": NOWHERE + "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Links:
    def __init__(self, store: Store, checkout: Checkout) -> None:
        self._store, self._checkout = store, checkout

    async def page(self, request: Request) -> Response:
        body = await read_limited(request, LARGEST_FORM)
        if body is None:
            return Response(status_code=413)
        language = language_of(None, request.headers.get("accept-language", ""))
        words = texts(language)
        link = self._find(request.path_params["link"])
        if link is None:
            page = templates.get_template("notice.html").render(words=words, language=language, notice=words["unknown"])
            return HTMLResponse(page, 404, HEADERS)
        price = self._store.get(PRICE, link.hidden["price"])
        assert price, "a link is made of a price that is there"
        asked, currency = price.body["custom_unit_amount"], price.body["currency"]
        given = parse_qs(body.decode(errors="replace")).get("amount", [""])[-1].strip()
        least = asked["minimum"] or currencies.SMALLEST.get(currency, 1)
        most = asked["maximum"] or currencies.LARGEST
        amount, mistake = _amount(given, currency), ""
        if amount is not None and least <= amount <= most:
            session = self._checkout.from_link(link, price.hidden["name"], amount)
            return RedirectResponse(session.body["url"], 303, {"Cache-Control": "no-store"})
        if request.method == "POST":
            bounds = {"least": amount_text(least, currency, language), "most": amount_text(most, currency, language)}
            mistake = words["amount_refused"].format(**bounds)
        elif asked["preset"]:
            given = str(currencies.major(asked["preset"], currency))
        shown = {"title": price.hidden["name"], "currency": currency.upper(), "given": given, "mistake": mistake}
        page = templates.get_template("link.html").render(shown, words=words, language=language)
        return HTMLResponse(page, 422 if mistake else 200, HEADERS)

    def _find(self, name: str) -> Stored | None:
        found = self._store.find(
            "kind = ? AND json_extract(body, '$.url') LIKE ? AND json_extract(body, '$.active')",
            [LINK, f"%/link/{name}"],
        )
        return next((link for link in found if link.body["url"].endswith(f"/link/{name}")), None)


def _amount(text: str, currency: str) -> int | None:
    """In minor units; None for what is no such amount."""
    try:
        minor = Decimal(text.replace(",", ".")) / currencies.major(1, currency)
    except (InvalidOperation, ArithmeticError):
        return None
    return int(minor) if minor.is_finite() and minor == minor.to_integral_value() and minor > 0 else None
