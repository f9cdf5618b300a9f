"""Create the objects of the API with the fields that clients use."""

from typing import Any

import stripe

from stripe_sandbox.ids import new_id
from stripe_sandbox.payment_methods import REDIRECTS

SESSION = "checkout.session"
PAYMENT = "payment_intent"
EVENT = "event"
REFUND = "refund"
DISPUTE = "dispute"
ENDPOINT = "webhook_endpoint"
PRICE = "price"
LINK = "payment_link"
DOMAIN = "payment_method_domain"
CONFIGURATION = "payment_method_configuration"

Json = dict[str, Any]

# Parameters that a session returns unchanged, or as null if they were not given.
ECHOED_FIELDS = """adaptive_pricing billing_address_collection cancel_url client_reference_id consent_collection
    customer_creation customer_email integration_identifier locale origin_context permissions
    saved_payment_method_options submit_type success_url wallet_options""".split()  # noqa: SIM905
# Parameters that a session returns unchanged if they were given: Stripe's description does not call them nullable.
OPTIONAL_FIELDS = """allowed_payment_method_types branding_settings excluded_payment_method_types name_collection
    redirect_on_completion return_url""".split()  # noqa: SIM905
NULL_FIELDS = """after_expiration allow_promotion_codes collected_information consent currency_conversion customer
    customer_account customer_details discounts invoice invoice_creation managed_payments optional_items payment_link
    payment_method_configuration_details payment_method_options recovered_from setup_intent
    shipping_address_collection shipping_cost subscription""".split()  # noqa: SIM905


def new_session(
    params: Json, methods: list[str], amount: int, currency: str, now: int, public_url: str
) -> tuple[Json, str]:
    """Return a session and its client secret, which stays valid when the object no longer shows it.

    `methods`: the types of payment methods that the session offers.
    """
    ui_mode = params.get("ui_mode", "hosted_page")
    id = new_id("cs_test_", 58)
    secret = f"{id}_secret_{new_id('', 50)}"
    session = dict.fromkeys(NULL_FIELDS) | {name: params.get(name) for name in ECHOED_FIELDS}
    session |= {name: params[name] for name in OPTIONAL_FIELDS if name in params}
    if ui_mode == "embedded_page":
        session["redirect_on_completion"] = params.get("redirect_on_completion", "always")
    session |= {
        "id": id,
        "object": SESSION,
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "client_secret": secret if ui_mode == "embedded_page" else None,
        "created": now,
        "currency": currency,
        "custom_fields": params.get("custom_fields", []),
        "custom_text": dict.fromkeys(["after_submit", "shipping_address", "submit", "terms_of_service_acceptance"])
        | params.get("custom_text", {}),
        "customer_creation": params.get("customer_creation", "if_required"),
        "expires_at": params.get("expires_at", now + 24 * 3600),
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "mode": params["mode"],
        "payment_intent": None,
        "payment_method_collection": "if_required",
        "payment_method_types": methods,
        "payment_status": "unpaid",
        "phone_number_collection": params.get("phone_number_collection", {"enabled": False}),
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": ui_mode,
        "url": f"{public_url}/pay/{id}" if ui_mode == "hosted_page" else None,
    }
    return session, secret


def new_payment(data: Json, amount: int, currency: str, now: int) -> Json:
    """Create a PaymentIntent from a session's `payment_intent_data`, the only source of its metadata, as at Stripe."""
    id = new_id("pi_")
    null_fields = """application application_fee_amount automatic_payment_methods canceled_at cancellation_reason
        customer customer_account excluded_payment_method_types last_payment_error latest_charge managed_payments
        next_action on_behalf_of payment_method payment_method_configuration_details processing review
        setup_future_usage shipping statement_descriptor transfer_data""".split()  # noqa: SIM905
    return dict.fromkeys(null_fields) | {
        "id": id,
        "object": PAYMENT,
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "capture_method": data.get("capture_method", "automatic_async"),
        "client_secret": f"{id}_secret_{new_id('')}",
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "description": data.get("description"),
        "livemode": False,
        "metadata": data.get("metadata", {}),
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "receipt_email": data.get("receipt_email"),
        "statement_descriptor_suffix": data.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_group": data.get("transfer_group"),
    }


def new_billing_details(email: str) -> Json:
    return {"address": None, "email": email, "name": None, "phone": None, "tax_id": None}


def new_payment_method(id: str, method: Json, billing_details: Json, now: int) -> Json:
    fields = {
        "card": "checks display_brand generated_from networks regulated_status three_d_secure_usage wallet",
        "sepa_debit": "bank_code branch_code fingerprint generated_from",
    }
    fields |= {type: each.method_fields for type, each in REDIRECTS.items()}
    return _method_details(method, fields) | {
        "id": id,
        "object": "payment_method",
        "billing_details": billing_details,
        "created": now,
        "customer": None,
        "customer_account": None,
        "metadata": {},
        "livemode": False,
    }


def _method_details(method: Json, fields: dict[str, str]) -> Json:
    """Complete the details of a payment method with the fields of its type that are null here."""
    type = method["type"]
    return {"type": type, type: dict.fromkeys(fields[type].split()) | method[type]}


def charge_facts(metadata: Json, now: int) -> Json:
    """Return what is fixed when a payment succeeds. Stripe copies the metadata to the charge once."""
    return {"charged": now, "charge_metadata": metadata, "balance_transaction": new_id("txn_")}


