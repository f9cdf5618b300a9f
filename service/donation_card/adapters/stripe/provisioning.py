"""Create what Stripe needs before the first donation: webhook endpoint, payment links, domains for wallets.

Every `ensure_` method reads first and creates only what is missing, so it can be repeated.
"""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

import stripe

from donation_card.adapters.stripe.client import (
    StripeRejectedRequest,
    call,
    create_client,
    iterate_pages,
    mapped_parse_errors,
)
from donation_card.adapters.stripe.objects import DECLINE_EVENT, HANDLED_EVENTS
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.errors import NotFound, StripeKeyRejected

API_VERSION = stripe.api_version
"""The version of our requests, and of the endpoint that `stripe setup` creates. An endpoint keeps its version.

Stripe renders the object of an event in the version that the account had when it happened. `events.list` returns such
objects, and so does an endpoint without a version. So `objects` reads only fields that have the same meaning in every
version since 2023-10-16. docs/stripe.md lists them.
"""

WEBHOOK_EVENTS = (*HANDLED_EVENTS, DECLINE_EVENT)
"""The events that an endpoint must send, and no others: those that change totals, and the signal of card testing."""

METADATA_TAG = {"made_by": "donation-card"}
WALLETS = ("apple_pay", "google_pay")

NO_SESSION = "cs_donation_card_no_such_session"

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint at Stripe. Stripe returns the secret only when the endpoint is created."""

    id: str
    events: frozenset[str]
    api_version: str | None
    enabled: bool
    secret: str | None = None

    @property
    def missing_events(self) -> list[str]:
        return [] if "*" in self.events else sorted(set(WEBHOOK_EVENTS) - self.events)

    @property
    def extra_events(self) -> list[str]:
        return sorted(self.events - set(WEBHOOK_EVENTS))

    @property
    def is_up_to_date(self) -> bool:
        return self.enabled and not self.missing_events and not self.extra_events


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain for wallets. `problems`: wallet → why Stripe does not show it there."""

    enabled: bool
    problems: dict[str, str]


LISTED_RESOURCES = ("checkout/sessions", "payment_intents", "refunds", "disputes", "events")
"""The resources of Stripe's API that the service lists, as in `permissions.RIGHTS`."""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """The account of a key, and the time at Stripe."""

    id: str
    now: datetime
    takes_payments: bool
    statement_descriptor: str | None
    refused: StripeKeyRejected | None = None
    """The error, if the key may not read the account. Then only the id of the settings and the time are known."""


