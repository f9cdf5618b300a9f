"""Serve the page to which Stripe returns a donor."""

import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.tokens import Tokens
from donation_card.application.public_progress import PublicProgress
from donation_card.application.session_reader import SessionReader
from donation_card.errors import Invalid, NotFound
from donation_card.web.http.headers import NO_STORE
from donation_card.web.http.return_url import validate_return_url
from donation_card.web.presentation import giving
from donation_card.web.presentation.giving_page_renderer import GivingPageRenderer
from donation_card.web.presentation.translations import request_translations

_SESSION_ID = re.compile(r"cs_(test|live)_[A-Za-z0-9]{1,240}")
"""An id of Stripe. Another text could change the path of our request to Stripe."""


class ThanksPage:
    """`/c/{id}/thanks`."""

    def __init__(
        self,
        session_reader: SessionReader,
        campaigns: Campaigns,
        progress: PublicProgress,
        tokens: Tokens,
        pages: GivingPageRenderer,
    ) -> None:
        self.session_reader, self.campaigns, self.progress = session_reader, campaigns, progress
        self.tokens, self.pages = tokens, pages

    async def show(self, request: Request) -> Response:
        """Show the state of the payment, which is read from Stripe: the URL proves nothing.

        After a day, redirect to the campaign.
        """
        campaign = self.campaigns.get(request.path_params["id"])  # also a hidden one, because the donor has paid
        t = request_translations(request, campaign)
        try:
            named, nonce, return_url = self.tokens.read_return_token(request.query_params.get("return_token", ""))
        except Invalid as error:
            if error.code != "token_expired":
                raise
            return RedirectResponse(f"/c/{campaign.id}?lang={t.language}", 303, NO_STORE)  # the history tells no gift
        session_id = request.query_params.get("session_id", "")
        if named != campaign.id or not _SESSION_ID.fullmatch(session_id):
            raise NotFound("session_unknown")
        session = await self.session_reader.get_status(session_id, named, nonce)
        progress = self.progress.get(campaign)
        checkout = giving.checkout_status_json(campaign, progress, t, session.status.value, session.amount)
        return self.pages.thanks(campaign, t, checkout, validate_return_url(campaign, return_url))
