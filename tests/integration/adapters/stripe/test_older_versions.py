"""Test objects of other versions: Stripe renders an event in the version that the account had when it happened."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from donation_card.errors import Invalid

from tests.live_check.comparison import FIELDS_READ
from tests.support.stripe_journeys import recorded
from tests.support.stripe_reads import KINDS, fields_read, parse_event
from tests.support.stripe_specification import description

OPTIONAL = {
    "checkout.session": ("amount_total", "client_secret", "expires_at", "metadata", "payment_intent", "url"),
    "refund": ("status",),
    "dispute": (),
}
"""Fields that the product reads and that an object may lack."""

OLDER = {
    "checkout.session": {
        "display_items": [{"amount": 1}],
        "shipping": None,
        "shipping_details": {},
        "ui_mode": "custom",
    },
    "refund": {"receipt_number": "1", "status_transitions": None},
    "dispute": {"balance_transaction": "txn_1", "network_details": None, "evidence_due_by": 1_800_000_000},
    "payment_intent": {"charges": {"object": "list", "data": [], "has_more": False}, "source": "card_1"},
}
"""Fields of older versions."""


def events() -> list[dict[str, Any]]:
    return [event for event in recorded().webhooks if "data" in event]


def subject(event: dict[str, Any]) -> dict[str, Any]:
    return event["data"]["object"]


def only_read_fields(event: dict[str, Any]) -> None:
    """Remove each field that the product does not read."""
    names = FIELDS_READ[subject(event)["object"]].split()
    event["data"] = {"object": {name: value for name, value in subject(event).items() if name in names}}
    for name in event.keys() - set(FIELDS_READ["event"].split()):
        del event[name]


def with_older_fields(event: dict[str, Any]) -> None:
    subject(event).update(OLDER[subject(event)["object"]])
    event["api_version"] = "2019-02-19"


def with_unknown_fields(event: dict[str, Any]) -> None:
    """Add fields of a later version at each level."""
    for part in (event, event["data"], subject(event), *subject(event).get("balance_transactions", ())):
        part.update({"later": {"object": "gift", "amount": 1}, "later_list": [None]})


@pytest.mark.parametrize("change", [only_read_fields, with_older_fields, with_unknown_fields])
def test_object_of_another_version_is_read_alike(change: Callable[[dict[str, Any]], None]) -> None:
    for event in events():
        changed = copy.deepcopy(event)
        change(changed)
        assert parse_event(changed) == parse_event(event), event["type"]


@pytest.mark.parametrize("value", ["missing", "null"])
@pytest.mark.parametrize("kind", KINDS)
def test_object_without_an_optional_field_is_read(kind: str, value: str) -> None:
    for event in events():
        for name in OPTIONAL[kind] if subject(event)["object"] == kind else ():
            changed = copy.deepcopy(event)
            subject(changed)[name] = None
            if value == "missing":
                del subject(changed)[name]
            try:
                parse_event(changed)
            except Invalid as error:
                pytest.fail(f"{event['type']} without {name}: {error}")


def test_product_reads_only_the_listed_fields() -> None:
    objects = {(owner, name) for each in fields_read(recorded()) for owner, _, name in [each.rpartition(".")]}
    read = {(owner, name) for owner, name in objects if owner in FIELDS_READ}
    assert {(owner, name) for owner, name in read if name not in FIELDS_READ[owner].split()} == {
        ("event", "account"),  # of a connected account, and
        ("event", "context"),  # of an organisation: other events lack them
    }


def test_every_field_that_is_read_is_in_the_older_description_too() -> None:
    schemas = description()["components"]["schemas"]
    kinds = {"checkout.session", "payment_intent", "charge", "refund", "dispute", "balance_transaction", "event"}
    for kind in kinds:
        assert set(FIELDS_READ[kind].split()) <= schemas[kind]["properties"].keys(), kind