class StripeProvisioning:
    """Read and create the objects that the service needs at Stripe."""

    def __init__(self, secret_key: str, *, api_base: str | None = None) -> None:
        self._client, self._http = create_client(secret_key, api_base)

    @mapped_parse_errors()
    async def account_info(self, account_id: str | None = None) -> AccountInfo:
        """Raise StripeKeyRejected or PaymentsUnavailable if the key is no key of an account.

        `account_id` is the one of the settings, for a key that may not read the account.
        """
        try:
            found = await call(self._client.v1.accounts.retrieve_current_async())
        except StripeKeyRejected as error:
            refused = error.__cause__
            if not isinstance(refused, stripe.PermissionError):
                raise
            date = parsedate_to_datetime((refused.headers or {})["date"]).replace(tzinfo=UTC)
            return AccountInfo(account_id or "", date, True, None, error)
        fields = found.to_dict()
        headers = found.last_response.headers if found.last_response else {}
        payments = (fields.get("settings") or {}).get("payments") or {}
        return AccountInfo(
            found.id,
            parsedate_to_datetime(headers["date"]).replace(tzinfo=UTC),
            bool(fields.get("charges_enabled", True)),
            payments.get("statement_descriptor"),
        )

    async def missing_permissions(self) -> AsyncIterator[StripeKeyRejected]:
        """Yield the error of each right that a restricted key lacks. Every request is harmless: it changes nothing."""
        one = {"limit": 1}
        for resource in LISTED_RESOURCES:
            listed = attrgetter(resource.replace("/", "."))(self._client.v1).list_async
            if (error := await _refused(listed(one))) is not None:
                yield error
        # Stripe checks the right before it looks the session up: 403 without the right, 404 with it. An empty create is
        # no test, because some of its validation comes before the check of the right.
        expired = self._client.v1.checkout.sessions.expire_async(NO_SESSION)
        if (error := await _refused(expired)) is not None:
            yield error

    @mapped_parse_errors()
    async def checkout_origin(self, price: Money, return_url: str) -> str:
        """Return the origin of the page of a real session, which is expired at once."""
        item = {"currency": price.currency.lower(), "unit_amount": price.amount, "product_data": {"name": "doctor"}}
        params: Any = {
            "mode": "payment",
            "ui_mode": "hosted_page",
            "success_url": return_url,
            "line_items": [{"quantity": 1, "price_data": item}],
        }
        sessions = self._client.v1.checkout.sessions
        created = await call(sessions.create_async(params))
        await call(sessions.expire_async(created.id))
        parts = urlsplit(str(created.url))
        return f"{parts.scheme}://{parts.netloc}"

    @mapped_parse_errors()
    async def endpoint(self, url: str) -> Endpoint | None:
        """Return the endpoint of this URL. Prefer an enabled one."""
        found = None
        async for each in iterate_pages(self._client, "webhook_endpoints", limit=100):
            if each["url"] == url and (found is None or each["status"] == "enabled"):
                found = _endpoint(each)
        return found

    @mapped_parse_errors()
    async def ensure_webhook_endpoint(self, url: str) -> tuple[str, Endpoint]:
        """Create or update the endpoint of this URL, with exactly the events in `WEBHOOK_EVENTS`."""
        v1, events = self._client.v1, list(WEBHOOK_EVENTS)
        found = await self.endpoint(url)
        if found is None:
            params: Any = {"url": url, "enabled_events": events, "api_version": API_VERSION, "metadata": METADATA_TAG}
            return CREATED, _endpoint((await call(v1.webhook_endpoints.create_async(params))).to_dict())
        if found.is_up_to_date:
            return UNCHANGED, found
        changes: Any = {"enabled_events": events, "disabled": False}
        return UPDATED, _endpoint((await call(v1.webhook_endpoints.update_async(found.id, changes))).to_dict())

    @mapped_parse_errors()
    async def ensure_payment_link(self, campaign: Campaign, name: str) -> tuple[str, str]:
        """Ensure a page at Stripe where donors type the amount. Return its state and its URL. `name`: of the product.

        Sessions inherit the metadata of the link. Payments inherit nothing, so their metadata is set separately:
        refunds and disputes refer only to a payment.
        """
        attribution = {"campaign": campaign.id, "site": "fallback"}
        links = self._client.v1.payment_links
        async for fields in iterate_pages(self._client, "payment_links", active=True, limit=100):
            currency = campaign.currency.lower()
            if (fields["metadata"] or {}) != METADATA_TAG | attribution or fields["currency"] != currency:
                continue
            if ((fields.get("payment_intent_data") or {}).get("metadata") or {}) == attribution:
                return UNCHANGED, str(fields["url"])
            await call(links.update_async(fields["id"], {"payment_intent_data": {"metadata": attribution}}))
            return UPDATED, str(fields["url"])
        price: Any = await call(self._client.v1.prices.create_async(_price_params(campaign, name)))
        created = await call(
            links.create_async(
                {
                    "line_items": [{"price": price.id, "quantity": 1}],
                    "submit_type": "donate",
                    "customer_creation": "if_required",
                    "metadata": METADATA_TAG | attribution,
                    "payment_intent_data": {"metadata": attribution},
                }
            )
        )
        return CREATED, created.url

    @mapped_parse_errors()
    async def payment_methods(self) -> set[str]:
        """Return the types of payment methods that the account offers: those of its default configuration."""
        async for fields in iterate_pages(self._client, "payment_method_configurations", limit=100):
            if fields["is_default"] and fields["active"] and not fields["application"]:
                return {name for name, value in fields.items() if isinstance(value, dict) and value.get("available")}
        return set()

    @mapped_parse_errors()
    async def domain(self, name: str) -> Domain | None:
        page = await call(self._client.v1.payment_method_domains.list_async({"domain_name": name, "limit": 1}))
        return next((_domain(each.to_dict()) for each in page.data), None)

    @mapped_parse_errors()
    async def ensure_domain(self, name: str) -> tuple[str, Domain]:
        v1 = self._client.v1
        page = await call(v1.payment_method_domains.list_async({"domain_name": name, "limit": 1}))
        if not page.data:
            created = await call(v1.payment_method_domains.create_async({"domain_name": name}))
            return CREATED, _domain(created.to_dict())
        [found] = page.data
        if found.enabled:
            return UNCHANGED, _domain(found.to_dict())
        updated = await call(v1.payment_method_domains.update_async(found.id, {"enabled": True}))
        return UPDATED, _domain(updated.to_dict())

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # no types in the Stripe client


def _price_params(campaign: Campaign, name: str) -> Any:
    """Return the parameters of a product whose price the donor chooses within the limits of the campaign."""
    giving = campaign.giving
    custom_amount = {"enabled": True, "minimum": giving.minimum.amount, "maximum": giving.maximum.amount}
    if giving.suggested:
        custom_amount["preset"] = giving.suggested[0].amount
    return {
        "currency": campaign.currency.lower(),
        "custom_unit_amount": custom_amount,
        "product_data": {"name": name},
    }


def _endpoint(fields: Any) -> Endpoint:
    enabled = fields["status"] == "enabled"
    return Endpoint(
        fields["id"], frozenset(fields["enabled_events"]), fields.get("api_version"), enabled, fields.get("secret")
    )


def _domain(fields: Any) -> Domain:
    problems = {
        wallet: (fields[wallet].get("status_details") or {}).get("error_message") or fields[wallet]["status"]
        for wallet in WALLETS
        if fields[wallet]["status"] != "active"
    }
    return Domain(fields["enabled"], problems)


async def _refused(request: Awaitable[Any]) -> StripeKeyRejected | None:
    """Return the error if the key lacks the right to this request."""
    try:
        await call(request)
    except StripeKeyRejected as error:
        if isinstance(error.__cause__, stripe.PermissionError):
            return error
        raise
    except (NotFound, StripeRejectedRequest):  # Stripe had checked the right before
        return None
    return None
