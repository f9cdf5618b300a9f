"""The payment methods of Stripe that send a donor to the page of a bank or wallet."""

from collections.abc import Sequence

REDIRECT_METHODS = {
    "alipay": "Alipay",
    "amazon_pay": "Amazon Pay",
    "bancontact": "Bancontact",
    "cashapp": "Cash App Pay",
    "eps": "EPS",
    "fpx": "FPX",
    "grabpay": "GrabPay",
    "ideal": "iDEAL",
    "kakao_pay": "Kakao Pay",
    "kr_card": "Korean cards",
    "mobilepay": "MobilePay",
    "naver_pay": "Naver Pay",
    "p24": "Przelewy24",
    "pay_by_bank": "Pay by Bank",
    "payco": "PAYCO",
    "paypal": "PayPal",
    "paypay": "PayPay",
    "revolut_pay": "Revolut Pay",
    "samsung_pay": "Samsung Pay",
    "satispay": "Satispay",
    "swish": "Swish",
    "twint": "TWINT",
}
"""Type of a payment method → the name of the brand, which is the same in every language.

The types are values of `allowed_payment_method_types` in the pinned stripe package; a test compares them. That they
redirect stands in the column "Requires redirect" of https://docs.stripe.com/payments/bank-redirects#api-support and
https://docs.stripe.com/payments/wallets#api-support. Methods that lend money are left out, because nobody should give
on credit.
"""

_CURRENCIES = {
    "bancontact": ("EUR",),
    "cashapp": ("USD",),
    "eps": ("EUR",),
    "fpx": ("MYR",),
    "grabpay": ("MYR", "SGD"),
    "ideal": ("EUR",),
    "mobilepay": ("DKK", "EUR", "NOK", "SEK"),
    "p24": ("EUR", "PLN"),
    "satispay": ("EUR",),
    "swish": ("SEK",),
    "twint": ("CHF",),
}
"""The currencies of methods that have few: https://docs.stripe.com/payments/payment-methods/payment-method-support."""


def takes_currency(method: str, currency: str) -> bool:
    """Return False if Stripe never offers the method in this currency."""
    return currency in _CURRENCIES.get(method, (currency,))


def names(methods: Sequence[str], currency: str) -> tuple[str, ...]:
    """Return the names of the methods that Stripe can offer in a currency."""
    return tuple(REDIRECT_METHODS[method] for method in methods if takes_currency(method, currency))
