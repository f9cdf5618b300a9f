"""Donate in a browser as a donor does, and follow each donation to the thanks and to the total."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from donation_card.adapters.stripe.objects import parse_charge_country
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.totals import Totals
from donation_card.use_cases import Application
from playwright.sync_api import BrowserContext, FrameLocator, expect

from tests.live_check.check import CAMPAIGN
from tests.live_check.payment_page import APPROVE, DECLINED, PaymentPage
from tests.live_check.stripe_api import SESSIONS
from tests.support.browser import article, choose, open_card
from tests.support.installation import ASKS_3DS, DECLINED as DECLINED_CARD, PAYS, eventually

if TYPE_CHECKING:
    from tests.live_check.check import LiveCheck

AMOUNT = 10_00
"""Minor units of each donation. The campaign suggests this amount."""


def start_service(check: LiveCheck) -> Iterator[str]:
    """Start the service with an empty store. It must read everything from Stripe before it is ready."""
    check.start_service()
    check.start_browser()
    check.note(f"the public total of this account before: {check.raised() / 100:.2f}")
    return iter(())


def show_embedded_page(check: LiveCheck) -> Iterator[str]:
    """Open Stripe's page in the card on the page of another origin."""
    violations: list[str] = []
    with check.browser_context(violations) as context:
        _, payment = _open_payment(check, context)
        try:
            payment.card_number()
        except LookupError as error:
            yield str(error)
        payment.page.wait_for_timeout(2_000)  # Stripe's script goes on loading
    yield from dict.fromkeys(violations)


def pay_embedded(check: LiveCheck) -> Iterator[str]:
    """Pay in the frame. The charge must name the country of the bank, which campaigns warn about."""
    yield from _donate(check, "embedded-pay", PAYS)
    expanded = {"expand": ["payment_intent.latest_charge"]}
    session = check.stripe.read(f"{SESSIONS}/{check.payments['embedded-pay']}", expanded)
    if parse_charge_country(session["payment_intent"]) is None:
        yield "the charge names no country of the bank"


def pay_with_3d_secure(check: LiveCheck) -> Iterator[str]:
    def approve(payment: PaymentPage) -> None:
        button = payment.find(APPROVE)
        if button is None:
            raise LookupError("no button of the bank's page that approves the payment")
        button.click()

    yield from _donate(check, "3d-secure", ASKS_3DS, approve)


def _donate(
    check: LiveCheck, step: str, number: str, then: Callable[[PaymentPage], None] = lambda payment: None
) -> Iterator[str]:
    """Pay in the embedded page, and expect the thanks and the total."""
    before, violations = check.raised(), list[str]()
    with check.browser_context(violations) as context:
        frame, payment = _open_payment(check, context)
        payment.pay(number)
        then(payment)
        expect(frame.locator("#thanks h1")).to_have_text("Thank you", timeout=check.timeout * 1_000)
    check.payments[step] = check.stripe.sessions[-1]
    yield from dict.fromkeys(violations)
    yield from _moved(check, before, AMOUNT)
    yield from _status_at_stripe(check, check.payments[step], "complete", "paid")


def decline_card(check: LiveCheck) -> Iterator[str]:
    """Expect Stripe's own error, no thanks and no change of the total."""
    before, violations = check.raised(), list[str]()
    with check.browser_context(violations) as context:
        frame, payment = _open_payment(check, context)
        payment.pay(DECLINED_CARD)
        if payment.find(DECLINED) is None:
            yield "Stripe's page shows no alert that says that the card was declined"
        if frame.locator("#thanks").is_visible():
            yield "the donor was thanked for a declined card"
    yield from dict.fromkeys(violations)
    yield from _status_at_stripe(check, check.stripe.sessions[-1], "open", "unpaid")
    check.synchronise()
    if check.raised() != before:
        yield f"the total moved by {check.raised() - before} after a declined card"


