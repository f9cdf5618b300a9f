"""Serve the part of Stripe's API that the product uses. `account_resources` changes what is set up once."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from stripe.params import (
    DisputeListParams,
    DisputeRetrieveParams,
    EventListParams,
    EventRetrieveParams,
    PaymentIntentListParams,
    PaymentIntentRetrieveParams,
    PaymentLinkListParams,
    PaymentLinkRetrieveParams,
    PaymentMethodConfigurationListParams,
    PaymentMethodConfigurationRetrieveParams,
    PaymentMethodDomainListParams,
    PaymentMethodDomainRetrieveParams,
    RefundCreateParams,
    RefundListParams,
    RefundRetrieveParams,
    WebhookEndpointListParams,
    WebhookEndpointRetrieveParams,
)
from stripe.params.checkout import SessionCreateParams, SessionExpireParams, SessionListParams, SessionRetrieveParams

from stripe_sandbox.api_errors import ApiError, unsupported
from stripe_sandbox.clock import Clock
from stripe_sandbox.form_encoding import ParamTree
from stripe_sandbox.ids import new_id
from stripe_sandbox.objects import (
    CONFIGURATION,
    DISPUTE,
    DOMAIN,
    ENDPOINT,
    EVENT,
    LINK,
    PAYMENT,
    REFUND,
    SESSION,
    Json,
    new_account,
    new_charge,
)
from stripe_sandbox.pagination import paginate
from stripe_sandbox.param_validation import validate
from stripe_sandbox.reversals import Reversals
from stripe_sandbox.session_lifecycle import SessionLifecycle
from stripe_sandbox.store import Store, Stored

MAX_EVENT_TYPES = 20
"""Limit of Stripe: https://docs.stripe.com/api/events/list."""

LINE_ITEMS_PAGE_SIZE = 10
EXPANDABLE = {
    SESSION: ("line_items", "payment_intent", "payment_intent.latest_charge"),
    REFUND: ("payment_intent",),
    DISPUTE: ("payment_intent",),
}


RESOURCES = (
    (SESSION, "/v1/checkout/sessions", SessionListParams, SessionRetrieveParams, "session"),
    (PAYMENT, "/v1/payment_intents", PaymentIntentListParams, PaymentIntentRetrieveParams, "intent"),
    (REFUND, "/v1/refunds", RefundListParams, RefundRetrieveParams, REFUND),
    (DISPUTE, "/v1/disputes", DisputeListParams, DisputeRetrieveParams, DISPUTE),
    (EVENT, "/v1/events", EventListParams, EventRetrieveParams, "id"),
    (ENDPOINT, "/v1/webhook_endpoints", WebhookEndpointListParams, WebhookEndpointRetrieveParams, ENDPOINT),
    (LINK, "/v1/payment_links", PaymentLinkListParams, PaymentLinkRetrieveParams, LINK),
    (DOMAIN, "/v1/payment_method_domains", PaymentMethodDomainListParams, PaymentMethodDomainRetrieveParams, DOMAIN),
    (
        *(CONFIGURATION, "/v1/payment_method_configurations"),
        *(PaymentMethodConfigurationListParams, PaymentMethodConfigurationRetrieveParams, "configuration"),
    ),
)
"""Kind, path, parameters of a list and of one object, and the name of the id in an error."""


class ApiRequest(NamedTuple):
    """Hold an authenticated request: the id in its path, if any, and its parameters before validation."""

    id: str
    params: ParamTree


Endpoint = Callable[[ApiRequest], Json]


