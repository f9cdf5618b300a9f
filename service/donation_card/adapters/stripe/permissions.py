"""Name the right that a restricted key lacks, in the words of the API and of the dashboard.

The text of a 403 names it too. That text is for people and never parsed, because Stripe can change it.
"""

RIGHTS = {
    "account": ("rak_accounts_kyc_basic", "Connect → Accounts"),
    "checkout/sessions": ("rak_checkout_session", "Checkout Sessions"),
    "payment_intents": ("rak_payment_intent", "PaymentIntents"),
    "refunds": ("rak_charge", "Charges and Refunds"),
    "disputes": ("rak_dispute", "Disputes"),
    "events": ("rak_event", "Events"),
    "webhook_endpoints": ("rak_webhook", "Webhook Endpoints"),
    "prices": ("rak_plan", "Prices"),
    "payment_links": ("rak_payment_link", "Payment Links"),
    "payment_method_domains": ("rak_payment_method_domain", "Payment method domains"),
    "payment_method_configurations": ("rak_payment_method_configuration", "Payment method configurations"),
}
"""Resource of an address → its right without `_read` or `_write`, and its row in the dashboard."""


def missing_right(method: str, resource: str) -> dict[str, str]:
    """Return the right that a refused request needs, as parameters of an error. Empty for an unknown resource."""
    if resource not in RIGHTS:
        return {}
    level = "read" if method.lower() == "get" else "write"
    right, row = RIGHTS[resource]
    return {"right": f"{right}_{level}", "dashboard": f"{row}: {level}"}
