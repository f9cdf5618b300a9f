"""Hold which payment methods are on: https://docs.stripe.com/api/payment_method_configurations.

The account has one configuration. It names the methods that the sandbox has, and all of them are activated.
"""

from typing import Any

from stripe_sandbox.api_errors import ApiError, unsupported
from stripe_sandbox.ids import new_id
from stripe_sandbox.objects import CONFIGURATION, Json
from stripe_sandbox.payment_methods import REDIRECTS
from stripe_sandbox.store import Store

ON = ("card", "sepa_debit", "ideal", "paypal")


class PaymentMethodConfigurations:
    def __init__(self, store: Store) -> None:
        self._store = store
        if not store.find("kind = ?", [CONFIGURATION]):
            store.add(_new_configuration())

    def update(self, id: str, params: Json) -> Json:
        """Switch payment methods on or off. Raise ApiError (400, 404)."""
        found = self._store.require(CONFIGURATION, id, "configuration")
        for name, change in params.items():
            if name not in ("card", "sepa_debit", *REDIRECTS):
                raise unsupported(name)
            found.body[name] = _method(on=change["display_preference"]["preference"] == "on")
        self._store.save(found)
        return found.body

    def offered(self, params: Json, currency: str) -> list[str]:
        """Return the payment methods that a new session offers. Raise ApiError (400) if there are none."""
        [configuration] = self._store.find("kind = ?", [CONFIGURATION])
        embedded = params.get("redirect_on_completion") == "never"
        on = [
            type
            for type, method in configuration.body.items()
            if isinstance(method, dict) and method["available"] and _fits(type, currency, embedded=embedded)
        ]
        excluded = params.get("excluded_payment_method_types", [])
        offered = [type for type in on if type in params.get("allowed_payment_method_types", on)]
        if left := [type for type in offered if type not in excluded]:
            return left
        raise ApiError(
            "No valid payment method types for this Checkout Session. Please ensure that you have activated payment "
            "methods compatible with your chosen currency in your dashboard."
        )


def _fits(type: str, currency: str, *, embedded: bool) -> bool:
    if type in REDIRECTS:
        return currency in REDIRECTS[type].currencies and not embedded
    return type == "card" or currency == "eur"


def _method(*, on: bool) -> dict[str, Any]:
    value = "on" if on else "off"
    return {"available": on, "display_preference": {"overridable": None, "preference": value, "value": value}}


def _new_configuration() -> Json:
    return {
        "id": new_id("pmc_"),
        "object": CONFIGURATION,
        "active": True,
        "application": None,
        "is_default": True,
        "livemode": False,
        "name": "Default",
        "parent": None,
    } | {type: _method(on=type in ON) for type in ("card", "sepa_debit", *REDIRECTS)}
