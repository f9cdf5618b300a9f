"""The public total of the donations that came from one site. It is a series of its own, beside that of the campaign."""

from dataclasses import dataclass

from donation_card.domain.publication import PublicationPolicy

MIN_STEPS = 2.5
"""Steps of the campaign in one step of a site, at least."""


@dataclass(frozen=True, slots=True)
class SiteTotal:
    """A total that the campaign opens. Everybody may read it, or who has the token with this SHA-256 (hexadecimal)."""

    host: str
    publication: PublicationPolicy
    token_sha256: str | None = None


def is_at_most_half_of_the_joint_step(donation: int, step: int, site_step: int) -> bool:
    """Return True if donation ÷ step + donation ÷ site step is at most a half (all in minor units).

    One donation can move both series, so what they reveal adds up: docs/decisions/0035.
    """
    return 2 * donation * (step + site_step) <= step * site_step
