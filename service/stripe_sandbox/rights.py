"""Refuse what a restricted key may not do: https://docs.stripe.com/keys#limit-access.

A key may do everything, until `POST /sandbox/rights` takes rights from it.
"""

from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.objects import Json
from stripe_sandbox.store import Store

RIGHTS = {
    "account": "rak_accounts_kyc_basic",
    "checkout": "rak_checkout_session",
    "payment_intents": "rak_payment_intent",
    "refunds": "rak_charge",
    "disputes": "rak_dispute",
    "events": "rak_event",
    "webhook_endpoints": "rak_webhook",
    "prices": "rak_plan",
    "payment_links": "rak_payment_link",
    "payment_method_domains": "rak_payment_method_domain",
    "payment_method_configurations": "rak_payment_method_configuration",
}
"""The first part of a path of the API → the right without `_read` or `_write`."""

NAMES = {f"{right}_{level}" for right in RIGHTS.values() for level in ("read", "write")}


class Rights:
    """Hold the rights that keys lack. They survive a restart, as everything in the store does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self, key: str, lacks: list[str]) -> Json:
        """Set which rights a key lacks. Raise ApiError (400) for a right that does not exist."""
        if unknown := set(lacks) - NAMES:
            raise ApiError(f"No such right: {', '.join(sorted(unknown))}", param="lacks")
        self._store.set_setting(f"lacks {key}", " ".join(lacks))
        return {"key": key, "lacks": lacks}

    def check(self, key: str, method: str, path: str) -> None:
        """Raise ApiError (403), in the words of Stripe. It comes before the resource is looked up."""
        right = RIGHTS.get(path.removeprefix("/v1/").partition("/")[0], "")
        lacks = self._store.setting(f"lacks {key}").split()
        needed = f"{right}_{'read' if method == 'GET' else 'write'}"
        if needed in lacks:
            account = self._store.setting("account", "acct_1")
            raise ApiError(
                f"The provided key '{key[:8]}{'*' * 10}{key[-4:]}' does not have the required permissions for this "
                f"endpoint on account '{account}'. Having the '{needed}' permission would allow this request to "
                "continue.",
                status=403,
            )
