"""Test that an invalid session is refused with Stripe's status, code and parameter."""

from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlencode

import pytest
import stripe
from stripe._encode import _api_encode
from stripe.params.checkout import SessionCreateParams
from stripe_sandbox.param_validation import param_types

from tests.support.sandbox import NOON, Sandbox, amount, embedded, gift

SUFFIX = "payment_intent_data[statement_descriptor_suffix]"
PRICE = "line_items[0][price_data]"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def suffix(text: str) -> dict[str, Any]:
    return {"payment_intent_data": {"statement_descriptor_suffix": text}}


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"mode": None}, "parameter_missing", "mode"),
        ({"line_items": None}, "parameter_missing", "line_items"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"return_url": "https://card.example"}, None, "return_url"),
        ({"redirect_on_completion": "never"}, None, "redirect_on_completion"),
        (embedded(success_url="https://card.example"), None, "success_url"),
        (embedded(cancel_url="https://card.example"), None, "cancel_url"),
        (embedded(return_url="https://card.example"), None, "return_url"),
        (embedded(redirect_on_completion=None), "parameter_missing", "return_url"),
        (embedded(ui_mode="embedded"), None, "ui_mode"),
        (embedded(ui_mode="elements"), None, "submit_type"),
        (
            embedded(ui_mode="elements", submit_type=None, custom_text={"submit": {"message": "Hi"}}),
            None,
            "custom_text",
        ),
        (embedded(ui_mode="elements", submit_type=None), "sandbox_unsupported", "ui_mode=elements"),
        ({"mode": "setup"}, None, "payment_intent_data"),
        ({"mode": "subscription"}, None, "payment_intent_data"),
        (
            {"mode": "subscription", "payment_intent_data": None, "customer_creation": "always"},
            None,
            "customer_creation",
        ),
        ({"mode": "subscription", "payment_intent_data": None}, "sandbox_unsupported", "mode=subscription"),
        ({"subscription_data": {"description": "x"}}, None, "subscription_data"),
        ({"locale": "be"}, None, "locale"),
        ({"success_url": "/thanks"}, "url_invalid", "success_url"),
        ({"success_url": "javascript:alert(1)"}, "url_invalid", "success_url"),
        ({"success_url": "https://a.example;script-src *"}, "url_invalid", "success_url"),
        ({"cancel_url": "https://a.example:port/"}, "url_invalid", "cancel_url"),
        ({"line_items": amount(2500.5)}, "parameter_invalid_integer", f"{PRICE}[unit_amount]"),
        ({"line_items": amount(-1)}, "parameter_invalid_integer", f"{PRICE}[unit_amount]"),
        ({"line_items": amount(49)}, "amount_too_small", None),
        ({"line_items": amount(29, "gbp")}, "amount_too_small", None),
        ({"line_items": amount(100_000_000)}, "amount_too_large", None),
        ({"line_items": amount(1250, "isk")}, None, f"{PRICE}[unit_amount]"),
        ({"line_items": amount(1255, "kwd")}, None, f"{PRICE}[unit_amount]"),
        ({"line_items": amount(2500, "zzz")}, None, f"{PRICE}[currency]"),
        ({"line_items": amount(None)}, "parameter_missing", f"{PRICE}[unit_amount]"),
        ({"line_items": amount(2500, unit_amount_decimal="2500")}, None, f"{PRICE}[unit_amount_decimal]"),
        ({"line_items": amount(2500, product="prod_1")}, None, f"{PRICE}[product_data]"),
        ({"line_items": amount(2500, product_data=None)}, "parameter_missing", f"{PRICE}[product]"),
        ({"line_items": amount(2500, product_data=None, product="prod_1")}, "resource_missing", f"{PRICE}[product]"),
        ({"line_items": amount(2500, recurring={"interval": "month"})}, None, f"{PRICE}[recurring]"),
        ({"line_items": amount(2500) + amount(2500, "usd")}, None, "line_items"),
        ({"line_items": [{"price": "price_1", "quantity": 1}]}, "resource_missing", "line_items[0][price]"),
        ({"line_items": [{"quantity": 1}]}, "parameter_missing", PRICE),
        ({"line_items": [amount(2500)[0] | {"quantity": 0}]}, "parameter_invalid_integer", "line_items[0][quantity]"),
        (
            {"line_items": [{"price_data": amount(2500)[0]["price_data"]}]},
            "parameter_missing",
            "line_items[0][quantity]",
        ),
        ({"line_items": [amount(2500)[0] | {"tax_rates": ["t"]}]}, "sandbox_unsupported", "line_items[0][tax_rates]"),
        ({"expires_at": int(NOON) + 1799}, None, "expires_at"),
        ({"expires_at": int(NOON) + 86_401}, None, "expires_at"),
        ({"metadata": {str(n): "x" for n in range(51)}}, None, "metadata"),
        ({"metadata": {"k" * 41: "x"}}, None, "metadata"),
        ({"metadata": {"k": "x" * 501}}, None, "metadata[k]"),
        ({"payment_intent_data": {"metadata": {"k": "x" * 501}}}, None, "payment_intent_data[metadata][k]"),
        ({"payment_intent_data": {"statement_descriptor": "ROOF"}}, None, "payment_intent_data[statement_descriptor]"),
        (suffix("R" * 23), None, SUFFIX),
        (suffix("ROOF*1"), None, SUFFIX),
        (suffix("2026"), None, SUFFIX),
        (suffix("КРЫША"), None, SUFFIX),
        (
            {"payment_intent_data": {"capture_method": "manual"}},
            "sandbox_unsupported",
            "payment_intent_data[capture_method]=manual",
        ),
        ({"customer": "cus_1"}, "resource_missing", "customer"),
        ({"customer_email": "ada"}, "email_invalid", "customer_email"),
        ({"customer_update": {"name": "auto"}}, None, "customer_update"),
        ({"client_reference_id": "x" * 201}, None, "client_reference_id"),
        ({"custom_text": {"submit": {"message": "x" * 1201}}}, None, "custom_text[submit][message]"),
        ({"discounts": [{"coupon": "half"}]}, "sandbox_unsupported", "discounts"),
        ({"expand": ["customer"]}, "property_not_expandable", "expand"),
    ],
)
def test_invalid_session_is_refused(
    shared: Sandbox, changes: dict[str, Any], code: str | None, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        shared.create(**changes)
    assert (refusal.value.http_status, refusal.value.code, refusal.value.param) == (400, code, param)


def sample(hint: Any) -> Any:
    """Return a value that a generated type allows, with all optional parts."""
    if hasattr(hint, "__required_keys__"):
        return {name: sample(part) for name, part in param_types(hint).items()}
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return next(choice for choice in arguments[::-1] if choice)
    if get_origin(hint) is list:
        return [sample(arguments[0])]
    if get_origin(hint) is dict:
        return {"name": "value"}
    if arguments:
        return sample(
            next(one for one in arguments if one not in (str, Literal[""]))
            if set(arguments) - {str, Literal[""]}
            else str
        )
    return {str: "text", int: 1, bool: "true"}.get(hint, 1)


@pytest.mark.parametrize("name", param_types(SessionCreateParams))
def test_every_stripe_parameter_is_accepted_or_named(shared: Sandbox, name: str) -> None:
    params = gift(**{name: sample(param_types(SessionCreateParams)[name])})
    answer = shared.call("POST", "/v1/checkout/sessions", content=urlencode(list(_api_encode(params))), headers=FORM)
    assert answer.status_code in (200, 400)
    assert answer.status_code == 200 or answer.json()["error"].get("code") != "parameter_unknown"


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_at": int(NOON) + 1800},
        {"expires_at": int(NOON) + 86_400},
        {"metadata": {"k" * 40: "x" * 500}},
        {"line_items": amount(50)},
        {"line_items": amount(50, "jpy")},
        {"line_items": amount(2500, "EUR")},
        {"line_items": amount(None, unit_amount_decimal="2500.0")},
        {"locale": "en-GB"},
        {"adaptive_pricing": {"enabled": False}},
        {"custom_text": {"submit": {"message": "Thank you"}}},
        {"automatic_tax": {"enabled": False}},
        suffix("ROOF 2026"),
        embedded(),
        embedded(redirect_on_completion="if_required", return_url="https://card.example"),
    ],
)
def test_valid_session_is_accepted(shared: Sandbox, changes: dict[str, Any]) -> None:
    assert shared.create(**changes).status == "open"
