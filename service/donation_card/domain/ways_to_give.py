"""The ways to give that a campaign has now. Every page that offers one asks `ways_to_give`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from donation_card.domain.bank_transfer import BankTransfer
from donation_card.domain.campaign import Campaign, OtherWay, Status
from donation_card.domain.redirect_methods import names


class WayKind(Enum):
    CARD = "card"
    """A card or a wallet, on Stripe's page inside the giving page."""
    REDIRECT = "redirect"
    """A bank or another wallet, from Stripe's page in a new tab."""
    BANK_TRANSFER = "bank_transfer"
    LINK = "link"
    """An address of the organiser, outside this service."""


@dataclass(frozen=True, slots=True)
class WayToGive:
    """One way. Its kind decides which of the other fields it has."""

    kind: WayKind
    methods: tuple[str, ...] = ()
    """The names of the banks and wallets, in the order of the campaign file."""
    transfer: BankTransfer | None = None
    link: OtherWay | None = None


def ways_to_give(campaign: Campaign, now: datetime, raised: int | None) -> tuple[WayToGive, ...]:
    """Return the ways in their order on the giving page. `raised` as in `Campaign.status_at`."""
    return tuple(_ways(campaign)) if campaign.status_at(now, raised) is Status.OPEN else ()


def _ways(campaign: Campaign) -> Iterator[WayToGive]:
    yield WayToGive(WayKind.CARD)
    if methods := names(campaign.redirect_methods, campaign.currency):
        yield WayToGive(WayKind.REDIRECT, methods=methods)
    if campaign.shown_transfer:
        yield WayToGive(WayKind.BANK_TRANSFER, transfer=campaign.shown_transfer)
    for other in campaign.other_ways:
        yield WayToGive(WayKind.LINK, link=other)
