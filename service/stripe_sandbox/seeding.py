"""Create many paid sessions at once, for benchmarks. They get no events and no webhooks."""

from typing import Annotated

from pydantic import Field

from stripe_sandbox.bounded_body import JsonBody
from stripe_sandbox.ids import new_id
from stripe_sandbox.objects import Json, charge_facts, new_billing_details, new_payment, new_session
from stripe_sandbox.payment_methods import NUMBERS
from stripe_sandbox.store import Store

BILLING = new_billing_details("ada@example.org")
CARD = {"type": "card", "card": NUMBERS["4242424242424242"].summary}


class SeedPayments(JsonBody):
    payments: Annotated[int, Field(ge=1, le=1_000_000)]
    campaign: Annotated[str, Field(min_length=1, max_length=64)]
    site: str = "other"
    amount: Annotated[int, Field(ge=1, le=99_999_999)] = 2_500
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")] = "eur"


def seed_payments(store: Store, request: SeedPayments, now: int, public_url: str) -> None:
    """Create the payments, one a second up to `now`. 100,000 take seconds, in which the sandbox does nothing else."""
    metadata = {"campaign": request.campaign, "site": request.site}
    params: Json = {"mode": "payment", "ui_mode": "hosted_page", "submit_type": "donate", "metadata": metadata}
    with store.transaction():
        for number in range(request.payments):
            created = now - request.payments + number
            payment = new_payment({"metadata": metadata}, request.amount, request.currency, created)
            payment |= {"status": "succeeded", "amount_received": request.amount, "latest_charge": new_id("ch_")}
            session, secret = new_session(params, ["card"], request.amount, request.currency, created, public_url)
            session |= {"status": "complete", "payment_status": "paid", "payment_intent": payment["id"], "url": None}
            facts = charge_facts(metadata, created)
            store.add(payment, facts | {"method": CARD, "billing_details": BILLING})
            store.add(session, {"client_secret": secret, "payment": payment["id"], "line_items": []})
