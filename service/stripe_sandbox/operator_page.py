"""`/sandbox`: the operator's switches as a page, to move money by hand with the verbs of the JSON switches."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from stripe_sandbox import currencies
from stripe_sandbox.bodies import read_limited
from stripe_sandbox.checkout import Checkout
from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import ApiError, no_such
from stripe_sandbox.faults import Faults, FaultSettings
from stripe_sandbox.objects import DISPUTE, PAYMENT, REFUND, Json
from stripe_sandbox.pages import LARGEST_FORM, NOWHERE, amount_text, templates
from stripe_sandbox.reversals import DISPUTE_MOVES, REFUND_MOVES, Reversals
from stripe_sandbox.store import Store
from stripe_sandbox.webhooks import Webhooks

SHOWN = 30
"""Payments, the newest ones."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": NOWHERE + "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class OperatorPage:
    def __init__(
        self, store: Store, clock: Clock, faults: Faults, checkout: Checkout, reversals: Reversals, webhooks: Webhooks
    ) -> None:
        self._store, self._clock, self._faults = store, clock, faults
        self._checkout, self._reversals, self._webhooks = checkout, reversals, webhooks
        self._verbs: dict[str, Callable[[dict[str, str]], Any]] = {
            "refund": lambda form: reversals.refund(form["id"], self._amount(form), form["status"]),
            "dispute": lambda form: reversals.dispute(form["id"], self._amount(form), form["status"], ""),
            "move_refund": lambda form: reversals.move_refund(form["id"], form["status"]),
            "move_dispute": lambda form: reversals.move_dispute(form["id"], form["status"]),
            "settle": lambda form: checkout.settle(form["id"], succeeds=form["status"] == "succeeded"),
            "advance": lambda form: self._advance(_number(form["hours"], "hours", 8_784) * 3600),
            "faults": lambda form: faults.set(_webhook_faults(form)),
            "clear": lambda form: faults.clear(),
        }

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox", self.show, methods=["GET"]),
            Route("/sandbox", self.turn, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        return self._page()

    async def turn(self, request: Request) -> Response:
        """One switch. A page of somebody else's cannot turn it: a browser says where a form comes from."""
        if not _from_here(request):
            return self._page("This form came from another site; nothing was done.", 403)
        body = await read_limited(request, LARGEST_FORM)
        if body is None:
            return Response(status_code=413)
        form = {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}
        verb = self._verbs.get(form.get("verb", ""))
        if verb is None:
            return self._page(f"There is no switch “{form.get('verb', '')[:40]}”.", 400)
        try:
            verb(form)
        except KeyError as missing:
            return self._page(f"The form lacks {missing}.", 400)
        except (ApiError, ValueError) as error:
            return self._page(str(error), getattr(error, "status", 400))
        return RedirectResponse("/sandbox", 303, {"Cache-Control": "no-store"})

    def _advance(self, seconds: float) -> None:
        self._clock.advance(seconds)
        self._checkout.sweep()
        self._webhooks.wake()

    def _amount(self, form: dict[str, str]) -> int | None:
        """In minor units; None, where nothing was typed: all that is left."""
        text = form.get("amount", "").strip().replace(",", ".")
        if not text:
            return None
        payment = self._store.get(PAYMENT, form["id"])
        if payment is None:
            raise no_such(PAYMENT, form["id"], "id")
        try:
            minor = Decimal(text) / currencies.major(1, payment.body["currency"])
        except InvalidOperation:
            raise ValueError(f"amount: given {text[:20]!r}; allowed: a number such as 12.50") from None
        if not minor.is_finite() or minor != minor.to_integral_value():
            raise ValueError(f"amount: given {text[:20]!r}; allowed: whole minor units of {payment.body['currency']}")
        return int(minor)

    def _page(self, mistake: str = "", status: int = 200) -> Response:
        found = self._store.find("kind = ? ORDER BY seq DESC LIMIT ?", [PAYMENT, SHOWN])
        page = templates.get_template("operator.html").render(
            mistake=mistake,
            payments=[self._shown(each.body) for each in found],
            clock=self._clock.now(),
            faults=self._faults.webhooks,
            api=self._faults.shown().api,
        )
        return HTMLResponse(page, status, HEADERS)

    def _shown(self, payment: Json) -> Json:
        def went_back(kind: str, moves: dict[str, tuple[str, ...]]) -> list[Json]:
            found = self._store.find("kind = ? AND json_extract(body, '$.payment_intent') = ?", [kind, payment["id"]])
            return [
                each.body | {"text": _money(each.body), "moves": moves.get(each.body["status"], ())} for each in found
            ]

        return payment | {
            "text": _money(payment),
            "campaign": payment["metadata"].get("campaign", "another product"),
            "refunds": went_back(REFUND, REFUND_MOVES),
            "disputes": went_back(DISPUTE, DISPUTE_MOVES),
        }


def _money(body: Json) -> str:
    return amount_text(body["amount"], body["currency"], "en")


def _from_here(request: Request) -> bool:
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    here = request.url.netloc
    return site in {"same-origin", "none"} and (origin is None or urlsplit(origin).netloc == here)


def _number(text: str, field: str, most: float) -> float:
    try:
        number = float(text or "0")
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise ValueError(f"{field}: given {text[:20]!r}; allowed: a number from 0 to {most:g}")
    return number


def _webhook_faults(form: dict[str, str]) -> FaultSettings:
    shares = {name: _number(form.get(name, ""), name, 100) / 100 for name in ("drop", "lose", "unmade")}
    seconds = {name: _number(form.get(name, ""), name, 604_800) for name in ("reorder", "delay")}
    copies = int(_number(form.get("duplicate", ""), "duplicate", 20))
    return FaultSettings.model_validate({"webhooks": shares | seconds | {"duplicate": copies}})
