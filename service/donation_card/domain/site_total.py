"""The public total of the donations that came from one site. It is a series of its own, beside that of the campaign."""

import hashlib
import hmac
from dataclasses import dataclass

from donation_card.domain.publication import PublicationPolicy
from donation_card.errors import Forbidden, Unauthorized

MIN_STEPS = 2.5
"""Steps of the campaign in one step of a site, at least."""


@dataclass(frozen=True, slots=True)
class SiteTotal:
    """A total that the campaign opens. Everybody may read it, or who has the token with this SHA-256 (hexadecimal)."""

    host: str
    publication: PublicationPolicy
    token_sha256: str | None = None

    def check_token(self, token: str) -> None:
        """Raise Unauthorized or Forbidden unless everybody may read the total, or the token opens it.

        The comparison takes constant time. An empty token is none.
        """
        if self.token_sha256 is None:
            return
        if not token:
            raise Unauthorized
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        if not hmac.compare_digest(given, self.token_sha256):
            raise Forbidden


def is_at_most_half_of_the_joint_step(donation: int, step: int, site_step: int) -> bool:
    """Return True if donation ÷ step + donation ÷ site step is at most a half (all in minor units).

    One donation can move both series, so what they reveal adds up: docs/decisions/0035.
    """
    return 2 * donation * (step + site_step) <= step * site_step


def least_site_step(donation: int, step: int) -> int | None:
    """Return the least site step with which that is so, or None if the step of the campaign alone is too small."""
    room = step - 2 * donation
    return -(-2 * donation * step // room) if room > 0 else None
