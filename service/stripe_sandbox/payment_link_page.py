"""Serve the page of a payment link: the donor enters an amount and continues to a checkout session."""

from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from stripe_sandbox import currencies
from stripe_sandbox.bounded_body import read_form
from stripe_sandbox.checkout_pages import BASE_CSP, format_amount, templates
from stripe_sandbox.objects import LINK, PRICE
from stripe_sandbox.page_texts import language_of, texts_for
from stripe_sandbox.session_lifecycle import SessionLifecycle
from stripe_sandbox.store import Store, Stored

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": BASE_CSP + "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PaymentLinkPage:
    def __init__(self, store: Store, sessions: SessionLifecycle) -> None:
        self._store, self._sessions = store, sessions

    async def respond(self, request: Request) -> Response:
        form = await read_form(request)
        language = language_of(None, request.headers.get("accept-language", ""))
        texts = texts_for(language)
        link = self._find(request.path_params["link"])
        if link is None:
            page = templates.get_template("notice.html").render(texts=texts, language=language, notice=texts["unknown"])
            return HTMLResponse(page, 404, HEADERS)
        price = self._store.require(PRICE, link.internal["price"], "price")
        limits, currency = price.body["custom_unit_amount"], price.body["currency"]
        typed = form.get("amount", "").strip()
        minimum = limits["minimum"] or currencies.MIN_AMOUNT.get(currency, 1)
        maximum = limits["maximum"] or currencies.MAX_AMOUNT
        amount, error = _parse_amount(typed, currency), ""
        if amount is not None and minimum <= amount <= maximum:
            session = self._sessions.create_from_link(link, price.internal["name"], amount)
            return RedirectResponse(session.body["url"], 303, {"Cache-Control": "no-store"})
        if request.method == "POST":
            bounds = {
                "minimum": format_amount(minimum, currency, language),
                "maximum": format_amount(maximum, currency, language),
            }
            error = texts["amount_refused"].format(**bounds)
        elif limits["preset"]:
            typed = str(currencies.to_major_units(limits["preset"], currency))
        context = {"title": price.internal["name"], "currency": currency.upper(), "typed": typed, "error": error}
        page = templates.get_template("payment_link.html").render(context, texts=texts, language=language)
        return HTMLResponse(page, 422 if error else 200, HEADERS)

    def _find(self, name: str) -> Stored | None:
        found = self._store.find(
            "kind = ? AND json_extract(body, '$.url') LIKE ? AND json_extract(body, '$.active')",
            [LINK, f"%/link/{name}"],
        )
        return next((link for link in found if link.body["url"].endswith(f"/link/{name}")), None)


def _parse_amount(text: str, currency: str) -> int | None:
    """Parse an amount to minor units; None if it is not valid."""
    try:
        minor = Decimal(text.replace(",", ".")) / currencies.to_major_units(1, currency)
    except (InvalidOperation, ArithmeticError):
        return None
    return int(minor) if minor.is_finite() and minor == minor.to_integral_value() and minor > 0 else None
