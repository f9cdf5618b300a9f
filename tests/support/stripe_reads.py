"""Measure which fields of Stripe's objects the product reads."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import stripe
from donation_card.adapters.stripe import payments as stripe_payments
from donation_card.adapters.stripe.objects import parse_attribution, parse_object
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.ports.payments import Account
from donation_card.errors import IgnoredEvent

from tests.support.stripe_traffic import Traffic
from tests.support.stripe_types import objects_in

KINDS = {"checkout.session": "session", "refund": "refund", "dispute": "dispute"}
SECRET = "whsec_0123456789abcdef0123"


class Watched(dict[str, Any]):
    """Note each key that is read as `object.key`. A part without `object` is named after its parent and its key."""

    def __init__(self, value: dict[str, Any], read: set[str], name: str = "") -> None:
        self.read, self.name = read, str(value.get("object") if isinstance(value.get("object"), str) else name)
        super().__init__({key: self._watch(each, key) for key, each in value.items()})

    def _watch(self, value: Any, key: str) -> Any:
        if isinstance(value, list):
            return [self._watch(each, key) for each in value]
        return Watched(value, self.read, f"{self.name}.{key}") if isinstance(value, dict) else value

    def __getitem__(self, key: str) -> Any:
        self.read.add(f"{self.name}.{key}")
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(f"{self.name}.{key}")
        return super().get(key, default)


def fields_read(traffic: Traffic) -> set[str]:
    """Return the fields that the product reads in lists, single objects and webhooks."""
    read: set[str] = set()
    for exchange in traffic.exchanges:
        if exchange.status == 200:
            _parse_objects(Watched(each, read) for each in objects_in(exchange.json))
    for event in traffic.webhooks:
        parse_event(Watched(event, read))
    return read


def _parse_objects(objects: Iterable[Watched]) -> None:
    for each in objects:
        if (kind := KINDS.get(each.name)) is not None:
            parse_object(kind, each)
        if each.name == "payment_intent":
            parse_attribution(each)


def parse_event(event: dict[str, Any]) -> Any:
    """Parse a webhook as the service does; None for an event that does not concern it."""
    now = datetime.now(UTC)
    header = stripe.WebhookSignature.generate_signature_header("{}", SECRET, int(now.timestamp()))
    client = StripePayments("sk_test_ada", [SECRET], account_id="acct_1")
    with patch.object(stripe_payments.json, "loads", lambda body: event):
        try:
            return client.parse_event(b"{}", header.encode(), now, Account("acct_1", livemode=False))
        except IgnoredEvent:
            return None
