"""What an operator sets up once: webhook endpoints, prices, payment links, and the domains that wallets may show on."""

from __future__ import annotations

import re
from typing import Any

from stripe.params import (
    PaymentLinkCreateParams,
    PaymentLinkListParams,
    PaymentLinkRetrieveParams,
    PaymentLinkUpdateParams,
    PaymentMethodDomainCreateParams,
    PaymentMethodDomainListParams,
    PaymentMethodDomainRetrieveParams,
    PaymentMethodDomainUpdateParams,
    PriceCreateParams,
    PriceRetrieveParams,
    WebhookEndpointCreateParams,
    WebhookEndpointListParams,
    WebhookEndpointRetrieveParams,
    WebhookEndpointUpdateParams,
)

from stripe_sandbox import currencies
from stripe_sandbox.api import Call, Endpoint
from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import ApiError, no_such, unmodelled
from stripe_sandbox.ids import new_id
from stripe_sandbox.lists import page
from stripe_sandbox.objects import DOMAIN, ENDPOINT, LINK, PRICE, Json, new_domain, new_endpoint, new_link, new_price
from stripe_sandbox.parameters import check
from stripe_sandbox.session_rules import check_positive, is_web_address
from stripe_sandbox.store import Store, Stored

MOST_ENDPOINTS = 16
"""https://docs.stripe.com/webhooks#register-webhook."""

LINK_MODELLED = {"line_items", "metadata", "payment_intent_data", "submit_type", "customer_creation", "active"}
PRICE_MODELLED = {"currency", "custom_unit_amount", "metadata", "nickname", "product_data"}


