"""Every error this service raises on purpose, as one tree.

    DonationCardError
    ├── ClientError              the request cannot be served as it is; the reader learns why     4xx
    │   ├── NotFound             not_found, campaign_unknown, campaign_hidden, …                 404
    │   ├── UnsupportedFormat    format_not_supported                                            501
    │   ├── Invalid              request_malformed, parameter_invalid, amount_*, token_*, …      400
    │   ├── TooLarge             body_too_large                                                  413
    │   ├── Conflict             already_paid, campaign_closed                                   409
    │   └── RateLimited          rate_limited, challenge_required, too_many_changes              429
    ├── Unavailable              a dependency does not answer; another try can succeed           503
    │   ├── TotalsUnavailable    totals_unavailable
    │   ├── ProgressUnknown      progress_unknown
    │   └── PaymentsUnavailable  payments_unavailable
    │       ├── ReplayedFailure      Stripe repeats the failure for this idempotency key
    │       └── StripeKeyRejected    Stripe rejects the key until an operator replaces it
    ├── IgnoredEvent             a Stripe event that is not about a donation of ours             200
    └── ConfigurationError       a campaign file or setting is wrong; the service does not start

Each has a stable `code` and `params` (what was given, what is allowed). `web/problems.py` makes sentences in the
reader's language from the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class DonationCardError(Exception):
    """Base of the tree. `status` is the HTTP status (RFC 9110) the error is answered with."""

    status = 500
    code = "internal"

    def __init__(self, code: str | None = None, **params: str | int) -> None:
        self.code = code or self.code
        self.params = params
        super().__init__(self.code, params)

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value!r}" for name, value in self.params.items())])


class ClientError(DonationCardError):
    status = 400


class NotFound(ClientError):
    status = 404
    code = "not_found"


class Invalid(ClientError):
    status = 400
    code = "request_malformed"


class TooLarge(ClientError):
    status = 413
    code = "body_too_large"


class UnsupportedFormat(ClientError):
    """What oEmbed asks for a format that a provider does not speak (https://oembed.com, 2.3.6)."""

    status = 501
    code = "format_not_supported"


class Conflict(ClientError):
    status = 409
    code = "already_paid"


class RateLimited(ClientError):
    status = 429
    code = "rate_limited"


class Unavailable(DonationCardError):
    status = 503


class TotalsUnavailable(Unavailable):
    code = "totals_unavailable"


class ProgressUnknown(Unavailable):
    """The projection has not been built and no figure was ever published: unknown is not zero."""

    code = "progress_unknown"


class PaymentsUnavailable(Unavailable):
    code = "payments_unavailable"


class ReplayedFailure(PaymentsUnavailable):
    """Stripe stores a 500 under the idempotency key and repeats it for a day: only another key helps.

    https://docs.stripe.com/api/idempotent_requests
    """


class StripeKeyRejected(PaymentsUnavailable):
    """Stripe does not take our key: revoked, expired, of the other mode, or without the right to do this."""


class IgnoredEvent(DonationCardError):
    """`code` says why: other_account, other_mode, other_product, payment_declined, unhandled_type, wrong_currency."""

    status = 200
    code = "unhandled_type"


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One mistake in a file or in the environment: where, what was given, what is allowed."""

    source: str
    field: str
    given: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.source}: {self.field}: given {self.given}; allowed: {self.allowed}"


class ConfigurationError(DonationCardError):
    """Carries every fault found, so that the operator mends them in one go."""

    code = "misconfigured"

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        super().__init__()
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)