def new_charge(payment: Json, internal: Json, refunded: int, *, disputed: bool) -> Json:
    """Create the charge of a successful payment, for `expand`. `refunded`: minor units."""
    null_fields = """application application_fee application_fee_amount customer description
        failure_balance_transaction failure_code failure_message fraud_details on_behalf_of outcome receipt_email
        receipt_number receipt_url review shipping source_transfer statement_descriptor
        statement_descriptor_suffix transfer_data transfer_group""".split()  # noqa: SIM905
    fields = {
        "card": """amount_authorized authorization_code checks installments mandate network network_transaction_id
            regulated_status three_d_secure wallet""",
        "sepa_debit": "bank_code branch_code fingerprint mandate",
    }
    fields |= {type: each.charge_fields for type, each in REDIRECTS.items()}
    return dict.fromkeys(null_fields) | {
        "id": payment["latest_charge"],
        "object": "charge",
        "amount": payment["amount_received"],
        "amount_captured": payment["amount_received"],
        "amount_refunded": refunded,
        "balance_transaction": internal["balance_transaction"],
        "billing_details": internal["billing_details"],
        "calculated_statement_descriptor": "SANDBOX",
        "captured": True,
        "created": internal["charged"],
        "currency": payment["currency"],
        "disputed": disputed,
        "livemode": False,
        "metadata": internal["charge_metadata"],
        "paid": True,
        "payment_intent": payment["id"],
        "payment_method": payment["payment_method"],
        "payment_method_details": _method_details(internal["method"], fields),
        "refunded": refunded == payment["amount_received"],
        "status": "succeeded",
    }


def new_event(type: str, subject: Json, now: int, request: Json, webhooks: int) -> Json:
    return {
        "id": new_id("evt_"),
        "object": EVENT,
        "api_version": stripe.api_version,
        "created": now,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": webhooks,
        "request": request,
        "type": type,
    }


def new_account(id: str, created: int) -> Json:
    profile_fields = """mcc minority_owned_business_designation support_address support_email support_phone
        support_url url""".split()  # noqa: SIM905
    prefixes = ["statement_descriptor_prefix", "statement_descriptor_prefix_kana", "statement_descriptor_prefix_kanji"]
    descriptors = ["statement_descriptor_kana", "statement_descriptor_kanji"]
    return {
        "id": id,
        "object": "account",
        "business_profile": dict.fromkeys(profile_fields) | {"name": "Sandbox"},
        "business_type": None,
        "capabilities": {"card_payments": "active", "sepa_debit_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "LT",
        "created": created,
        "default_currency": "eur",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": dict.fromkeys(prefixes),
            "dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"},
            "payments": dict.fromkeys(descriptors) | {"statement_descriptor": "SANDBOX"},
        },
        "type": "standard",
    }


def new_endpoint(params: Json, now: int) -> Json:
    return {
        "id": new_id("we_"),
        "object": ENDPOINT,
        "api_version": params.get("api_version"),
        "application": None,
        "created": now,
        "description": params.get("description"),
        "enabled_events": params["enabled_events"],
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "status": "enabled",
        "url": params["url"],
    }


def new_price(params: Json, now: int) -> Json:
    custom = params["custom_unit_amount"]
    return {
        "id": new_id("price_"),
        "object": PRICE,
        "active": True,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": params["currency"],
        "custom_unit_amount": {name: custom.get(name) for name in ("maximum", "minimum", "preset")},
        "livemode": False,
        "lookup_key": None,
        "metadata": params.get("metadata", {}),
        "nickname": params.get("nickname"),
        "product": new_id("prod_", 14),
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def new_link(params: Json, currency: str, public_url: str) -> Json:
    null_fields = """application application_fee_amount application_fee_percent consent_collection inactive_message
        invoice_creation managed_payments on_behalf_of optional_items payment_method_options payment_method_types
        restrictions shipping_address_collection
        subscription_data transfer_data""".split()  # noqa: SIM905
    data = dict.fromkeys(
        ["capture_method", "description", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix"]
    )
    return dict.fromkeys(null_fields) | {
        "id": new_id("plink_"),
        "object": LINK,
        "active": True,
        "after_completion": {"hosted_confirmation": {"custom_message": None}, "type": "hosted_confirmation"},
        "allow_promotion_codes": False,
        "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto",
        "currency": currency,
        "custom_fields": [],
        "custom_text": dict.fromkeys(["after_submit", "shipping_address", "submit", "terms_of_service_acceptance"]),
        "customer_creation": params.get("customer_creation", "if_required"),
        "livemode": False,
        "metadata": params.get("metadata", {}),
        "payment_intent_data": data | {"metadata": {}, "transfer_group": None} | params.get("payment_intent_data", {}),
        "payment_method_collection": "always",
        "phone_number_collection": {"enabled": False},
        "shipping_options": [],
        "submit_type": params.get("submit_type", "auto"),
        "tax_id_collection": {"enabled": False, "required": "never"},
        "url": f"{public_url}/link/test_{new_id('', 20)}",
    }


def new_domain(name: str, now: int, *, enabled: bool) -> Json:
    methods = ("amazon_pay", "apple_pay", "google_pay", "klarna", "link", "paypal")
    return {method: {"status": "active"} for method in methods} | {
        "id": new_id("pmd_"),
        "object": DOMAIN,
        "created": now,
        "domain_name": name,
        "enabled": enabled,
        "livemode": False,
    }
