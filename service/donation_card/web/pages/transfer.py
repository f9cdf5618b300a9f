"""Serve the page of a bank transfer, and its QR code."""

from starlette.requests import Request
from starlette.responses import Response

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.public_progress import PublicProgress
from donation_card.domain.bank_transfer import BankTransfer
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money, parse_amount
from donation_card.errors import Invalid, NotFound
from donation_card.web.http.headers import IMAGE_CSP, NO_STORE
from donation_card.web.presentation.giving_page_renderer import GivingPageRenderer
from donation_card.web.presentation.qr_code import transfer_svg
from donation_card.web.presentation.translations import request_translations


class TransferPage:
    """`/c/{id}/transfer` and `/c/{id}/transfer.svg`, with an amount or without."""

    def __init__(self, campaigns: Campaigns, progress: PublicProgress, pages: GivingPageRenderer) -> None:
        self.campaigns, self.progress, self.pages = campaigns, progress, pages

    async def show(self, request: Request) -> Response:
        campaign, transfer, amount = self._read(request)
        return self.pages.transfer(campaign, transfer, amount, request_translations(request, campaign))

    async def code(self, request: Request) -> Response:
        _, transfer, amount = self._read(request)
        return Response(transfer_svg(transfer, amount), 200, NO_STORE | IMAGE_CSP, "image/svg+xml")

    def _read(self, request: Request) -> tuple[Campaign, BankTransfer, Money | None]:
        """Return the account and the amount. Raise NotFound and Invalid (`amount_*`), with the way back to the form."""
        campaign = self.campaigns.get_visible(request.path_params["id"])
        found = [way.transfer for way in self.progress.ways_to_give(campaign) if way.transfer]
        if not found:
            raise NotFound("transfer_not_offered", campaign=campaign.id)
        try:
            return campaign, found[0], _amount(campaign, request.query_params.get("amount", "").strip())
        except Invalid as error:
            raise Invalid(error.code, **error.params, campaign=campaign.id) from None


def _amount(campaign: Campaign, given: str) -> Money | None:
    if not given:
        return None
    amount = parse_amount(given, campaign.currency, allow_minor_units=campaign.giving.allow_minor_units)
    campaign.check_amount(amount)
    return amount
