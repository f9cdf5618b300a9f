"""List objects in pages, newest first: https://docs.stripe.com/api/pagination."""

import json
from collections.abc import Iterator
from typing import Any

from stripe_sandbox.api_errors import ApiError, invalid_integer
from stripe_sandbox.objects import CONFIGURATION, DISPUTE, DOMAIN, ENDPOINT, EVENT, LINK, PAYMENT, REFUND, SESSION
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
    CONFIGURATION: ("active",),
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
    conditions = list(_conditions(kind, params))
    backwards = "ending_before" in params
    for name, operator in (("starting_after", "<"), ("ending_before", ">")):
        if name in params:
            conditions.append((f"seq {operator} ?", store.require(kind, params[name], name, status=400).seq))
    where, order = " AND ".join(sql for sql, _ in conditions), "ASC" if backwards else "DESC"
    found = store.find(f"{where} ORDER BY seq {order} LIMIT ?", [*(value for _, value in conditions), limit + 1])
    shown = found[:limit]
    return (shown[::-1] if backwards else shown), len(found) > limit


def _conditions(kind: str, params: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield conditions in SQL, with the value of the `?` in each."""
    yield "kind = ?", kind
    for name in FILTERS[kind]:
        if name in params:
            yield _filter(name, params[name])
    created = params.get("created", {})
    bounds = {"gte": created, "lte": created} if isinstance(created, int) else created
    for name, bound in bounds.items():
        yield f"json_extract(body, '$.created') {COMPARISONS[name]} ?", bound
    if "customer_details" in params:
        yield "json_extract(body, '$.customer_details.email') = ?", params["customer_details"]["email"]
    if "types" in params:
        yield "json_extract(body, '$.type') IN (SELECT value FROM json_each(?))", json.dumps(params["types"])
    if "delivery_success" in params:
        yield "(json_extract(body, '$.pending_webhooks') = 0) = ?", params["delivery_success"]


def _filter(name: str, value: str) -> tuple[str, str]:
    if name == "type" and "*" in value:
        return "json_extract(body, '$.type') GLOB ?", value.replace("[", "[[]").replace("?", "[?]")
    return f"json_extract(body, '$.{name}') = ?", value
