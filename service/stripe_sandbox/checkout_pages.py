"""Serve the payment pages: hosted (may not be framed) and embedded (in a frame of any page).

Both are HTML forms that work without JavaScript. The state of the session decides which form is shown.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from babel.numbers import format_currency
from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from stripe_sandbox import currencies
from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.bounded_body import read_form
from stripe_sandbox.page_texts import language_of, texts_for
from stripe_sandbox.payment_methods import REDIRECTS, find_method, redirect_method
from stripe_sandbox.session_lifecycle import SessionLifecycle
from stripe_sandbox.session_rules import is_email
from stripe_sandbox.store import Stored

BASE_CSP = "default-src 'none'; base-uri 'none'; style-src 'self'; "

ENDED = "You did it. You have either completed the payment process, or a timeout occurred."
"""Stripe's hosted page says this when a session has expired. It does not say which of the two happened."""

CHALLENGE, REDIRECT = "use_stripe_sdk", "redirect_to_url"
"""Types of `next_action`: 3-D Secure on this page, or the page of a bank."""

templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


class FormState(NamedTuple):
    """Hold what the form shows again after an error; never the card number."""

    email: str = ""
    error: str = ""


class CheckoutPages:
    def __init__(self, sessions: SessionLifecycle) -> None:
        self._sessions = sessions

    async def hosted(self, request: Request) -> Response:
        return await self._respond(
            request, lambda: self._sessions.find_for_page(request.path_params["session"], "hosted_page")
        )

    async def bank(self, request: Request) -> Response:
        """Show the page of the bank or wallet that a donor chose. The donor authorises or refuses the payment there."""
        form = await read_form(request)
        session = self._sessions.find_for_page(request.path_params["session"], "hosted_page")
        if session and "answer" in form and self._sessions.awaits(session) == REDIRECT:
            self._sessions.answer(session, approved=form["answer"] == "approve")
        if session and self._sessions.awaits(session) != REDIRECT:
            next_url = _next_url(session) or f"/pay/{session.id}"
            return RedirectResponse(next_url, 303, {"Cache-Control": "no-store"})
        page = self._render(request, session, FormState(), at_bank=True)
        return HTMLResponse(page, 200 if session else 404, _headers(session, embedded=False))

    async def embedded(self, request: Request) -> Response:
        secret = request.path_params["secret"]
        id, _, _ = secret.partition("_secret_")

        def find() -> Stored | None:
            session = self._sessions.find_for_page(id, "embedded_page")
            return session if session and session.internal["client_secret"] == secret else None

        return await self._respond(request, find, embedded=True)

    async def _respond(
        self, request: Request, find: Callable[[], Stored | None], *, embedded: bool = False
    ) -> Response:
        form = await read_form(request)
        # Read the session after the body: there is no await from here on, so a concurrent submit cannot interfere.
        session = find()
        state, status = FormState(), 200 if session else 404
        if session and request.method == "POST":
            try:
                refused = self._submit(session, form)
            except ApiError as error:
                return JSONResponse(error.body(), error.status)
            if refused is None:
                # In a frame, stripe.js redirects the whole page.
                at_bank = self._sessions.awaits(session) == REDIRECT
                own_url = f"/bank/{session.id}" if at_bank else request.url.path
                next_url = own_url if embedded else _next_url(session) or own_url
                return RedirectResponse(next_url, 303, {"Cache-Control": "no-store"})
            state, status = refused, 422
        page = self._render(request, session, state, embedded=embedded)
        return HTMLResponse(page, status, _headers(session, embedded=embedded))

    def _submit(self, session: Stored, form: dict[str, str]) -> FormState | None:
        """Apply the form; return its error, if any. Submitting a finished session again is no error.

        Raise ApiError (400) for a payment method that the session does not allow.
        """
        if session.body["status"] != "open":
            return None
        if "answer" in form:
            if self._sessions.awaits(session) == CHALLENGE:
                self._sessions.answer(session, approved=form["answer"] == "approve")
            return None
        email, method = form.get("email", "").strip(), find_method(form.get("number", ""))
        if "method" in form:
            method = redirect_method(_require_allowed(form["method"], session))
        if not is_email(email):
            return FormState(email, "email_refused")
        if not method or method.type not in session.body["payment_method_types"]:
            return FormState(email, "number_refused")
        self._sessions.pay(session, method, email)
        return None

    def _render(
        self,
        request: Request,
        session: Stored | None,
        form: FormState,
        *,
        embedded: bool = False,
        at_bank: bool = False,
    ) -> str:
        body: dict[str, Any] = session.body if session else {}
        language = language_of(body.get("locale"), request.headers.get("accept-language", ""))
        texts = texts_for(language)
        if not session:
            return templates.get_template("notice.html").render(texts=texts, language=language, notice=texts["unknown"])
        amount = format_amount(body["amount_total"], body["currency"], language)
        button = texts["donate" if body["submit_type"] == "donate" else "pay"].format(amount=amount)
        common = {"texts": texts, "language": language, "session": body, "amount": amount, "embedded": embedded}
        common["title"] = session.internal["line_items"][0]["description"]
        common["lines"] = [
            (item["description"], format_amount(item["amount_total"], body["currency"], language))
            for item in session.internal["line_items"]
        ]
        if at_bank:
            name = REDIRECTS[self._sessions.last_method(session, "requires_action")].name
            return templates.get_template("bank.html").render(common, name=name)
        if self._sessions.awaits(session) == CHALLENGE:
            return templates.get_template("challenge.html").render(common)
        if body["status"] == "open":
            failed = self._sessions.last_method(session, "requires_payment_method")
            error = form.error or (failed and ("was_refused" if failed in REDIRECTS else "was_declined"))
            earlier = session.internal.get("customer_details", {}).get("email")
            email = form.email or earlier or body["customer_email"] or ""
            redirects = [(type, REDIRECTS[type].name) for type in body["payment_method_types"] if type in REDIRECTS]
            return templates.get_template("form.html").render(
                common, button=button, error=error, email=email, redirects=redirects
            )
        state = (
            "expired" if body["status"] == "expired" else "paid" if body["payment_status"] == "paid" else "processing"
        )
        notice = ENDED if state == "expired" and not embedded else texts[state]
        return templates.get_template("notice.html").render(common, notice=notice, next_url=_next_url(session))


