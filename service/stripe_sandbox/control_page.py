"""Serve `/sandbox`: a page that performs the actions of the control API by hand."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from stripe_sandbox import currencies
from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.bounded_body import read_form
from stripe_sandbox.checkout_pages import BASE_CSP, format_amount, templates
from stripe_sandbox.clock import Clock
from stripe_sandbox.control_api import advance
from stripe_sandbox.delivery_queue import DeliveryQueue
from stripe_sandbox.faults import FaultChange, Faults
from stripe_sandbox.object_edits import ObjectEdits
from stripe_sandbox.objects import DISPUTE, PAYMENT, REFUND, SESSION, Json
from stripe_sandbox.reversals import DISPUTE_TRANSITIONS, REFUND_TRANSITIONS, Reversals
from stripe_sandbox.session_lifecycle import SessionLifecycle
from stripe_sandbox.store import Store

MAX_PAYMENTS = 30

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": BASE_CSP + "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class ControlPage:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        faults: Faults,
        sessions: SessionLifecycle,
        reversals: Reversals,
        edits: ObjectEdits,
        queue: DeliveryQueue,
    ) -> None:
        self._store, self._faults = store, faults
        self._actions: dict[str, Callable[[dict[str, str]], Any]] = {
            "create_refund": lambda form: reversals.create_refund(form["id"], self._amount(form), form["status"]),
            "create_dispute": lambda form: reversals.create_dispute(form["id"], self._amount(form), form["status"]),
            "update_refund": lambda form: reversals.update_refund(form["id"], form["status"]),
            "update_dispute": lambda form: reversals.update_dispute(form["id"], form["status"]),
            "edit_metadata": lambda form: edits.edit_metadata(form["id"], {form["key"]: form.get("value", "")}),
            "settle_debit": lambda form: sessions.settle(form["id"], succeeds=form["status"] == "succeeded"),
            "advance_clock": lambda form: advance(
                clock, sessions, queue, _parse_number(form["hours"], "hours", 8_784) * 3600
            ),
            "set_faults": lambda form: faults.apply(_parse_webhook_faults(form)),
            "clear_faults": lambda form: faults.clear(),
        }

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox", self.show, methods=["GET"]),
            Route("/sandbox", self.submit, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        return self._render()

    async def submit(self, request: Request) -> Response:
        """Perform one action. Forms of other sites are refused by `Origin` and `Sec-Fetch-Site`."""
        if not _is_same_origin(request):
            return self._render("This form came from another site. Nothing was changed.", 403)
        form = await read_form(request)
        action = self._actions.get(form.get("action", ""))
        if action is None:
            return self._render(f"Unknown action “{form.get('action', '')[:40]}”.", 400)
        try:
            action(form)
        except KeyError as missing:
            return self._render(f"The form lacks {missing}.", 400)
        except (ApiError, ValueError) as error:
            return self._render(str(error), getattr(error, "status", 400))
        return RedirectResponse("/sandbox", 303, {"Cache-Control": "no-store"})

    def _amount(self, form: dict[str, str]) -> int | None:
        """Parse the amount to minor units; None for an empty field."""
        text = form.get("amount", "").strip().replace(",", ".")
        if not text:
            return None
        payment = self._store.require(PAYMENT, form["id"], "id")
        try:
            minor = Decimal(text) / currencies.to_major_units(1, payment.body["currency"])
        except InvalidOperation:
            raise ValueError(f"amount: given {text[:20]!r}; allowed: a number such as 12.50") from None
        if not minor.is_finite() or minor != minor.to_integral_value():
            raise ValueError(f"amount: given {text[:20]!r}; allowed: whole minor units of {payment.body['currency']}")
        return int(minor)

    def _render(self, error: str = "", status: int = 200) -> Response:
        found = self._store.find("kind = ? ORDER BY seq DESC LIMIT ?", [PAYMENT, MAX_PAYMENTS])
        faults = self._faults.current()
        page = templates.get_template("control.html").render(
            error=error,
            payments=[self._describe(each.body) for each in found],
            webhooks=faults.webhooks,
            api=faults.api,
        )
        return HTMLResponse(page, status, HEADERS)

    def _describe(self, payment: Json) -> Json:
        """Return a payment with its texts, refunds and disputes."""

        def related(kind: str) -> list[Json]:
            where = "kind = ? AND json_extract(body, '$.payment_intent') = ?"
            return [each.body for each in self._store.find(where, [kind, payment["id"]])]

        def reversals(kind: str, transitions: dict[str, tuple[str, ...]]) -> list[Json]:
            return [
                each | {"text": _money(each), "next": transitions.get(each["status"], ())} for each in related(kind)
            ]

        return payment | {
            "text": _money(payment),
            "campaign": payment["metadata"].get("campaign", "no campaign"),
            "with_metadata": [payment, *related(SESSION)],
            "refunds": reversals(REFUND, REFUND_TRANSITIONS),
            "disputes": reversals(DISPUTE, DISPUTE_TRANSITIONS),
        }


def _money(body: Json) -> str:
    return format_amount(body["amount"], body["currency"], "en")


def _is_same_origin(request: Request) -> bool:
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    here = request.url.netloc
    return site in {"same-origin", "none"} and (origin is None or urlsplit(origin).netloc == here)


def _parse_number(text: str, field: str, maximum: float) -> float:
    try:
        number = float(text or "0")
    except ValueError:
        number = -1
    if not 0 <= number <= maximum:
        raise ValueError(f"{field}: given {text[:20]!r}; allowed: a number from 0 to {maximum:g}")
    return number


def _parse_webhook_faults(form: dict[str, str]) -> FaultChange:
    """Parse the form, in which rates are percentages."""
    rates = {
        name: _parse_number(form.get(name, ""), name, 100) / 100
        for name in ("attempt_failure_rate", "never_sent_rate", "never_recorded_rate")
    }
    seconds = {name: _parse_number(form.get(name, ""), name, 604_800) for name in ("delay", "max_jitter")}
    copies = int(_parse_number(form.get("extra_copies", ""), "extra_copies", 20))
    return FaultChange.model_validate({"webhooks": rates | seconds | {"extra_copies": copies}})