class Api:
    def __init__(self, store: Store, clock: Clock, sessions: SessionLifecycle, reversals: Reversals) -> None:
        self._store, self._clock, self._sessions, self._reversals = store, clock, sessions, reversals
        self.routes: dict[tuple[str, str], Endpoint] = {
            ("GET", "/v1/account"): self.get_account,
            ("POST", "/v1/checkout/sessions"): self.create_session,
            ("POST", "/v1/checkout/sessions/{id}/expire"): self.expire_session,
            ("POST", "/v1/refunds"): self.create_refund,
        }
        for kind, path, list_params, retrieve_params, param in RESOURCES:
            self.routes["GET", path] = partial(self._list, kind, path, list_params)
            self.routes["GET", f"{path}/{{id}}"] = partial(self._retrieve, kind, retrieve_params, param)

    def get_account(self, request: ApiRequest) -> Json:
        if not self._store.setting("account"):
            self._store.set_setting("account", new_id("acct_1", 15))
            self._store.set_setting("account_created", str(int(self._clock.now())))
        return new_account(self._store.setting("account"), int(self._store.setting("account_created")))

    def create_session(self, request: ApiRequest) -> Json:
        params = validate(request.params, SessionCreateParams)
        expand = _parse_expand(params, SESSION)
        return self._expand(self._sessions.create(params), expand)

    def expire_session(self, request: ApiRequest) -> Json:
        expand = _parse_expand(validate(request.params, SessionExpireParams), SESSION)
        return self._expand(self._sessions.expire(request.id), expand)

    def create_refund(self, request: ApiRequest) -> Json:
        params = validate(request.params, RefundCreateParams)
        for name in params.keys() - {"payment_intent", "amount", "reason"}:
            raise unsupported(name)
        if "payment_intent" not in params:
            raise ApiError("Missing required param: payment_intent.", param="payment_intent")
        return self._reversals.create_refund(
            params["payment_intent"], params.get("amount"), reason=params.get("reason")
        )

    def _retrieve(self, kind: str, shape: Any, param: str, request: ApiRequest) -> Json:
        expand = _parse_expand(validate(request.params, shape), kind)
        return self._expand(self._store.require(kind, request.id, param), expand)

    def _list(self, kind: str, url: str, shape: Any, request: ApiRequest) -> Json:
        params = validate(request.params, shape)
        if len(params.get("types", [])) > MAX_EVENT_TYPES:
            raise ApiError(f"You may pass at most {MAX_EVENT_TYPES} types.", param="types")
        expand = _parse_expand(params, kind, "data.")
        found, has_more = paginate(self._store, kind, params)
        return {
            "object": "list",
            "data": [self._expand(one, expand) for one in found],
            "has_more": has_more,
            "url": url,
        }

    def _expand(self, stored: Stored, expand: list[str]) -> Json:
        body = dict(stored.body)
        if "line_items" in expand:
            items = stored.internal["line_items"]
            url = f"/v1/checkout/sessions/{stored.id}/line_items"
            shown, more = items[:LINE_ITEMS_PAGE_SIZE], len(items) > LINE_ITEMS_PAGE_SIZE
            body["line_items"] = {"object": "list", "data": shown, "has_more": more, "url": url}
        if body.get("payment_intent") and any(name.startswith("payment_intent") for name in expand):
            payment = self._store.require(PAYMENT, body["payment_intent"], "intent")
            body["payment_intent"] = dict(payment.body)
            if "payment_intent.latest_charge" in expand and payment.body["latest_charge"]:
                body["payment_intent"]["latest_charge"] = self._charge(payment)
        return body

    def _charge(self, payment: Stored) -> Json:
        disputes = self._store.find("kind = ? AND json_extract(body, '$.payment_intent') = ?", [DISPUTE, payment.id])
        refunded = self._reversals.refunded_amount(payment.id)
        return new_charge(payment.body, payment.internal, refunded, disputed=bool(disputes))


def _parse_expand(params: dict[str, Any], kind: str, prefix: str = "") -> list[str]:
    """Return the fields to expand: https://docs.stripe.com/api/expanding_objects. Raise ApiError (400)."""
    known = [prefix + name for name in EXPANDABLE.get(kind, ())]
    for name in params.get("expand", []):
        if name not in known:
            raise ApiError(
                f"This property cannot be expanded ({name}).", code="property_not_expandable", param="expand"
            )
    return [name.removeprefix(prefix) for name in params.get("expand", [])]