def format_amount(amount: int, currency: str, language: str) -> str:
    return format_currency(currencies.to_major_units(amount, currency), currency.upper(), locale=language)


def _require_allowed(method: str, session: Stored) -> str:
    """Return the method. Raise ApiError (400) if the session does not allow it, or if it does not redirect."""
    allowed = session.body["payment_method_types"]
    if method in allowed and method in REDIRECTS:
        return method
    raise ApiError(
        f"The payment method type `{method[:40]}` is not allowed here. This Checkout Session allows: "
        f"{', '.join(allowed)}.",
        param="payment_method_data[type]",
    )


def _next_url(session: Stored) -> str:
    """Return the address after payment; empty before that, and if the embedded page stays."""
    url = session.body["success_url"]
    if session.body.get("redirect_on_completion") == "always":
        url = session.body["return_url"]
    done = session.body["status"] == "complete"
    return str(url).replace("{CHECKOUT_SESSION_ID}", session.id) if done and url else ""


def _headers(session: Stored | None, *, embedded: bool) -> dict[str, str]:
    targets = ["'self'"]
    if session and session.body["success_url"]:
        # Browsers apply form-action to the redirect after a form as well.
        targets.append("{0.scheme}://{0.netloc}".format(urlsplit(session.body["success_url"])))
    policy = BASE_CSP + f"form-action {' '.join(targets)}; "
    common = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
    if embedded:
        policy += "script-src 'self'; frame-ancestors *"
        return common | {"Content-Security-Policy": policy, "Cross-Origin-Resource-Policy": "cross-origin"}
    return common | {"Content-Security-Policy": policy + "frame-ancestors 'none'", "X-Frame-Options": "DENY"}
