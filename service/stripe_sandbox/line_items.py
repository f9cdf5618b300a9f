"""Validate the line items of a session and add them up."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from stripe_sandbox import currencies
from stripe_sandbox.api_errors import ApiError, missing_param, no_such, unsupported
from stripe_sandbox.ids import new_id
from stripe_sandbox.session_rules import check_minimum

MAX_LINE_ITEMS = 100


def price_line_items(items: list[dict[str, Any]], now: int) -> tuple[list[dict[str, Any]], int, str]:
    """Return the line items as the API shows them, their total in minor units, and their currency.

    Raise ApiError (400), also if the total is outside of the limits of the currency.
    """
    if len(items) > MAX_LINE_ITEMS:
        raise ApiError(f"You can pass up to {MAX_LINE_ITEMS} line items.", param="line_items")
    shown = [_item(item, f"line_items[{position}]", now) for position, item in enumerate(items)]
    used = {item["currency"] for item in shown}
    if len(used) > 1:
        raise ApiError(
            f"All line items must be in one currency; you passed {', '.join(sorted(used))}.", param="line_items"
        )
    currency = used.pop()
    total = sum(item["amount_total"] for item in shown)
    _check_total(total, currency)
    return shown, total, currency


def _item(item: dict[str, Any], path: str, now: int) -> dict[str, Any]:
    if "price" in item and "price_data" in item:
        raise ApiError("You may only specify one of these parameters: price, price_data.", param=path)
    if "price" in item:
        raise no_such("price", item["price"], f"{path}[price]", status=400)
    if "price_data" not in item:
        raise missing_param(f"{path}[price_data]")
    if "quantity" not in item:
        raise ApiError(
            f"Quantity is required. Add `quantity` to `{path}`.", code="parameter_missing", param=f"{path}[quantity]"
        )
    check_minimum(item["quantity"], f"{path}[quantity]", 1)
    for name in ("adjustable_quantity", "tax_rates"):
        if name in item and item[name] != {"enabled": False}:
            raise unsupported(f"{path}[{name}]")
    price, quantity = _price(item["price_data"], f"{path}[price_data]", now), item["quantity"]
    amount = int((Decimal(price["unit_amount_decimal"]) * quantity).to_integral_value(ROUND_HALF_UP))
    return {
        "id": new_id("li_"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": item["price_data"]["product_data"]["name"],
        "metadata": item.get("metadata", {}),
        "price": price,
        "quantity": quantity,
    }


def _price(data: dict[str, Any], path: str, now: int) -> dict[str, Any]:
    _require_exactly_one(data, "product", "product_data", path)
    _require_exactly_one(data, "unit_amount", "unit_amount_decimal", path)
    if "product" in data:
        raise no_such("product", data["product"], f"{path}[product]", status=400)
    if "recurring" in data:
        raise ApiError(
            "You specified `payment` mode but passed a recurring price. "
            "Either switch to `subscription` mode or use only one-time prices.",
            param=f"{path}[recurring]",
        )
    currency = data["currency"].lower()
    if currency not in currencies.SUPPORTED:
        raise ApiError(f"Invalid currency: {currency[:20]}. Stripe does not support it.", param=f"{path}[currency]")
    given = "unit_amount" if "unit_amount" in data else "unit_amount_decimal"
    check_minimum(data[given], f"{path}[{given}]", 0)
    step = currencies.granularity(currency)
    if step > 1 and data[given] % step:
        raise ApiError(f"Invalid amount: {currency} amounts must be multiples of {step}.", param=f"{path}[{given}]")
    return {
        "id": new_id("price_"),
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": new_id("prod_"),
        "recurring": None,
        "tax_behavior": data.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": data.get("unit_amount"),
        "unit_amount_decimal": str(data[given]),
    }


def _require_exactly_one(data: dict[str, Any], one: str, other: str, path: str) -> None:
    if one in data and other in data:
        raise ApiError(f"You may only specify one of these parameters: {one}, {other}.", param=f"{path}[{other}]")
    if one not in data and other not in data:
        raise missing_param(f"{path}[{one}]")


def _check_total(total: int, currency: str) -> None:
    smallest = currencies.MIN_AMOUNT.get(currency, 1)
    if total < smallest:
        least = currencies.to_major_units(smallest, currency)
        raise ApiError(
            f"The Checkout Session's total amount due must add up to at least {least} {currency}",
            code="amount_too_small",
        )
    if total > currencies.MAX_AMOUNT:
        most = currencies.to_major_units(currencies.MAX_AMOUNT, currency)
        raise ApiError(
            f"The Checkout Session's total amount must be no more than {most} {currency}", code="amount_too_large"
        )
