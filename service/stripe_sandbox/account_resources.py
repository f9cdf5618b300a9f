"""Create and change what is set up once.

Webhook endpoints, prices, payment links, payment method domains, and which payment methods are on.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from stripe.params import (
    PaymentLinkCreateParams,
    PaymentLinkUpdateParams,
    PaymentMethodConfigurationUpdateParams,
    PaymentMethodDomainCreateParams,
    PaymentMethodDomainUpdateParams,
    PriceCreateParams,
    PriceRetrieveParams,
    WebhookEndpointCreateParams,
    WebhookEndpointUpdateParams,
)

from stripe_sandbox import currencies
from stripe_sandbox.api import ApiRequest, Endpoint
from stripe_sandbox.api_errors import ApiError, unsupported
from stripe_sandbox.clock import Clock
from stripe_sandbox.ids import new_id
from stripe_sandbox.objects import DOMAIN, ENDPOINT, LINK, PRICE, Json, new_domain, new_endpoint, new_link, new_price
from stripe_sandbox.param_validation import validate
from stripe_sandbox.payment_method_configurations import PaymentMethodConfigurations
from stripe_sandbox.sandbox_settings import SandboxSettings
from stripe_sandbox.session_rules import check_minimum, is_web_url
from stripe_sandbox.store import Store, Stored

MAX_ENDPOINTS = 16
"""Limit of Stripe: https://docs.stripe.com/webhooks#register-webhook."""

PRIVATE_DOMAINS = frozenset(["home", "internal", "lan", "local", "localhost", "test"])

LINK_PARAMS = {"line_items", "metadata", "payment_intent_data", "submit_type", "customer_creation", "active"}
PRICE_PARAMS = {"currency", "custom_unit_amount", "metadata", "nickname", "product_data"}