class Setup:
    def __init__(self, store: Store, clock: Clock, public_url: str) -> None:
        self._store, self._clock, self._public_url = store, clock, public_url
        self.routes: dict[tuple[str, str], Endpoint] = {
            ("POST", "/v1/webhook_endpoints"): self.create_endpoint,
            ("GET", "/v1/webhook_endpoints"): lambda call: self._list(ENDPOINT, call, WebhookEndpointListParams),
            ("GET", "/v1/webhook_endpoints/{id}"): lambda call: self._show(
                ENDPOINT, call, WebhookEndpointRetrieveParams
            ),
            ("POST", "/v1/webhook_endpoints/{id}"): self.update_endpoint,
            ("DELETE", "/v1/webhook_endpoints/{id}"): self.delete_endpoint,
            ("POST", "/v1/prices"): self.create_price,
            ("GET", "/v1/prices/{id}"): lambda call: self._show(PRICE, call, PriceRetrieveParams),
            ("POST", "/v1/payment_links"): self.create_link,
            ("GET", "/v1/payment_links"): lambda call: self._list(LINK, call, PaymentLinkListParams),
            ("GET", "/v1/payment_links/{id}"): lambda call: self._show(LINK, call, PaymentLinkRetrieveParams),
            ("POST", "/v1/payment_links/{id}"): self.update_link,
            ("POST", "/v1/payment_method_domains"): self.create_domain,
            ("GET", "/v1/payment_method_domains"): lambda call: self._list(DOMAIN, call, PaymentMethodDomainListParams),
            ("GET", "/v1/payment_method_domains/{id}"): lambda call: self._show(
                DOMAIN, call, PaymentMethodDomainRetrieveParams
            ),
            ("POST", "/v1/payment_method_domains/{id}"): self.update_domain,
        }

    def create_endpoint(self, call: Call) -> Json:
        """The one answer that shows the endpoint's secret."""
        params = check(call.params, WebhookEndpointCreateParams)
        _check_endpoint(params)
        if len(self._store.find("kind = ?", [ENDPOINT])) >= MOST_ENDPOINTS:
            raise ApiError(f"You have reached the maximum of {MOST_ENDPOINTS} test webhook endpoints.")
        body, secret = new_endpoint(params, self._now()), "whsec_" + new_id("", 32)
        self._store.add(body, {"secret": secret})
        return body | {"secret": secret}

    def update_endpoint(self, call: Call) -> Json:
        params = check(call.params, WebhookEndpointUpdateParams)
        _check_endpoint(params)
        found = self._found(ENDPOINT, call.id)
        if "disabled" in params:
            params["status"] = "disabled" if params.pop("disabled") else "enabled"
        return self._changed(found, params)

    def delete_endpoint(self, call: Call) -> Json:
        found = self._found(ENDPOINT, call.id)
        self._store.write("DELETE FROM objects WHERE seq = ?", [found.seq])
        return {"id": found.id, "object": ENDPOINT, "deleted": True}

    def create_price(self, call: Call) -> Json:
        params = check(call.params, PriceCreateParams)
        _refuse_others(params, PRICE_MODELLED)
        asked = params.get("custom_unit_amount")
        if not asked or not asked["enabled"]:
            raise unmodelled("unit_amount")
        if "product_data" not in params:
            raise ApiError("You must provide one of `product` or `product_data`.", param="product")
        if params["currency"] not in currencies.SUPPORTED:
            raise ApiError(f"Invalid currency: {params['currency'][:20]}.", param="currency")
        for name in ("minimum", "maximum", "preset"):
            if name in asked:
                check_positive(asked[name], f"custom_unit_amount[{name}]", 1)
        least, most = asked.get("minimum", 1), asked.get("maximum", currencies.LARGEST)
        if not least <= asked.get("preset", least) <= most:
            raise ApiError("`preset` must lie between `minimum` and `maximum`.", param="custom_unit_amount[preset]")
        body = new_price(params, self._now())
        self._store.add(body, {"name": params["product_data"]["name"]})
        return body

    def create_link(self, call: Call) -> Json:
        params = check(call.params, PaymentLinkCreateParams)
        _refuse_others(params, LINK_MODELLED)
        if len(params["line_items"]) != 1 or set(params["line_items"][0]) != {"price", "quantity"}:
            raise unmodelled("line_items of anything but one price")
        [item] = params["line_items"]
        price = self._store.get(PRICE, item["price"])
        if not price:
            raise no_such("price", item["price"], "line_items[0][price]", status=400)
        if item["quantity"] != 1:
            raise ApiError("A price with `custom_unit_amount` has the quantity 1.", param="line_items[0][quantity]")
        body = new_link(params, price.body["currency"], self._public_url)
        self._store.add(body, {"price": price.id})
        return body

    def update_link(self, call: Call) -> Json:
        params = check(call.params, PaymentLinkUpdateParams)
        _refuse_others(params, LINK_MODELLED - {"line_items"})
        found = self._found(LINK, call.id)
        if "payment_intent_data" in params:
            params["payment_intent_data"] = found.body["payment_intent_data"] | params["payment_intent_data"]
        return self._changed(found, params)

    def create_domain(self, call: Call) -> Json:
        """Made again, a domain is the one that is there: Stripe answers with it."""
        params = check(call.params, PaymentMethodDomainCreateParams)
        name = params["domain_name"]
        if not re.fullmatch(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", name):
            raise ApiError(f"Invalid domain name: {name[:100]}", param="domain_name")
        known = self._store.find("kind = ? AND json_extract(body, '$.domain_name') = ?", [DOMAIN, name])
        if known:
            return known[0].body
        body = new_domain(name, self._now(), enabled=params.get("enabled", True))
        self._store.add(body)
        return body

    def update_domain(self, call: Call) -> Json:
        params = check(call.params, PaymentMethodDomainUpdateParams)
        return self._changed(self._found(DOMAIN, call.id), params)

    def _now(self) -> int:
        return int(self._clock.now())

    def _found(self, kind: str, id: str) -> Stored:
        found = self._store.get(kind, id)
        if not found:
            raise no_such(kind, id, kind)
        return found

    def _show(self, kind: str, call: Call, shape: Any) -> Json:
        check(call.params, shape)
        return self._found(kind, call.id).body

    def _list(self, kind: str, call: Call, shape: Any) -> Json:
        params = check(call.params, shape)
        found, has_more = page(self._store, kind, params)
        return {"object": "list", "data": [one.body for one in found], "has_more": has_more, "url": f"/v1/{kind}s"}

    def _changed(self, found: Stored, params: Json) -> Json:
        """Metadata is merged, everything else is replaced: https://docs.stripe.com/api/metadata."""
        merged = {"metadata": found.body["metadata"] | params["metadata"]} if "metadata" in params else {}
        found.body.update(params | merged)
        self._store.save(found)
        return found.body


def _check_endpoint(params: Json) -> None:
    if "url" in params and not is_web_address(params["url"]):
        raise ApiError("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
    if params.get("enabled_events") == []:
        raise ApiError("You must pass at least one event.", param="enabled_events")


def _refuse_others(params: Json, modelled: set[str]) -> None:
    for name in params.keys() - modelled:
        raise unmodelled(name)
