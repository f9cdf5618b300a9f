"""Stripe's webhook signature, verified on the bytes as they came (https://docs.stripe.com/webhooks#verify-manually).

The library's own `construct_event` raises TypeError, UnicodeDecodeError and AttributeError on hostile input, and takes
time stamps from the future; a hundred bytes of header deserve a check whose every outcome is known.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from donation_card.errors import Invalid

TOLERANCE: Final = 300
"""Seconds that a signature's time stamp may differ from our clock, both ways."""

_LARGEST_HEADER: Final = 4096
_MOST_CANDIDATES: Final = 16
_TIMESTAMP: Final = re.compile(rb"[0-9]{1,12}")
_DIGEST: Final = re.compile(rb"[0-9a-f]{64}")


def verify(body: bytes, header: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Raise Invalid (`signature_invalid`) unless one of `secrets` signed `body` about now."""
    stamp, candidates = _parse(header)
    if abs(int(stamp) - now.timestamp()) > TOLERANCE:
        raise Invalid("signature_invalid", reason="too old or from the future")
    signed = stamp + b"." + body
    matches = [
        hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode(), candidate)
        for secret in secrets
        for candidate in candidates
    ]
    if not any(matches):
        raise Invalid("signature_invalid", reason="no candidate matches")


def _parse(header: bytes) -> tuple[bytes, list[bytes]]:
    if not header or len(header) > _LARGEST_HEADER:
        raise Invalid("signature_invalid", reason="header missing or too long")
    pairs = [part.strip().partition(b"=") for part in header.split(b",")]
    stamps = [value for name, _, value in pairs if name == b"t" and _TIMESTAMP.fullmatch(value)]
    candidates = [value for name, _, value in pairs if name == b"v1" and _DIGEST.fullmatch(value)]
    if len(stamps) != 1 or not 0 < len(candidates) <= _MOST_CANDIDATES:
        raise Invalid("signature_invalid", reason="header not understood")
    return stamps[0], candidates