def pay_hosted(check: LiveCheck) -> Iterator[str]:
    """Leave the frame for Stripe's hosted page in a new tab, pay there and return to our thanks."""
    before, violations = check.raised(), list[str]()
    with check.browser_context(violations) as context:
        frame, _ = _open_payment(check, context)
        with context.expect_page() as opened:
            frame.locator("#new-tab button").click()
        hosted = opened.value
        hosted.wait_for_url(lambda url: not url.startswith((check.installation.service, "about:")))
        check.stripe.sessions += re.findall(r"cs_test_[A-Za-z0-9]+", hosted.url)[:1]
        PaymentPage(hosted, timeout=check.timeout).pay(PAYS)
        hosted.wait_for_url(lambda url: url.startswith(check.installation.service))
        expect(hosted.locator("h1")).to_have_text("Thank you", timeout=check.timeout * 1_000)
    check.payments["hosted-pay"] = check.stripe.sessions[-1]
    yield from dict.fromkeys(violations)
    yield from _moved(check, before, AMOUNT)


def refund(check: LiveCheck) -> Iterator[str]:
    """Refund half of a donation at Stripe. One synchronisation must subtract it."""
    before = check.raised()
    session = check.stripe.read(f"{SESSIONS}/{check.payments['embedded-pay']}")
    wish = {"payment_intent": session["payment_intent"], "amount": AMOUNT // 2}
    check.stripe.call("POST", "/v1/refunds", wish).raise_for_status()
    yield from _moved(check, before, -AMOUNT // 2)


def rebuild_from_stripe(check: LiveCheck) -> Iterator[str]:
    """Fill another empty store from Stripe's lists alone. It must come to the same total."""

    async def totals(application: Application) -> Totals | None:
        return await application.totals_store.totals(await application.account.get(), CAMPAIGN)

    async def rebuilt(application: Application) -> Totals | None:
        await application.reconciliation.run()
        return await totals(application)

    check.synchronise()
    known = check.with_application(totals)
    with EmbeddedValkey(check.folder / "second-valkey") as empty:
        found = check.with_application(rebuilt, redis_url=empty.url)
    if known != found:
        yield f"the service counts {known}, Stripe's lists contain {found}"


def find_events(check: LiveCheck) -> Iterator[str]:
    """Find the donations in Stripe's list of events, as a synchronisation reads it."""

    async def ids(_: Application) -> set[str]:
        settings = check.installation.settings
        payments = StripePayments(check.secret_key, (), api_base=settings.stripe_api_base, account_id=check.account)
        try:
            return {record.id async for record in payments.list_changed_since(int(time.time()) - 3_600)}
        finally:
            await payments.close()

    found = check.with_application(ids)
    for step, session in check.payments.items():
        if session not in found:
            yield f"events.list has no event about the session of {step}"


def _open_payment(check: LiveCheck, context: BrowserContext) -> tuple[FrameLocator, PaymentPage]:
    """Open the article, choose an amount in the card and wait for Stripe's page in our frame."""
    page = context.new_page()
    frame = open_card(page, check.site.publish(article(check.installation)))
    choose(frame, str(AMOUNT // 100))
    frame.locator("#submit").click()
    frame.locator("#payment iframe").first.wait_for(state="visible")
    ours = (check.installation.service, check.site.origin, "about:")
    return frame, PaymentPage(page, ours, check.timeout)


def _moved(check: LiveCheck, before: int, by: int) -> Iterator[str]:
    """Wait for the public total. Synchronise if it does not follow by itself."""
    for attempt in range(4):
        try:
            eventually(lambda: check.raised() == before + by, "the total", seconds=3 if attempt == 0 else 10)
            return
        except AssertionError:
            check.synchronise()
    yield f"the total moved by {check.raised() - before} minor units, and not by {by}"


def _status_at_stripe(check: LiveCheck, session: str, *expected: str) -> Iterator[str]:
    session_found: dict[str, Any] = check.stripe.read(f"{SESSIONS}/{session}")
    found = session_found["status"], session_found["payment_status"]
    if found != expected:
        yield f"the session is {' and '.join(found)} at Stripe, and not {' and '.join(expected)}"
