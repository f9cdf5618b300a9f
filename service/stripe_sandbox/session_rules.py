"""Check the rules for a new Checkout Session that involve several parameters or formats.

Sources: the parameter descriptions of https://docs.stripe.com/api/checkout/sessions/create and its errors.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from stripe_sandbox.api_errors import ApiError, invalid_integer, missing_param, no_such, unsupported

MIN_LIFETIME, MAX_LIFETIME = 30 * 60, 24 * 3600

# The sandbox has none of these objects, so every id is unknown.
REFERENCES = {
    "customer": "customer",
    "customer_account": "account",
    "payment_method_configuration": "payment method configuration",
}
UNSUPPORTED = """after_expiration allow_promotion_codes automatic_tax discounts invoice_creation managed_payments
    optional_items setup_intent_data shipping_address_collection shipping_options subscription_data
    tax_id_collection""".split()  # noqa: SIM905
UNSUPPORTED_IN_PAYMENT = "application_fee_amount on_behalf_of setup_future_usage shipping transfer_data".split()  # noqa: SIM905
FORBIDDEN_BY_UI_MODE = {
    "hosted_page": ["return_url", "redirect_on_completion", "permissions"],
    "embedded_page": ["success_url", "cancel_url"],
}
FORBIDDEN_WITH_ELEMENTS = [
    *["after_expiration", "branding_settings", "cancel_url", "custom_fields", "custom_text", "origin_context"],
    *["submit_type", "success_url"],
]


def check_session(params: dict[str, Any], now: int) -> None:
    """Raise ApiError (400) for the first rule that is violated."""
    for error in _violations(params, now):
        raise error


def _violations(params: dict[str, Any], now: int) -> Iterator[ApiError]:
    yield from _by_mode(params)
    yield from _by_ui_mode(params)
    yield from _urls(params)
    yield from _payment_data(params.get("payment_intent_data", {}))
    yield from _lifetime(params.get("expires_at"), now)
    yield from _customer(params)
    for name, text in params.get("custom_text", {}).items():
        if text and len(text["message"]) > 1200:
            yield ApiError("Custom text can have up to 1200 characters.", param=f"custom_text[{name}][message]")
    if len(params.get("client_reference_id", "")) > 200:
        yield ApiError("Invalid string: must be at most 200 characters", param="client_reference_id")
    for name in UNSUPPORTED:
        if params.get(name) not in (None, False, [], {"enabled": False}):
            yield unsupported(name)


def _by_mode(params: dict[str, Any]) -> Iterator[ApiError]:
    mode = params.get("mode")
    if mode is None:
        yield missing_param("mode")
    allowed = {
        "payment_intent_data": ("payment",),
        "subscription_data": ("subscription",),
        "setup_intent_data": ("setup",),
        "customer_creation": ("payment", "setup"),
        "submit_type": ("payment", "subscription"),
        "payment_method_collection": ("subscription",),
        "invoice_creation": ("payment",),
    }
    for name, modes in allowed.items():
        if name in params and mode not in modes:
            yield ApiError(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    if mode != "setup" and not params.get("line_items"):
        yield missing_param("line_items")
    if mode != "payment":
        yield unsupported(f"mode={mode}")


def _by_ui_mode(params: dict[str, Any]) -> Iterator[ApiError]:
    ui_mode = params.get("ui_mode", "hosted_page")
    never = params.get("redirect_on_completion") == "never"
    for name in FORBIDDEN_BY_UI_MODE.get(ui_mode, FORBIDDEN_WITH_ELEMENTS):
        if name in params:
            yield ApiError(f"`{name}` is not allowed when `ui_mode` is `{ui_mode}`.", param=name)
    if ui_mode == "hosted_page" and "success_url" not in params:
        yield missing_param("success_url")
    if ui_mode == "embedded_page" and never and "return_url" in params:
        yield ApiError("`return_url` cannot be set when `redirect_on_completion` is `never`.", param="return_url")
    if ui_mode == "embedded_page" and not never and "return_url" not in params:
        yield missing_param("return_url")
    if ui_mode in ("elements", "form"):
        yield unsupported(f"ui_mode={ui_mode}")


def _urls(params: dict[str, Any]) -> Iterator[ApiError]:
    for name in ("success_url", "cancel_url", "return_url"):
        if name in params and not is_web_url(params[name]):
            yield ApiError("Not a valid URL", code="url_invalid", param=name)


def is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_a_number = parts.port is None or parts.port > 0
    except ValueError:
        return False
    # The origin becomes part of the page's Content-Security-Policy, so it must not contain `;` or spaces.
    plain_origin = re.fullmatch(r"[A-Za-z0-9.\-\[\]:]+", parts.netloc) and port_is_a_number
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname and plain_origin)
        and not re.search(r"[\s\x00-\x1f\x7f\\]", url)
    )


def _payment_data(data: dict[str, Any]) -> Iterator[ApiError]:
    """Check the statement descriptor: https://docs.stripe.com/get-started/account/statement-descriptors."""
    if "statement_descriptor" in data:
        yield ApiError(
            "`statement_descriptor` is not supported for card charges; use `statement_descriptor_suffix`.",
            param="payment_intent_data[statement_descriptor]",
        )
    suffix = data.get("statement_descriptor_suffix", "A")
    param = "payment_intent_data[statement_descriptor_suffix]"
    if len(suffix) > 22:
        yield ApiError("The statement descriptor suffix must be at most 22 characters.", param=param)
    if re.search(r"[<>\\'\"*]", suffix):
        yield ApiError(r"The statement descriptor suffix must not contain any of < > \ ' ' *.", param=param)
    if not re.search(r"[A-Za-z]", suffix) or not suffix.isascii():
        yield ApiError(
            "The statement descriptor suffix must contain at least one Latin letter and no other alphabet.", param=param
        )
    for name in UNSUPPORTED_IN_PAYMENT:
        if name in data:
            yield unsupported(f"payment_intent_data[{name}]")
    if data.get("capture_method") == "manual":
        yield unsupported("payment_intent_data[capture_method]=manual")


def _lifetime(expires_at: int | None, now: int) -> Iterator[ApiError]:
    if expires_at is None:
        return
    if expires_at < now + MIN_LIFETIME:
        yield ApiError(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at"
        )
    if expires_at > now + MAX_LIFETIME:
        yield ApiError(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at"
        )


def _customer(params: dict[str, Any]) -> Iterator[ApiError]:
    for name, kind in REFERENCES.items():
        if name in params:
            yield no_such(kind, params[name], name, status=400)
    if "customer_update" in params:
        yield ApiError("`customer_update` can only be used with `customer`.", param="customer_update")
    email = params.get("customer_email")
    if email is not None and not is_email(email):
        yield ApiError(f"Invalid email address: {email}", code="email_invalid", param="customer_email")


def is_email(text: str) -> bool:
    return len(text) <= 254 and bool(re.fullmatch(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s.\x00-\x1f]+", text))


def check_minimum(value: int, param: str, smallest: int) -> None:
    if value < smallest:
        raise invalid_integer(f"{value}. This value must be greater than or equal to {smallest}.", param)
