"""Define every error that the service raises deliberately.

    DonationCardError
    ├── ClientError              the request cannot be served; the response says why
    │   ├── NotFound             campaign_unknown, campaign_hidden, not_found, …
    │   ├── UnsupportedFormat    format_not_supported
    │   ├── Invalid              request_malformed, language_malformed, amount_*, token_*, …
    │   ├── TooLarge             body_too_large
    │   ├── Conflict             already_paid, campaign_closed
    │   └── RateLimited          rate_limited, challenge_required, too_many_changes
    ├── Unavailable              a dependency does not answer; a retry can succeed
    │   ├── TotalsUnavailable    totals_unavailable
    │   ├── ProgressUnknown      progress_unknown
    │   └── PaymentsUnavailable  payments_unavailable
    │       ├── ReplayedFailure    … and Stripe repeats the failure for this idempotency key
    │       └── StripeKeyRejected  … until an operator replaces the API key
    ├── IgnoredEvent             a Stripe event that does not concern a donation of this installation
    └── ConfigurationError       a campaign file or a setting is wrong; the service does not start

Each error has a stable `code` and the parameters of its message (`params`). `web/problems.py` maps the class to an HTTP
status, and code and parameters to a sentence in the language of the reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class DonationCardError(Exception):
    """Base of the tree."""

    code = "internal"

    def __init__(self, code: str | None = None, **params: str | int) -> None:
        self.code = code or self.code
        self.params = params
        super().__init__(self.code, params)

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value!r}" for name, value in self.params.items())])


class ClientError(DonationCardError):
    """The request cannot be served, and a retry does not help."""


class NotFound(ClientError):
    """No such page, campaign or session."""

    code = "not_found"


class Invalid(ClientError):
    """A part of the request has a value that is not allowed."""

    code = "request_malformed"


class TooLarge(ClientError):
    """The body exceeds its limit."""

    code = "body_too_large"


class UnsupportedFormat(ClientError):
    """An oEmbed consumer requests a format other than JSON (https://oembed.com, 2.3.6)."""

    code = "format_not_supported"


class Conflict(ClientError):
    """The state of the session or of the campaign does not allow the request."""

    code = "already_paid"


class RateLimited(ClientError):
    """Too many requests."""

    code = "rate_limited"


class Unavailable(DonationCardError):
    """A dependency does not answer."""


class TotalsUnavailable(Unavailable):
    """Redis does not answer, or its answer cannot be used."""

    code = "totals_unavailable"


class ProgressUnknown(Unavailable):
    """The totals are not built yet, and no public total is known. Unknown is not zero."""

    code = "progress_unknown"


class PaymentsUnavailable(Unavailable):
    """Stripe does not answer, or its answer cannot be used."""

    code = "payments_unavailable"


class ReplayedFailure(PaymentsUnavailable):
    """Stripe repeats a stored error 500 for a day. Only another idempotency key helps.

    https://docs.stripe.com/api/idempotent_requests
    """


class StripeKeyRejected(PaymentsUnavailable):
    """Stripe rejects the API key: revoked, expired, of the other mode, or without the permission."""


class IgnoredEvent(DonationCardError):
    """The event does not concern a donation of this installation.

    Codes: other_account, other_mode, other_product, payment_declined, unhandled_type, wrong_currency.
    """

    code = "unhandled_type"


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One mistake in a file or in the environment."""

    source: str
    field: str
    given: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.source}: {self.field}: given {self.given}; allowed: {self.allowed}"


class ConfigurationError(DonationCardError):
    """Hold every fault that was found, so that an operator can correct all at once."""

    code = "misconfigured"

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        super().__init__()
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)
