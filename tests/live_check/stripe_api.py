"""Send requests to one of the two Stripes, and remember the sessions that they create."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import stripe
from donation_card.adapters.stripe.objects import create_params
from donation_card.application.ports.payments import CheckoutOrder, PaymentPage, UiMode
from donation_card.domain.money import Money
from stripe._encode import _api_encode

SESSIONS = "/v1/checkout/sessions"


@dataclass
class Side:
    """The sandbox or Stripe, with a key."""

    name: str
    url: str
    key: str
    sessions: list[str] = field(default_factory=list)
    """The created sessions, which must be expired at the end."""

    def call(self, method: str, path: str, params: Any = None, idempotency_key: str | None = None) -> httpx.Response:
        headers = {"stripe-version": stripe.api_version}
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        query = urlencode(list(_api_encode(params or {})))
        url = f"{self.url}{path}" + (f"?{query}" if method == "GET" and query else "")
        body = query if method == "POST" else None
        if body is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        response = httpx.request(method, url, content=body, headers=headers, auth=(self.key, ""), timeout=30)
        found = response.json()
        if found.get("object") == "checkout.session" and found.get("status") == "open":
            self.sessions.append(found["id"])
        return response

    def read(self, path: str, params: Any = None) -> dict[str, Any]:
        """Return the object at a path. Raise HTTPStatusError if Stripe refuses."""
        return dict(self.call("GET", path, params).raise_for_status().json())

    def expire_all(self) -> int:
        """Expire the created sessions and return how many were open."""
        expired = 0
        for each in dict.fromkeys(self.sessions):
            with contextlib.suppress(httpx.HTTPError, ValueError):
                expired += self.call("POST", f"{SESSIONS}/{each}/expire").status_code == httpx.codes.OK
        return expired


def order(ui_mode: UiMode, **more: Any) -> Any:
    """Return the parameters that the service sends."""
    hosted = {
        "fee_description": "For the card fee",
        "success_url": "https://give.example.org/thanks",
        "cancel_url": "https://give.example.org/",
    }
    return create_params(
        CheckoutOrder(
            campaign="live-check",
            site="other",
            attempt_id="live-check",
            amount=Money(2500, "EUR"),
            expires_at=int(time.time()) + 93 * 60,
            page=PaymentPage(ui_mode, "Donation", "en", **(hosted if ui_mode is UiMode.HOSTED else {})),
            **more,
        )
    )
