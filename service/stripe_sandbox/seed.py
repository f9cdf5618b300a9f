"""Many paid sessions at once, as if they had been given one a second until now: no events, no webhooks, for benches."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stripe_sandbox.ids import new_id
from stripe_sandbox.objects import Json, new_payment, new_session
from stripe_sandbox.store import Store


class Seed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    payments: Annotated[int, Field(ge=1, le=1_000_000)]
    campaign: Annotated[str, Field(min_length=1, max_length=64)]
    site: str = "other"
    amount: Annotated[int, Field(ge=1, le=99_999_999)] = 2_500
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")] = "eur"


def seed(store: Store, wanted: Seed, now: int, public_url: str) -> None:
    """Takes seconds for a hundred thousand, and answers nothing else meanwhile."""
    about = {"campaign": wanted.campaign, "site": wanted.site}
    params: Json = {"mode": "payment", "ui_mode": "hosted_page", "submit_type": "donate", "metadata": about}
    with store.transaction():
        for number in range(wanted.payments):
            made = now - wanted.payments + number
            payment = new_payment({"metadata": about}, wanted.amount, wanted.currency, made)
            payment |= {"status": "succeeded", "amount_received": wanted.amount, "latest_charge": new_id("ch_")}
            session, secret = new_session(params, wanted.amount, wanted.currency, made, public_url)
            session |= {"status": "complete", "payment_status": "paid", "payment_intent": payment["id"], "url": None}
            store.add(payment)
            store.add(session, {"client_secret": secret, "payment": payment["id"], "line_items": []})
