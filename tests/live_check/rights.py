"""Find the rights that the key lacks. Every request is harmless: it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
from donation_card.adapters.stripe.client import resource_of
from donation_card.adapters.stripe.permissions import RIGHTS, missing_right
from donation_card.adapters.stripe.provisioning import LISTED_RESOURCES, NO_SESSION

from tests.live_check.stripe_api import SESSIONS

if TYPE_CHECKING:
    from tests.live_check.check import LiveCheck

ACCOUNT = ("GET", "/v1/account", {})
PROBES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    *(("GET", f"/v1/{resource}", {"limit": 1}) for resource in LISTED_RESOURCES),
    ("POST", f"{SESSIONS}/{NO_SESSION}/expire", {}),  # 403 without the right, 404 with it
    ("POST", "/v1/refunds", {"payment_intent": "pi_donation_card_no_such_payment"}),  # for the step refund only
)


ALL_RIGHTS = [f"{right}_{level}" for right, _ in RIGHTS.values() for level in ("read", "write")]


def find_missing_rights(check: LiveCheck) -> Iterator[str]:
    """Yield each right that the key lacks, with its row in the dashboard and Stripe's own words."""
    for method, path, params in PROBES if check.account else (ACCOUNT, *PROBES):
        try:
            response = check.stripe.call(method, path, params)
        except Exception:
            check.missing_rights |= dict.fromkeys(
                ALL_RIGHTS, "Stripe did not answer, so the rights of the key are unknown"
            )
            raise
        if response.status_code == httpx.codes.UNAUTHORIZED:
            check.missing_rights |= dict.fromkeys(ALL_RIGHTS, "Stripe rejects the key")
            yield f"Stripe rejects the key: {words_of(response)}"
            return
        if response.status_code != httpx.codes.FORBIDDEN:
            continue
        named = missing_right(method, resource_of(path))
        right, row = named["right"], named["dashboard"]
        check.missing_rights[right] = f"the key lacks {right} (dashboard: {row})"
        instead = " (or set STRIPE_ACCOUNT)" if path == ACCOUNT[1] else ""
        yield f"add “{row}”: {right}{instead}. Stripe says: {words_of(response)}"
        if right not in words_of(response):
            yield f"Stripe names another right than {right}: correct adapters/stripe/permissions.py"


def words_of(response: httpx.Response) -> str:
    """Return the message of an error of Stripe."""
    return str(response.json().get("error", {}).get("message", ""))
