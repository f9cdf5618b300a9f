"""Recognise Stripe's test numbers: https://docs.stripe.com/testing. List the methods that redirect.

Only the outcome and a summary leave this module. A typed number is never stored, logged or shown again.
"""

import re
from typing import Any, Literal, NamedTuple

Outcome = Literal["succeeds", "declined", "requires_action", "settles", "bounces", "redirects"]


class PaymentMethod(NamedTuple):
    outcome: Outcome
    type: str
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


class Redirect(NamedTuple):
    """A method whose bank or wallet asks the payer on a page of its own, with the fields of its two objects."""

    name: str
    currencies: tuple[str, ...]
    charge_fields: str
    method_fields: str


REDIRECTS = {
    "bancontact": Redirect(
        *("Bancontact", ("eur",)),
        "bank_code bank_name bic generated_sepa_debit generated_sepa_debit_mandate iban_last4 preferred_language "
        "verified_name",
        "",
    ),
    "ideal": Redirect(
        *("iDEAL", ("eur",)),
        "bank bic generated_sepa_debit generated_sepa_debit_mandate iban_last4 transaction_id verified_name",
        "bank bic",
    ),
    "p24": Redirect("Przelewy24", ("eur", "pln"), "bank reference verified_name", "bank"),
    "paypal": Redirect(
        *("PayPal", ("chf", "czk", "dkk", "eur", "gbp", "nok", "pln", "sek", "usd")),
        "country payer_email payer_id payer_name seller_protection transaction_id",
        "country payer_email payer_id",
    ),
    "twint": Redirect("TWINT", ("chf",), "", ""),
}


def redirect_method(type: str) -> PaymentMethod:
    return PaymentMethod("redirects", type, {})


def find_method(typed: str) -> PaymentMethod | None:
    """Return the method of a test number; spaces, dashes and case are ignored."""
    return NUMBERS.get(re.sub(r"[\s\-\u2010-\u2015]", "", typed).upper())
