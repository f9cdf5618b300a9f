"""Recognise Stripe's test numbers: https://docs.stripe.com/testing.

Only the outcome and a summary leave this module. A typed number is never stored, logged or shown again.
"""

import re
from typing import Any, Literal, NamedTuple

Outcome = Literal["succeeds", "declined", "requires_action", "settles", "bounces"]


class PaymentMethod(NamedTuple):
    outcome: Outcome
    type: Literal["card", "sepa_debit"]
    summary: dict[str, Any]


def _card(outcome: Outcome, last4: str, country: str) -> PaymentMethod:
    fields = {"brand": "visa", "country": country, "exp_month": 12, "exp_year": 2034, "funding": "credit"}
    return PaymentMethod(outcome, "card", fields | {"last4": last4})


def _debit(outcome: Outcome, last4: str, country: str) -> PaymentMethod:
    return PaymentMethod(outcome, "sepa_debit", {"country": country, "last4": last4})


NUMBERS = {
    "4242424242424242": _card("succeeds", "4242", "US"),
    "4000000000000002": _card("declined", "0002", "US"),
    "4000002760003184": _card("requires_action", "3184", "DE"),
    "4000001120000005": _card("succeeds", "0005", "BY"),
    "AT611904300234573201": _debit("settles", "3201", "AT"),
    "AT861904300235473202": _debit("bounces", "3202", "AT"),
    "DE89370400440532013000": _debit("settles", "3000", "DE"),
}


def find_method(typed: str) -> PaymentMethod | None:
    """Return the method of a test number; spaces, dashes and case are ignored."""
    return NUMBERS.get(re.sub(r"[\s\-\u2010-\u2015]", "", typed).upper())
