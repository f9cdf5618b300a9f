"""What has to be at Stripe before the first gift: a webhook endpoint, payment links, domains for wallets.

Every verb looks first and makes only what is missing, so that twice is the same as once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from operator import attrgetter
from typing import Any, Final

import stripe

from donation_card.adapters.stripe.client import (
    StripeRejectedRequest,
    call,
    create_client,
    iterate_pages,
    mapped_parse_errors,
)
from donation_card.adapters.stripe.payments import DECLINE_EVENT, HANDLED_EVENTS
from donation_card.domain.campaign import Campaign
from donation_card.errors import StripeKeyRejected

API_VERSION: Final = stripe.api_version
"""The version that our reading of events was written for; an endpoint keeps the one it was made with."""

WEBHOOK_EVENTS: Final = (*HANDLED_EVENTS, DECLINE_EVENT)
"""What an endpoint has to send, no more: what we join, and the sign of card testing."""

METADATA_TAG: Final = {"made_by": "donation-card"}
WALLETS: Final = ("apple_pay", "google_pay", "link")

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint as it is at Stripe; `secret` is told once, when it is made."""

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
    """`problems`: wallet → why it does not show there."""

    enabled: bool
    problems: dict[str, str]


READ_PERMISSIONS: Final = {
    "checkout.sessions": "Checkout Sessions",
    "payment_intents": "PaymentIntents",
    "refunds": "Charges and Refunds",
    "disputes": "Disputes",
    "events": "Events",
}
"""The resources of Stripe's API that the service lists, and the names of their permissions in the dashboard."""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """Whom a key opens, and what time it is there."""

    id: str
    now: datetime
    takes_payments: bool
    statement_descriptor: str | None


class StripeProvisioning:
    def __init__(self, secret_key: str, *, api_base: str | None = None) -> None:
        self._client, self._http = create_client(secret_key, api_base)

    async def account_info(self) -> AccountInfo:
        """Raises KeyRefused, PaymentsUnavailable."""
        found = await call(self._client.v1.accounts.retrieve_current_async())
        with mapped_parse_errors():
            told = found.to_dict()
            headers = found.last_response.headers if found.last_response else {}
            payments = (told.get("settings") or {}).get("payments") or {}
            return AccountInfo(
                found.id,
                parsedate_to_datetime(headers["date"]).replace(tzinfo=UTC),
                bool(told.get("charges_enabled", True)),
                payments.get("statement_descriptor"),
            )

    async def missing_permissions(self) -> AsyncIterator[str]:
        """Yield the permissions that a restricted key lacks. Every request is harmless: nothing is created."""
        one = {"limit": 1}
        for resource, names in READ_PERMISSIONS.items():
            listed = attrgetter(resource)(self._client.v1).list_async
            if not await _is_permitted(listed(one)):
                yield f"{names}: read"
        # An empty request is invalid, and without the permission it is forbidden.
        nothing: Any = {}
        if not await _is_permitted(self._client.v1.checkout.sessions.create_async(nothing)):
            yield f"{READ_PERMISSIONS['checkout.sessions']}: write"

    async def endpoint(self, url: str) -> Endpoint | None:
        found = None
        async for each in iterate_pages(self._client.v1.webhook_endpoints.list_async({"limit": 100})):
            if each.url == url and (found is None or each.status == "enabled"):
                found = _endpoint(each)
        return found

    async def ensure_webhook_endpoint(self, url: str) -> tuple[str, Endpoint]:
        """With exactly the events that we read."""
        v1, events = self._client.v1, list(WEBHOOK_EVENTS)
        there = await self.endpoint(url)
        if there is None:
            about: Any = {"url": url, "enabled_events": events, "api_version": API_VERSION, "metadata": METADATA_TAG}
            return CREATED, _endpoint(await call(v1.webhook_endpoints.create_async(about)))
        if there.is_up_to_date:
            return UNCHANGED, there
        changes: Any = {"enabled_events": events, "disabled": False}
        return UPDATED, _endpoint(await call(v1.webhook_endpoints.update_async(there.id, changes)))

    async def ensure_payment_link(self, campaign: Campaign, name: str) -> tuple[str, str]:
        """A page of Stripe's where a donor names the amount; gives its address. `name`: of what is bought there.

        The campaign is in the link's metadata, which its sessions inherit, and in that of its payments, which inherit
        nothing: a refund or a dispute knows only those.
        """
        v1, about = self._client.v1, {"campaign": campaign.id, "site": "fallback"}
        async for each in iterate_pages(v1.payment_links.list_async({"active": True, "limit": 100})):
            told = each.to_dict()
            if (told["metadata"] or {}) != METADATA_TAG | about or told["currency"] != campaign.currency.lower():
                continue
            if ((told.get("payment_intent_data") or {}).get("metadata") or {}) == about:
                return UNCHANGED, str(each.url)
            await call(v1.payment_links.update_async(each.id, {"payment_intent_data": {"metadata": about}}))
            return UPDATED, str(each.url)
        giving = campaign.giving
        asked_for: Any = {"enabled": True, "minimum": giving.minimum.amount, "maximum": giving.maximum.amount}
        if giving.suggested:
            asked_for["preset"] = giving.suggested[0].amount
        price = await call(
            v1.prices.create_async(
                {
                    "currency": campaign.currency.lower(),
                    "custom_unit_amount": asked_for,
                    "product_data": {"name": name},
                }
            )
        )
        link = await call(
            v1.payment_links.create_async(
                {
                    "line_items": [{"price": price.id, "quantity": 1}],
                    "submit_type": "donate",
                    "customer_creation": "if_required",
                    "metadata": METADATA_TAG | about,
                    "payment_intent_data": {"metadata": about},
                }
            )
        )
        return CREATED, link.url

    async def domain(self, name: str) -> Domain | None:
        page = await call(self._client.v1.payment_method_domains.list_async({"domain_name": name, "limit": 1}))
        with mapped_parse_errors():
            return next((_domain(each.to_dict()) for each in page.data), None)

    async def ensure_domain(self, name: str) -> tuple[str, Domain]:
        v1 = self._client.v1
        page = await call(v1.payment_method_domains.list_async({"domain_name": name, "limit": 1}))
        if not page.data:
            return CREATED, _domain(
                (await call(v1.payment_method_domains.create_async({"domain_name": name}))).to_dict()
            )
        [there] = page.data
        if there.enabled:
            return UNCHANGED, _domain(there.to_dict())
        changed = await call(v1.payment_method_domains.update_async(there.id, {"enabled": True}))
        return UPDATED, _domain(changed.to_dict())

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the library left it untyped


def _endpoint(found: Any) -> Endpoint:
    with mapped_parse_errors():
        told = found.to_dict()
        enabled = told["status"] == "enabled"
        return Endpoint(told["id"], frozenset(told["enabled_events"]), told["api_version"], enabled, told.get("secret"))


def _domain(told: Any) -> Domain:
    with mapped_parse_errors():
        problems = {
            wallet: (told[wallet].get("status_details") or {}).get("error_message") or told[wallet]["status"]
            for wallet in WALLETS
            if told[wallet]["status"] != "active"
        }
        return Domain(told["enabled"], problems)


async def _is_permitted(answer: Awaitable[Any]) -> bool:
    try:
        await call(answer)
    except StripeKeyRejected as error:
        if isinstance(error.__cause__, stripe.PermissionError):
            return False
        raise
    except StripeRejectedRequest:  # for what we sent, and so after the right was looked at
        return True
    return True
