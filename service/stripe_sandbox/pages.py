"""The pages a donor pays on: hosted (an own page, framed by nobody) and embedded (in a frame, on anybody's page).

Both are plain forms that work without JavaScript; the state of the session alone decides what is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from babel.numbers import format_currency
from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from stripe_sandbox import currencies
from stripe_sandbox.bodies import read_limited
from stripe_sandbox.checkout import Checkout
from stripe_sandbox.payment_methods import recognise
from stripe_sandbox.session_rules import is_email
from stripe_sandbox.store import Stored
from stripe_sandbox.texts import language_of, texts

LARGEST_FORM = 16 * 1024
NOWHERE = "default-src 'none'; base-uri 'none'; style-src 'self'; "

templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a donor typed that has to be shown again; a number never is."""

    email: str = ""
    mistake: str = ""


class Pages:
    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    async def hosted(self, request: Request) -> Response:
        return await self._answer(request, lambda: self._checkout.find(request.path_params["session"], "hosted_page"))

    async def embedded(self, request: Request) -> Response:
        secret = request.path_params["secret"]
        id, _, _ = secret.partition("_secret_")

        def find() -> Stored | None:
            session = self._checkout.find(id, "embedded_page")
            return session if session and session.hidden["client_secret"] == secret else None

        return await self._answer(request, find, embedded=True)

    async def _answer(self, request: Request, find: Callable[[], Stored | None], *, embedded: bool = False) -> Response:
        body = await read_limited(request, LARGEST_FORM)
        if body is None:
            return Response(status_code=413)
        # found only now, with no await until the end: a second press meanwhile has been seen
        session = find()
        shown, status = Shown(), 200 if session else 404
        if session and request.method == "POST":
            form = parse_qs(body.decode(errors="replace"), errors="replace")
            mistake = self._submit(session, {name: values[-1] for name, values in form.items()})
            if not mistake:
                # in a frame the script around it leads on, so that the whole page goes and not the frame
                onward = request.url.path if embedded else _onward(session) or request.url.path
                return RedirectResponse(onward, 303, {"Cache-Control": "no-store"})
            shown, status = mistake, 422
        page = self._page(request, session, shown, embedded=embedded)
        return HTMLResponse(page, status, _headers(session, embedded=embedded))

    def _submit(self, session: Stored, form: dict[str, str]) -> Shown | None:
        """What keeps the form from being accepted, if anything. A second press on a finished session is accepted."""
        if session.body["status"] != "open":
            return None
        if "answer" in form:
            if self._checkout.awaits_approval(session):
                self._checkout.answer_challenge(session, approved=form["answer"] == "approve")
            return None
        email, method = form.get("email", "").strip(), recognise(form.get("number", ""))
        if not is_email(email):
            return Shown(email, "email_refused")
        if not method or method.type not in session.body["payment_method_types"]:
            return Shown(email, "number_refused")
        self._checkout.pay(session, method, email)
        return None

    def _page(self, request: Request, session: Stored | None, shown: Shown, *, embedded: bool) -> str:
        body: dict[str, Any] = session.body if session else {}
        language = language_of(body.get("locale"), request.headers.get("accept-language", ""))
        words = texts(language)
        if not session:
            return templates.get_template("notice.html").render(words=words, language=language, notice=words["unknown"])
        amount = amount_text(body["amount_total"], body["currency"], language)
        button = words["donate" if body["submit_type"] == "donate" else "pay"].format(amount=amount)
        common = {"words": words, "language": language, "session": body, "amount": amount, "embedded": embedded}
        common["title"] = session.hidden["line_items"][0]["description"]
        if body["status"] == "open" and self._checkout.awaits_approval(session):
            return templates.get_template("challenge.html").render(common)
        if body["status"] == "open":
            mistake = shown.mistake or ("was_declined" if self._checkout.was_declined(session) else "")
            typed_before = session.hidden.get("customer_details", {}).get("email")
            email = shown.email or typed_before or body["customer_email"] or ""
            return templates.get_template("form.html").render(common, button=button, mistake=mistake, email=email)
        state = (
            "expired" if body["status"] == "expired" else "paid" if body["payment_status"] == "paid" else "processing"
        )
        return templates.get_template("notice.html").render(common, notice=words[state], onward=_onward(session))


def amount_text(amount: int, currency: str, language: str) -> str:
    return format_currency(currencies.major(amount, currency), currency.upper(), locale=language)


def _onward(session: Stored) -> str:
    """Where a donor goes when all is done; empty while it is not, and where the embedded page stays as it is."""
    url = session.body["success_url"]
    if session.body["redirect_on_completion"] == "always":
        url = session.body["return_url"]
    done = session.body["status"] == "complete"
    return str(url).replace("{CHECKOUT_SESSION_ID}", session.id) if done and url else ""


def _headers(session: Stored | None, *, embedded: bool) -> dict[str, str]:
    targets = ["'self'"]
    if session and session.body["success_url"]:
        # browsers hold the redirect after a form against form-action, too
        targets.append("{0.scheme}://{0.netloc}".format(urlsplit(session.body["success_url"])))
    policy = NOWHERE + f"form-action {' '.join(targets)}; "
    common = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
    if embedded:
        policy += "script-src 'self'; frame-ancestors *"
        return common | {"Content-Security-Policy": policy, "Cross-Origin-Resource-Policy": "cross-origin"}
    return common | {"Content-Security-Policy": policy + "frame-ancestors 'none'", "X-Frame-Options": "DENY"}
