"""Calculate from Stripe's objects what the totals must be. Nothing here is shared with the service.

The functions take JSON objects as Stripe returns them, for example those of the sandbox or of `model_stripe`.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

Json = dict[str, Any]


class Sums(NamedTuple):
    raised: int
    payments: int


def expected_totals(
    currencies: Mapping[str, str],
    *,
    sessions: Iterable[Json],
    payments: Mapping[str, Json],
    refunds: Iterable[Json],
    disputes: Iterable[Json],
) -> dict[str, Sums]:
    """Return the totals of each campaign in `currencies` (campaign → lower-case currency).

    A payment belongs to the campaign of its session. Refunds and disputes belong to the campaign of their payment.
    """
    raised: Counter[str] = Counter()
    campaign_of: dict[str, str] = {}
    for session in sessions:
        payment = id_of(session.get("payment_intent"))
        campaign = campaign_name(session)
        if payment is None or currencies.get(campaign or "") != session.get("currency"):
            continue
        amount = paid_amount(session, payments.get(payment, {}))
        if campaign and amount is not None:
            campaign_of[payment] = campaign
            raised[campaign] += amount
    for objects, amount_of in ((refunds, refunded_amount), (disputes, disputed_amount)):
        for each in objects:
            payment = id_of(each.get("payment_intent"))
            if payment in campaign_of and each["currency"] == currencies[campaign_of[payment]]:
                raised[campaign_of[payment]] -= amount_of(each)
    counted = Counter(campaign_of.values())
    return {campaign: Sums(raised[campaign], counted[campaign]) for campaign in currencies}


def public_total(exact: int, step: int, *, campaign: str, goal: int, key: str = "") -> int:
    """Return the public total of an exact sum: the highest step whose secret threshold the sum has reached.

    The threshold of a step is a share of the next step. The share is a hash of the key, the campaign and the step.
    """
    for number in range(max(0, exact) // step, 0, -1):
        at_campaign = hmac.new(key.encode(), campaign.encode(), hashlib.sha256).digest()
        digest = hmac.new(at_campaign, str(number).encode(), hashlib.sha256).hexdigest()
        share = Fraction(int(digest[:16], 16), 2**64) if number * step != goal else Fraction(0)
        if number * step + math.floor(share * step) <= exact:
            return number * step
    return 0


def id_of(reference: Any) -> str | None:
    return reference["id"] if isinstance(reference, dict) else reference


def campaign_name(session: Json) -> str | None:
    """Return the campaign in the metadata, unless it is a text that no campaign can have as its name."""
    found = (session.get("metadata") or {}).get("campaign")
    return found if isinstance(found, str) and re.fullmatch(r"[\w.:-]{1,253}", found, re.ASCII) else None


def paid_amount(session: Json, payment: Json) -> int | None:
    """Return the money of a session, or None if it is not known to be money."""
    if session.get("status") != "complete" or session.get("payment_status") not in ("paid", "no_payment_required"):
        return None
    amount = session.get("amount_total")
    received = payment.get("amount_received") if payment.get("currency") == session.get("currency") else None
    if amount is None or amount < 0 or (received == 0 and amount):
        return None
    return amount if received is None else received


def refunded_amount(refund: Json) -> int:
    return 0 if refund.get("status") in ("failed", "canceled") else refund["amount"]


def disputed_amount(dispute: Json) -> int:
    """Return what a dispute takes now: the disputed amount × (1 - given back ÷ taken).

    Stripe withdraws again only after it gave everything back. So every withdrawal but the last one was given back, and
    both are left out of the quotient.
    """
    movements = dispute["balance_transactions"]
    withdrawals = sorted(
        (each["created"], -each["amount"])
        for each in movements
        if each["amount"] < 0 and each["reporting_category"] == "dispute"
    )
    if not withdrawals:
        return 0
    given_back_before = sum(amount for _, amount in withdrawals[:-1])
    reversed_ = sum(each["amount"] for each in movements if each["reporting_category"] == "dispute_reversal")
    others = sum(-each["amount"] for each in movements if each["reporting_category"] != "dispute_reversal")
    if movements[0]["currency"] == dispute["currency"]:  # no exchange rate, so a correction changes nothing
        others = sum(amount for _, amount in withdrawals)
    kept = 1 - Fraction(reversed_ - given_back_before, others - given_back_before)
    return round(dispute["amount"] * max(Fraction(0), min(Fraction(1), kept)))
