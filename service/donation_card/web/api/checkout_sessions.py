"""Start checkout sessions from the donation form, and read their status."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from donation_card.application.checkout import Checkout, StartCheckout
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.payments import CheckoutSession, PaymentPage, UiMode
from donation_card.application.ports.tokens import FormToken, SessionHandle, Tokens
from donation_card.application.public_progress import PublicProgress
from donation_card.application.session_limits import Client
from donation_card.application.session_reader import SessionReader
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.domain.ways_to_give import WayKind
from donation_card.errors import Invalid, RateLimited
from donation_card.observability.log_events import LogEvent, log
from donation_card.web.api.checkout_request import CheckoutForm, CheckoutRequest, read_checkout_request
from donation_card.web.http.headers import NO_STORE
from donation_card.web.http.return_url import validate_return_url
from donation_card.web.presentation import documents, giving
from donation_card.web.presentation.giving_page_renderer import GivingPageRenderer
from donation_card.web.presentation.translations import Translations, request_translations
from donation_card.web.presentation.ways import transfer_url
from donation_card.web.problems import http_status, localized_detail


class CheckoutEndpoints:
    """`/v1/checkout-sessions`."""

    def __init__(
        self,
        checkout: Checkout,
        session_reader: SessionReader,
        campaigns: Campaigns,
        progress: PublicProgress,
        tokens: Tokens,
        pages: GivingPageRenderer,
        public_url: str,
    ) -> None:
        self.checkout, self.session_reader, self.campaigns = checkout, session_reader, campaigns
        self.progress, self.tokens, self.pages, self.public_url = progress, tokens, pages, public_url

    async def create(self, request: Request) -> Response:
        """Start a checkout. JSON gets the session; a form is redirected to its way to give, or shown again."""
        form = await read_checkout_request(request)
        request.state.lang = form.lang  # it comes before the language of the query, also in errors
        token = self.tokens.read_form_token(form.form_token)
        campaign = self.campaigns.get_visible(token.campaign)
        t = request_translations(request, campaign, accept_language=False)
        return_url = validate_return_url(campaign, form.return_url)
        try:
            if response := self._beside_stripe(form, campaign, t, return_url):
                return response
            command = StartCheckout(
                token,
                form.parsed_amount(campaign, t),
                self._payment_page(campaign, t, token, UiMode(form.ui_mode), return_url),
                Client(client_address(request), form.has_javascript, form.proof, form_hash(form.form_token)),
                self.tokens.read_handle(form.replaces_session) if form.replaces_session else None,
                form.cover_fee,
            )
            session = await self.checkout.start(command)
        except (Invalid, RateLimited) as error:
            concerns_form = error.code.startswith("amount_") or error.code == "challenge_required"
            if isinstance(form, CheckoutRequest) or not concerns_form:
                raise
            return self._show_again(form, campaign, t, return_url, error)
        if not form.has_javascript:
            return self._to_payment(campaign, t, session.url or "")
        session_token = self.tokens.issue_handle(SessionHandle(session.id, campaign.id, token.attempt_id))
        total = command.order(campaign).total
        return JSONResponse(_session_json(session, total, session_token, form.ui_mode), 201, NO_STORE)

    def _beside_stripe(
        self, form: CheckoutRequest | CheckoutForm, campaign: Campaign, t: Translations, return_url: str
    ) -> Response | None:
        """Respond to a form whose way to give needs no checkout session: with the transfer, or again with the link."""
        if form.way == WayKind.BANK_TRANSFER.value:
            amount = form.parsed_amount(campaign, t)
            campaign.check_amount(amount)
            return RedirectResponse(self.public_url + transfer_url(campaign, amount, t), 303, NO_STORE)
        if form.way.startswith(WayKind.LINK.value):
            return self._show_again(form, campaign, t, return_url)
        return None

    def _to_payment(self, campaign: Campaign, t: Translations, url: str) -> Response:
        """Redirect to Stripe's page. Browsers block that if form-action lacks its origin: then show a link instead."""
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" in self.pages.settings.stripe_origins("form"):
            return RedirectResponse(url, 303, NO_STORE)
        log.error(LogEvent.CHECKOUT_ORIGIN_UNKNOWN, origin=f"{parts.scheme}://{parts.netloc}")
        return self.pages.payment_link(campaign, t, url)

    def _payment_page(
        self, campaign: Campaign, t: Translations, token: FormToken, ui_mode: UiMode, return_url: str
    ) -> PaymentPage:
        page = PaymentPage(
            ui_mode=ui_mode,
            description=t.translate("give.product"),
            fee_description=t.translate("give.fee_product"),
            locale=(campaign.stripe_locales or {}).get(t.language, t.language),
            submit_message=_submit_message(campaign, t),
        )
        if ui_mode is UiMode.EMBEDDED:
            return page
        base = f"{self.public_url}/c/{campaign.id}"
        return_token = self.tokens.issue_return_token(campaign.id, token.attempt_id, return_url)
        query = f"&{urlencode({'return_url': return_url})}" if return_url else ""
        return replace(
            page,
            # Stripe replaces the braces, but not encoded ones
            success_url=f"{base}/thanks?session_id={{CHECKOUT_SESSION_ID}}&return_token={return_token}&lang={t.language}",
            cancel_url=f"{base}/give?lang={t.language}{query}",
        )

    def _show_again(
        self,
        form: CheckoutRequest | CheckoutForm,
        campaign: Campaign,
        t: Translations,
        return_url: str,
        error: Invalid | RateLimited | None = None,
    ) -> Response:
        """Show the form with the error and everything that the donor chose and typed.

        Where a proof is required, the form makes it in this page, and then leads to Stripe.
        """
        return self.pages.give(
            campaign,
            self.progress.get(campaign),
            t,
            self.progress.status(campaign),
            form.form_token,
            ways=self.progress.ways_to_give(campaign),
            given=form.model_dump(),
            return_url=return_url,
            error=localized_detail(error, t) if error else "",
            error_code=error.code if error else "",
            http_status=http_status(error) if error else 200,
        )

    async def status(self, request: Request) -> Response:
        handle = self.tokens.read_handle(request.path_params["session_token"])
        campaign = self.campaigns.get(handle.campaign)  # donors of a hidden campaign see their status too
        t = request_translations(request, campaign)
        session = await self.session_reader.get_status(handle.session_id, handle.campaign, handle.attempt_id)
        progress = self.progress.get(campaign)
        return JSONResponse(
            giving.checkout_status_json(campaign, progress, t, session.status.value, session.amount), 200, NO_STORE
        )


def form_hash(token: str) -> str:
    """Return the hash that binds a proof of work to its form."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def client_address(request: Request) -> str | None:
    """Return the address of the client, which uvicorn reads from a header of trusted proxies only."""
    return request.client.host if request.client else None


def _submit_message(campaign: Campaign, t: Translations) -> str | None:
    """Return the bank warning for Stripe's page, which has no Belarusian and no Ukrainian."""
    warning = giving.bank_warning(campaign.warned_bank_countries, t)
    return f"{warning['title']} {warning['text']}" if warning else None


def _session_json(
    session: CheckoutSession, amount: Money, session_token: str, ui_mode: str
) -> documents.CheckoutSession:
    document: documents.CheckoutSession = {
        "session_token": session_token,
        "ui_mode": ui_mode,
        "amount": amount.amount,
        "currency": amount.currency,
        "expires_at": documents.utc_text(datetime.fromtimestamp(session.expires_at, UTC)),
    }
    if ui_mode == "embedded":
        document["client_secret"] = session.client_secret or ""
    else:
        document["url"] = session.url or ""
    return document
