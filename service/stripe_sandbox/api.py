"""The slice of Stripe's API that we speak: Checkout Sessions, payments, refunds, disputes, events, the account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stripe.params import (
    DisputeListParams,
    DisputeRetrieveParams,
    EventListParams,
    EventRetrieveParams,
    PaymentIntentListParams,
    PaymentIntentRetrieveParams,
    RefundCreateParams,
    RefundListParams,
    RefundRetrieveParams,
)
from stripe.params.checkout import SessionCreateParams, SessionExpireParams, SessionListParams, SessionRetrieveParams

from stripe_sandbox.checkout import Checkout
from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import ApiError, no_such
from stripe_sandbox.forms import Tree
from stripe_sandbox.ids import new_id
from stripe_sandbox.lists import page
from stripe_sandbox.objects import DISPUTE, EVENT, PAYMENT, REFUND, SESSION, Json, new_account, new_charge
from stripe_sandbox.parameters import check
from stripe_sandbox.reversals import Reversals
from stripe_sandbox.store import Store, Stored

MOST_EVENT_TYPES = 20
"""https://docs.stripe.com/api/events/list."""

MOST_LINE_ITEMS_SHOWN = 10
EXPANDABLE = {
    SESSION: ("line_items", "payment_intent", "payment_intent.latest_charge"),
    REFUND: ("payment_intent",),
    DISPUTE: ("payment_intent",),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request: the id in its path, if any, and its parameters, not yet checked."""

    id: str
    params: Tree


Endpoint = Callable[[Call], Json]


class Api:
    def __init__(self, store: Store, clock: Clock, checkout: Checkout, reversals: Reversals) -> None:
        self._store, self._clock, self._checkout, self._reversals = store, clock, checkout, reversals
        self.routes: dict[tuple[str, str], Endpoint] = {
            ("GET", "/v1/account"): self.account,
            ("POST", "/v1/checkout/sessions"): self.create_session,
            ("GET", "/v1/checkout/sessions"): self.list_sessions,
            ("GET", "/v1/checkout/sessions/{id}"): self.session,
            ("POST", "/v1/checkout/sessions/{id}/expire"): self.expire_session,
            ("GET", "/v1/payment_intents"): self.list_payments,
            ("GET", "/v1/payment_intents/{id}"): self.payment,
            ("POST", "/v1/refunds"): self.create_refund,
            ("GET", "/v1/refunds"): self.list_refunds,
            ("GET", "/v1/refunds/{id}"): self.refund,
            ("GET", "/v1/disputes"): self.list_disputes,
            ("GET", "/v1/disputes/{id}"): self.dispute,
            ("GET", "/v1/events"): self.list_events,
            ("GET", "/v1/events/{id}"): self.event,
        }

    def account(self, call: Call) -> Json:
        if not self._store.setting("account"):
            self._store.set_setting("account", new_id("acct_1", 15))
            self._store.set_setting("account_created", str(int(self._clock.now())))
        return new_account(self._store.setting("account"), int(self._store.setting("account_created")))

    def create_session(self, call: Call) -> Json:
        params = check(call.params, SessionCreateParams)
        expand = _expansions(params, SESSION)
        return self._expanded(self._checkout.create(params), expand)

    def session(self, call: Call) -> Json:
        expand = _expansions(check(call.params, SessionRetrieveParams), SESSION)
        return self._expanded(self._checkout.session(call.id), expand)

    def expire_session(self, call: Call) -> Json:
        expand = _expansions(check(call.params, SessionExpireParams), SESSION)
        return self._expanded(self._checkout.expire(call.id), expand)

    def list_sessions(self, call: Call) -> Json:
        return self._list(SESSION, "/v1/checkout/sessions", check(call.params, SessionListParams))

    def payment(self, call: Call) -> Json:
        check(call.params, PaymentIntentRetrieveParams)
        return self._one(PAYMENT, call.id, "intent").body

    def list_payments(self, call: Call) -> Json:
        return self._list(PAYMENT, "/v1/payment_intents", check(call.params, PaymentIntentListParams))

    def create_refund(self, call: Call) -> Json:
        params = check(call.params, RefundCreateParams)
        for name in params.keys() - {"payment_intent", "amount", "reason"}:
            raise ApiError(f"The sandbox does not model {name}.", code="sandbox_unmodelled", param=name)
        if "payment_intent" not in params:
            raise ApiError("Missing required param: payment_intent.", param="payment_intent")
        return self._reversals.refund(params["payment_intent"], params.get("amount"), reason=params.get("reason"))

    def refund(self, call: Call) -> Json:
        return self._retrieved(REFUND, call, RefundRetrieveParams, "refund")

    def list_refunds(self, call: Call) -> Json:
        return self._list(REFUND, "/v1/refunds", check(call.params, RefundListParams))

    def dispute(self, call: Call) -> Json:
        return self._retrieved(DISPUTE, call, DisputeRetrieveParams, "dispute")

    def list_disputes(self, call: Call) -> Json:
        return self._list(DISPUTE, "/v1/disputes", check(call.params, DisputeListParams))

    def _retrieved(self, kind: str, call: Call, shape: Any, param: str) -> Json:
        expand = _expansions(check(call.params, shape), kind)
        return self._expanded(self._one(kind, call.id, param), expand)

    def event(self, call: Call) -> Json:
        check(call.params, EventRetrieveParams)
        return self._one(EVENT, call.id, "id").body

    def list_events(self, call: Call) -> Json:
        params = check(call.params, EventListParams)
        if len(params.get("types", [])) > MOST_EVENT_TYPES:
            raise ApiError(f"You may pass at most {MOST_EVENT_TYPES} types.", param="types")
        return self._list(EVENT, "/v1/events", params)

    def _one(self, kind: str, id: str, param: str) -> Stored:
        found = self._store.get(kind, id)
        if not found:
            raise no_such(kind, id, param)
        return found

    def _list(self, kind: str, url: str, params: dict[str, Any]) -> Json:
        expand = _expansions(params, kind, "data.")
        found, has_more = page(self._store, kind, params)
        return {
            "object": "list",
            "data": [self._expanded(one, expand) for one in found],
            "has_more": has_more,
            "url": url,
        }

    def _expanded(self, stored: Stored, expand: list[str]) -> Json:
        body = dict(stored.body)
        if "line_items" in expand:
            items = stored.hidden["line_items"]
            url = f"/v1/checkout/sessions/{stored.id}/line_items"
            shown, more = items[:MOST_LINE_ITEMS_SHOWN], len(items) > MOST_LINE_ITEMS_SHOWN
            body["line_items"] = {"object": "list", "data": shown, "has_more": more, "url": url}
        if body.get("payment_intent") and any(name.startswith("payment_intent") for name in expand):
            payment = self._one(PAYMENT, body["payment_intent"], "intent")
            body["payment_intent"] = dict(payment.body)
            if "payment_intent.latest_charge" in expand and payment.body["latest_charge"]:
                body["payment_intent"]["latest_charge"] = new_charge(payment.body, payment.hidden)
        return body


def _expansions(params: dict[str, Any], kind: str, prefix: str = "") -> list[str]:
    """Which fields to show in full: https://docs.stripe.com/api/expanding_objects."""
    known = [prefix + name for name in EXPANDABLE.get(kind, ())]
    for name in params.get("expand", []):
        if name not in known:
            raise ApiError(
                f"This property cannot be expanded ({name}).", code="property_not_expandable", param="expand"
            )
    return [name.removeprefix(prefix) for name in params.get("expand", [])]