class AccountResources:
    def __init__(
        self, store: Store, clock: Clock, settings: SandboxSettings, methods: PaymentMethodConfigurations
    ) -> None:
        self._store, self._clock, self._settings, self._methods = store, clock, settings, methods
        self.routes: dict[tuple[str, str], Endpoint] = {
            ("POST", "/v1/webhook_endpoints"): self.create_endpoint,
            ("POST", "/v1/webhook_endpoints/{id}"): self.update_endpoint,
            ("DELETE", "/v1/webhook_endpoints/{id}"): self.delete_endpoint,
            ("POST", "/v1/prices"): self.create_price,
            ("GET", "/v1/prices/{id}"): self.get_price,
            ("POST", "/v1/payment_links"): self.create_link,
            ("POST", "/v1/payment_links/{id}"): self.update_link,
            ("POST", "/v1/payment_method_domains"): self.create_domain,
            ("POST", "/v1/payment_method_domains/{id}"): self.update_domain,
            ("POST", "/v1/payment_method_configurations/{id}"): self.update_configuration,
        }

    def create_endpoint(self, request: ApiRequest) -> Json:
        """Create an endpoint. Only this response contains its secret."""
        params = validate(request.params, WebhookEndpointCreateParams)
        self._check_endpoint(params)
        if len(self._store.find("kind = ?", [ENDPOINT])) >= MAX_ENDPOINTS:
            raise ApiError(f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints.")
        body, secret = new_endpoint(params, self._now()), "whsec_" + new_id("", 32)
        self._store.add(body, {"secret": secret})
        return body | {"secret": secret}

    def update_endpoint(self, request: ApiRequest) -> Json:
        params = validate(request.params, WebhookEndpointUpdateParams)
        self._check_endpoint(params)
        found = self._store.require(ENDPOINT, request.id, ENDPOINT)
        if "disabled" in params:
            params["status"] = "disabled" if params.pop("disabled") else "enabled"
        return self._update(found, params)

    def delete_endpoint(self, request: ApiRequest) -> Json:
        found = self._store.require(ENDPOINT, request.id, ENDPOINT)
        self._store.write("DELETE FROM objects WHERE seq = ?", [found.seq])
        return {"id": found.id, "object": ENDPOINT, "deleted": True}

    def create_price(self, request: ApiRequest) -> Json:
        params = validate(request.params, PriceCreateParams)
        _reject_unsupported(params, PRICE_PARAMS)
        custom = params.get("custom_unit_amount")
        if not custom or not custom["enabled"]:
            raise unsupported("unit_amount")
        if "product_data" not in params:
            raise ApiError("You must provide one of `product` or `product_data`.", param="product")
        if params["currency"] not in currencies.SUPPORTED:
            raise ApiError(f"Invalid currency: {params['currency'][:20]}.", param="currency")
        for name in ("minimum", "maximum", "preset"):
            if name in custom:
                check_minimum(custom[name], f"custom_unit_amount[{name}]", 1)
        least, most = custom.get("minimum", 1), custom.get("maximum", currencies.MAX_AMOUNT)
        if not least <= custom.get("preset", least) <= most:
            raise ApiError("`preset` must lie between `minimum` and `maximum`.", param="custom_unit_amount[preset]")
        body = new_price(params, self._now())
        self._store.add(body, {"name": params["product_data"]["name"]})
        return body

    def get_price(self, request: ApiRequest) -> Json:
        validate(request.params, PriceRetrieveParams)
        return self._store.require(PRICE, request.id, PRICE).body

    def create_link(self, request: ApiRequest) -> Json:
        params = validate(request.params, PaymentLinkCreateParams)
        _reject_unsupported(params, LINK_PARAMS)
        if len(params["line_items"]) != 1 or set(params["line_items"][0]) != {"price", "quantity"}:
            raise unsupported("line_items with more than one price")
        [item] = params["line_items"]
        price = self._store.require(PRICE, item["price"], "line_items[0][price]", status=400)
        if item["quantity"] != 1:
            raise ApiError("A price with `custom_unit_amount` has the quantity 1.", param="line_items[0][quantity]")
        body = new_link(params, price.body["currency"], self._settings.public_url)
        self._store.add(body, {"price": price.id})
        return body

    def update_link(self, request: ApiRequest) -> Json:
        params = validate(request.params, PaymentLinkUpdateParams)
        _reject_unsupported(params, LINK_PARAMS - {"line_items"})
        found = self._store.require(LINK, request.id, LINK)
        if "payment_intent_data" in params:
            params["payment_intent_data"] = found.body["payment_intent_data"] | params["payment_intent_data"]
        return self._update(found, params)

    def create_domain(self, request: ApiRequest) -> Json:
        """Create a domain, or return the existing one as Stripe does."""
        params = validate(request.params, PaymentMethodDomainCreateParams)
        name = params["domain_name"]
        if not re.fullmatch(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", name):
            raise ApiError(f"Invalid domain name: {name[:100]}", param="domain_name")
        known = self._store.find("kind = ? AND json_extract(body, '$.domain_name') = ?", [DOMAIN, name])
        if known:
            return known[0].body
        body = new_domain(name, self._now(), enabled=params.get("enabled", True))
        self._store.add(body)
        return body

    def update_domain(self, request: ApiRequest) -> Json:
        params = validate(request.params, PaymentMethodDomainUpdateParams)
        return self._update(self._store.require(DOMAIN, request.id, DOMAIN), params)

    def update_configuration(self, request: ApiRequest) -> Json:
        return self._methods.update(request.id, validate(request.params, PaymentMethodConfigurationUpdateParams))

    def _check_endpoint(self, params: Json) -> None:
        if "url" in params and not is_web_url(params["url"]):
            raise _invalid_url("An explicit scheme (such as https) must be provided.")
        if "url" in params and not (self._settings.allow_private_webhooks or is_public(params["url"])):
            raise _invalid_url(
                "URL must be publicly accessible. Consider using a tool like the Stripe CLI to test webhooks locally."
            )
        if params.get("enabled_events") == []:
            raise ApiError("You must pass at least one event.", param="enabled_events")

    def _now(self) -> int:
        return int(self._clock.now())

    def _update(self, found: Stored, params: Json) -> Json:
        """Merge metadata and replace all other fields: https://docs.stripe.com/api/metadata."""
        merged = {"metadata": found.body["metadata"] | params["metadata"]} if "metadata" in params else {}
        found.body.update(params | merged)
        self._store.save(found)
        return found.body


def _invalid_url(reason: str) -> ApiError:
    return ApiError(f"Invalid URL: {reason}", code="url_invalid", param="url")


def is_public(url: str) -> bool:
    """Return False for addresses and names that are not on the public internet. Names are not looked up."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and host.rpartition(".")[2] not in PRIVATE_DOMAINS


def _reject_unsupported(params: Json, modelled: set[str]) -> None:
    for name in params.keys() - modelled:
        raise unsupported(name)
