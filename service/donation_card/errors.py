"""Define every error that the service raises deliberately.

    DonationCardError
    ├── ClientError              the request cannot be served; the response says why
    │   ├── NotFound             campaign_unknown, campaign_hidden, not_found, …
    │   ├── Unauthorized         site_token_missing
    │   ├── Forbidden            site_token_wrong
    │   ├── UnsupportedFormat    format_not_supported
    │   ├── Invalid              request_malformed, language_malformed, amount_*, token_*, …
    │   ├── TooLarge             body_too_large
    │   ├── Conflict             already_paid, campaign_closed
    │   └── RateLimited          rate_limited, challenge_required, too_many_changes
    ├── Unavailable              a dependency does not answer; a retry can succeed
    │   ├── TotalsUnavailable    totals_unavailable
    │   ├── ProgressUnknown      progress_unknown
    │   └── PaymentsUnavailable  payments_unavailable
    │       ├── ListIncomplete     … a list of Stripe ended too early
    │       ├── PaymentUnknown     … Stripe does not know yet whose payment it is
    │       ├── ReplayedFailure    … and Stripe repeats the failure for this idempotency key
    │       └── StripeKeyRejected  … until an operator replaces the API key
    ├── IgnoredEvent             a Stripe event that does not concern a donation of this installation
    └── ConfigurationError       a campaign file or a setting is wrong; the service does not start

Each error has a stable `code` and the parameters of its message (`params`). `web/problems.py` maps the class to an HTTP
status, and code and parameters to a sentence in the language of the reader.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

_SECRETS = re.compile(r"\b(?:sk|rk|pk|whsec)_\w+|(?<=://)[^/\s']*@|(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{32,}")
"""Stripe's keys, logins in addresses, and random text."""


class DonationCardError(Exception):
    """Base of the tree. `codes` are the codes of the class; the first one is the default."""

    codes: ClassVar[tuple[str, ...]] = ("internal",)

    def __init__(self, code: str | None = None, **params: str | int) -> None:
        self.code = code or self.codes[0]
        assert self.code in self.codes, self.code
        self.params = params
        super().__init__(self.code, params)

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value!r}" for name, value in self.params.items())])


class ClientError(DonationCardError):
    """The request cannot be served, and a retry does not help. The codes are those of HTTP errors of Starlette."""

    codes: ClassVar[tuple[str, ...]] = (
        "not_found",
        "method_not_allowed",
        "body_too_large",
        "unsupported_media_type",
        "request_malformed",
    )


class NotFound(ClientError):
    """No such page, campaign or session."""

    codes = (
        "not_found",
        "campaign_unknown",
        "campaign_hidden",
        "session_unknown",
        "transfer_not_offered",
        "url_not_recognized",
    )


class Unauthorized(ClientError):
    """The total of a site is closed, and the request has no token."""

    codes = ("site_token_missing",)


class Forbidden(ClientError):
    """The token does not open this total."""

    codes = ("site_token_wrong",)


class Invalid(ClientError):
    """A part of the request has a value that is not allowed."""

    codes = (
        "request_malformed",
        "language_malformed",
        "parameter_invalid",
        "size_out_of_range",
        "too_many_campaigns",
        "return_url_not_allowed",
        "amount_missing",
        "amount_not_a_number",
        "amount_whole_units",
        "amount_ambiguous",
        "amount_conflict",
        "amount_below_minimum",
        "amount_above_maximum",
        "amount_too_large",
        "amount_not_chargeable",
        "token_missing",
        "token_expired",
        "token_invalid",
        "signature_invalid",
        "event_malformed",
    )


class TooLarge(ClientError):
    """The body exceeds its limit."""

    codes = ("body_too_large",)


class UnsupportedFormat(ClientError):
    """An oEmbed consumer requests a format other than JSON (https://oembed.com, 2.3.6)."""

    codes = ("format_not_supported",)


class Conflict(ClientError):
    """The state of the session or of the campaign does not allow the request."""

    codes = ("already_paid", "campaign_closed")


class RateLimited(ClientError):
    """Too many requests."""

    codes = ("rate_limited", "challenge_required", "too_many_changes")


class Unavailable(DonationCardError):
    """A dependency does not answer."""


class TotalsUnavailable(Unavailable):
    """Redis does not answer, or its answer cannot be used."""

    codes = ("totals_unavailable",)


class ProgressUnknown(Unavailable):
    """The totals are not built yet, and no public total is known. Unknown is not zero."""

    codes = ("progress_unknown",)


class PaymentsUnavailable(Unavailable):
    """Stripe does not answer, or its answer cannot be used."""

    codes = ("payments_unavailable", "payment_status_unknown")


class ReplayedFailure(PaymentsUnavailable):
    """Stripe repeats a stored error 500 for a day. Only another idempotency key helps.

    https://docs.stripe.com/api/idempotent_requests
    """


class ListIncomplete(PaymentsUnavailable):
    """A list of Stripe ended too early. What it did contain was read."""


class PaymentUnknown(PaymentsUnavailable):
    """Stripe named a payment that it does not know or list yet. Nothing says whose it is."""


class StripeKeyRejected(PaymentsUnavailable):
    """Stripe rejects the API key: revoked, expired, of the other mode, or without the permission."""


class IgnoredEvent(DonationCardError):
    """The event does not concern a donation of this installation."""

    codes = (
        "unhandled_type",
        "other_account",
        "other_mode",
        "other_product",
        "payment_declined",
        "payment_incomplete",
        "status_unknown",
        "wrong_currency",
    )


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One mistake in a file or in the environment."""

    source: str
    field: str
    given: str
    allowed: str

    def __str__(self) -> str:
        """Return the message. A secret that was put into the wrong field is hidden."""
        return f"{self.source}: {self.field}: given {_SECRETS.sub('(hidden)', self.given)}; allowed: {self.allowed}"


class ConfigurationError(DonationCardError):
    """Hold every fault that was found, so that an operator can correct all at once."""

    codes = ("misconfigured",)

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        super().__init__()
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)
