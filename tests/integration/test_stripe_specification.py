"""Test every message of the journeys against Stripe's published description and the pinned types."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import stripe
from donation_card.adapters.stripe.objects import DECLINE_EVENT, HANDLED_EVENTS

from tests.support.stripe_journeys import recorded
from tests.support.stripe_specification import (
    PINNED_ONLY,
    event_errors,
    request_errors,
    response_errors,
    template_of,
    unknown_errors,
)
from tests.support.stripe_traffic import Exchange, Traffic
from tests.support.stripe_types import (
    OBJECT_TYPES,
    PACKAGE,
    PARAMETER_TYPES,
    PINNED_ONLY_FIELDS,
    Program,
    completed,
    copy_types,
    objects_in,
    typed_params,
)


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return recorded()


def operation(exchange: Exchange) -> str:
    return f"{exchange.method} {template_of(exchange.path)}"


def requests(traffic: Traffic) -> list[tuple[str, dict[str, Any]]]:
    """Return the requests of the product as operation and typed parameters."""
    sent = [exchange for exchange in traffic.exchanges if exchange.from_product]
    return [(operation(each), typed_params(operation(each), each.params)) for each in sent]


def objects(traffic: Traffic) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects of all answers and webhooks with the words that name them in an error."""
    found = [
        (operation(each), one) for each in traffic.exchanges if each.status == 200 for one in objects_in(each.json)
    ]
    return found + [(event["type"], event) for event in events(traffic)]


def events(traffic: Traffic) -> list[dict[str, Any]]:
    """Return the webhooks without those that `doctor` signs itself."""
    return [event for event in traffic.webhooks if event["type"] != "donation_card.doctor"]


@pytest.fixture(scope="module")
def differences(traffic: Traffic) -> set[str]:
    """Return what Stripe's description does not allow."""
    found = [error for name, params in requests(traffic) for error in request_errors(*name.split(), params)]
    unique = {(each.method, each.path, each.answer): each for each in traffic.exchanges}.values()
    for each in unique:
        found += response_errors(each.method, str(template_of(each.path)), each.status, each.json)
    return set(found + [error for event in events(traffic) for error in event_errors(event)])


def test_journeys_make_every_kind_of_request(traffic: Traffic) -> None:
    assert {name for name, _ in requests(traffic)} == PARAMETER_TYPES.keys()


def test_journeys_receive_every_kind_of_event(traffic: Traffic) -> None:
    seen = {event["type"] for event in events(traffic)}
    assert seen >= set(HANDLED_EVENTS) - {"charge.refund.updated"} | {DECLINE_EVENT}


def test_every_message_is_as_stripe_describes_it(differences: set[str]) -> None:
    assert unknown_errors(sorted(differences)) == []


def test_every_exception_is_still_needed(differences: set[str]) -> None:
    assert [known for known in PINNED_ONLY if not any(re.match(known, error) for error in differences)] == []


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("types")
    copy_types(folder)
    return folder


def test_every_message_fits_the_pinned_types(traffic: Traffic, types: Path) -> None:
    program = Program(types)
    for name, params in requests(traffic):
        program.add(name, PARAMETER_TYPES[name], params)
    for name, value in objects(traffic):
        program.add(name, OBJECT_TYPES[value["object"]], completed(value))
    assert program.errors() == []


def test_both_packages_have_the_pinned_version() -> None:
    assert f'"{stripe.api_version}"' in (PACKAGE / "apiVersion.d.ts").read_text("utf-8")


def test_every_request_names_the_version_and_a_valid_key(traffic: Traffic) -> None:
    sent = [exchange for exchange in traffic.exchanges if exchange.from_product]
    assert {exchange.headers["stripe-version"] for exchange in sent} == {stripe.api_version}
    keys = [exchange.headers.get("idempotency-key") for exchange in sent if exchange.path == "/v1/checkout/sessions"]
    assert {len(key) <= 255 for key in keys if key} == {True}


SESSION = "/v1/checkout/sessions"


@pytest.mark.parametrize(
    "change",
    [
        {"gift": True},
        {"amount_total": "2500"},
        {"amount_total": None, "created": None},
        {"payment_status": "given"},
        {"adaptive_pricing": {"enabled": True, "rate": 4}},
    ],
    ids=["unknown field", "wrong type", "null", "unknown value", "unknown field inside"],
)
def test_a_wrong_answer_is_found(traffic: Traffic, change: dict[str, Any]) -> None:
    answer = next(each.json for each in traffic.exchanges if (each.method, each.path) == ("POST", SESSION))
    assert list(response_errors("POST", SESSION, 200, copy.deepcopy(answer) | change)) != []


def test_a_missing_field_is_found(traffic: Traffic) -> None:
    answer = next(each.json for each in traffic.exchanges if (each.method, each.path) == ("POST", SESSION))
    assert list(response_errors("POST", SESSION, 200, {name: answer[name] for name in answer if name != "created"}))


@pytest.mark.parametrize(
    "change",
    [
        {"gift": True},
        {"expires_at": "soon"},
        {"ui_mode": "embedded"},
        {"custom_text": {"submit": {"message": "a" * 1_201}}},
        {"wallet_options": {"link": {"display": "never", "colour": "red"}}},
    ],
    ids=["unknown parameter", "wrong type", "unknown value", "too long", "unknown parameter inside"],
)
def test_a_wrong_request_is_found(traffic: Traffic, types: Path, change: dict[str, Any]) -> None:
    params = next(params for name, params in requests(traffic) if name == f"POST {SESSION}") | change
    assert list(request_errors("POST", SESSION, params)) != []
    program = Program(types)
    program.add("request", PARAMETER_TYPES[f"POST {SESSION}"], params)
    assert ("custom_text" in change) or program.errors() != []  # types know no lengths


def test_unknown_operation_is_found() -> None:
    assert list(request_errors("POST", "/v1/gifts", {})) == ["POST /v1/gifts: no such operation"]


def test_pinned_only_fields_are_left_out(traffic: Traffic) -> None:
    for name, value in objects(traffic):
        missing = completed(value).keys() - value.keys()
        assert {f"{value['object']}.{field}" for field in missing} <= PINNED_ONLY_FIELDS.keys(), name
