"""Verify the signature of a webhook (https://docs.stripe.com/webhooks#verify-manually) on the received bytes.

`construct_event` of the stripe package is not used. It raises TypeError, UnicodeDecodeError and AttributeError for
hostile input, and accepts timestamps in the future.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from donation_card.errors import Invalid

TOLERANCE = 300
"""Seconds by which the timestamp of a signature may differ from the clock, in both directions."""

_MAX_CANDIDATES = 16
_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_DIGEST = re.compile(rb"[0-9a-f]{64}")


def verify(body: bytes, header: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Raise Invalid (`signature_invalid`) unless one of the secrets signed the body within the tolerance."""
    timestamp, candidates = _parse(header)
    if abs(int(timestamp) - now.timestamp()) > TOLERANCE:
        raise Invalid("signature_invalid", reason="too old or from the future")
    signed = timestamp + b"." + body
    expected = [hmac.new(secret.encode(), signed, "sha256").hexdigest().encode() for secret in secrets]
    matches = [hmac.compare_digest(digest, candidate) for digest in expected for candidate in candidates]
    if not any(matches):
        raise Invalid("signature_invalid", reason="no candidate matches")


def _parse(header: bytes) -> tuple[bytes, list[bytes]]:
    pairs = [part.strip().partition(b"=") for part in header.split(b",")]
    timestamps = [value for name, _, value in pairs if name == b"t" and _TIMESTAMP.fullmatch(value)]
    candidates = [value for name, _, value in pairs if name == b"v1" and _DIGEST.fullmatch(value)]
    if len(timestamps) != 1 or not 0 < len(candidates) <= _MAX_CANDIDATES:
        raise Invalid("signature_invalid", reason="header not understood")
    return timestamps[0], candidates
