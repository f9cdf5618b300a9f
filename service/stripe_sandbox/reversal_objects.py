"""Create refunds, disputes and balance transactions as the API shows them."""

from typing import Any

from stripe_sandbox.ids import new_id
from stripe_sandbox.objects import DISPUTE, REFUND, Json

EVIDENCE_FIELDS = """access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
    cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip
    customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id
    product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date
    service_documentation shipping_address shipping_carrier shipping_date shipping_documentation
    shipping_tracking_number uncategorized_file uncategorized_text""".split()  # noqa: SIM905

TIME_TO_RESPOND = 7 * 24 * 3600


def new_refund(payment: Json, amount: int, status: str, reason: str | None, now: int) -> Json:
    nothing = ["receipt_number", "source_transfer_reversal", "transfer_reversal"]
    return dict.fromkeys(nothing) | {
        "id": new_id("re_"),
        "object": REFUND,
        "amount": amount,
        "balance_transaction": new_id("txn_"),
        "charge": payment["latest_charge"],
        "created": now,
        "currency": payment["currency"],
        "metadata": {},
        "payment_intent": payment["id"],
        "reason": reason,
        "status": status,
    }


def new_dispute(payment: Json, amount: int, status: str, now: int) -> Json:
    details = {"due_by": now + TIME_TO_RESPOND, "has_evidence": False, "past_due": False, "submission_count": 0}
    return {
        "id": new_id("du_"),
        "object": DISPUTE,
        "amount": amount,
        "balance_transactions": [],
        "charge": payment["latest_charge"],
        "created": now,
        "currency": payment["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict[str, Any].fromkeys(EVIDENCE_FIELDS) | {"enhanced_evidence": {}},
        "evidence_details": details | {"enhanced_eligibility": {}},
        "is_charge_refundable": status.startswith("warning"),
        "livemode": False,
        "metadata": {},
        "payment_intent": payment["id"],
        "reason": "general",
        "status": status,
    }


def new_balance_transaction(source: str, amount: int, currency: str, category: str, now: int) -> Json:
    """Create the movement of money for a dispute. Its amount does not include the fee."""
    fee = 1500 if amount < 0 else 0
    details = {"amount": fee, "application": None, "currency": currency, "description": None, "type": "stripe_fee"}
    return {
        "id": new_id("txn_"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details] if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "available",
        "type": "adjustment",
    }
