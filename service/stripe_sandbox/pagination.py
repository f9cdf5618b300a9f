"""List objects in pages, newest first: https://docs.stripe.com/api/pagination."""

from typing import Any

from stripe_sandbox.api_errors import ApiError, invalid_integer
from stripe_sandbox.objects import DISPUTE, DOMAIN, ENDPOINT, EVENT, LINK, PAYMENT, REFUND, SESSION
from stripe_sandbox.store import Store, Stored

COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

# Parameters that filter a list by the field of the same name.
FILTERS = {
    SESSION: ("customer", "customer_account", "payment_intent", "payment_link", "status", "subscription"),
    PAYMENT: ("customer", "customer_account"),
    EVENT: ("type",),
    REFUND: ("charge", "payment_intent"),
    DISPUTE: ("charge", "payment_intent"),
    ENDPOINT: (),
    LINK: ("active",),
    DOMAIN: ("domain_name", "enabled"),
}


def paginate(store: Store, kind: str, params: dict[str, Any]) -> tuple[list[Stored], bool]:
    """Return one page, and True if more follows in the direction of the cursor. Raise ApiError (400)."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid_integer(f"{limit}. This value must be between 1 and 100.", "limit")
    if "starting_after" in params and "ending_before" in params:
        raise ApiError(
            "You may only specify one of these parameters: ending_before, starting_after.", param="ending_before"
        )
    where, values = _conditions(kind, params)
    backwards = "ending_before" in params
    for name, operator in (("starting_after", "<"), ("ending_before", ">")):
        if name in params:
            where.append(f"seq {operator} ?")
            values.append(store.require(kind, params[name], name, status=400).seq)
    order = "ASC" if backwards else "DESC"
    found = store.find(f"{' AND '.join(where)} ORDER BY seq {order} LIMIT ?", [*values, limit + 1])
    shown = found[:limit]
    return (shown[::-1] if backwards else shown), len(found) > limit


def _conditions(kind: str, params: dict[str, Any]) -> tuple[list[str], list[Any]]:
    where: list[str] = ["kind = ?"]
    values: list[Any] = [kind]
    for name in FILTERS[kind]:
        if name in params:
            _add_filter(where, values, name, params[name])
    created = params.get("created", {})
    bounds = {"gte": created, "lte": created} if isinstance(created, int) else created
    for name, bound in bounds.items():
        where.append(f"json_extract(body, '$.created') {COMPARISONS[name]} ?")
        values.append(bound)
    if "customer_details" in params:
        where.append("json_extract(body, '$.customer_details.email') = ?")
        values.append(params["customer_details"]["email"])
    if "types" in params:
        where.append(f"json_extract(body, '$.type') IN ({', '.join('?' * len(params['types']))})")
        values.extend(params["types"])
    if "delivery_success" in params:
        where.append("(json_extract(body, '$.pending_webhooks') = 0) = ?")
        values.append(params["delivery_success"])
    return where, values


def _add_filter(where: list[str], values: list[Any], name: str, value: str) -> None:
    if name == "type" and "*" in value:
        where.append("json_extract(body, '$.type') GLOB ?")
        value = value.replace("[", "[[]").replace("?", "[?]")
    else:
        where.append(f"json_extract(body, '$.{name}') = ?")
    values.append(value)
