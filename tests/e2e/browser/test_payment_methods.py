"""Test gifts by methods that redirect, and gifts that cover the fee, on the giving page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from donation_card.domain.campaign import LANGUAGES
from donation_card.domain.card_fee import EUROPEAN_CARD_FEE
from donation_card.domain.money import Money
from donation_card.web.presentation.translations import translations_for
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from tests.integration.web.test_abuse import easy as easy, force
from tests.support.browser import (
    Site,
    article,
    choose,
    open_card,
    pay_inline,
    pay_on,
    type_amount,
    with_publisher_site,
)
from tests.support.installation import PAYS, Installation, eventually
from tests.support.ways import write_campaign_with_fee

NARROW = {"width": 320, "height": 640}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def installed(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Site]]:
    here = tmp_path_factory.mktemp("methods")
    with with_publisher_site(
        redis_url, here / "sandbox", campaigns=write_campaign_with_fee(here / "campaigns")
    ) as found:
        yield found


def raised(installation: Installation) -> int:
    totals = installation.totals()
    return totals.raised if totals else 0


def choose_way(frame: Page | FrameLocator, way: str) -> None:
    frame.locator(f'.way > label:has([value="{way}"])').click()


def open_stripe(context: BrowserContext, frame: Page | FrameLocator) -> Page:
    """Press the button of the way `redirect`, and return the tab that opens."""
    with context.expect_page() as opened:
        frame.locator("button:has(#open-stripe)").click()
    return opened.value


def open_bank(context: BrowserContext, frame: Page | FrameLocator, method: str) -> Page:
    """Choose EUR 25 and a method at Stripe, and return the tab with the page of the bank."""
    choose(frame, "25")
    choose_way(frame, "redirect")
    expect(frame.locator("#open-stripe")).to_contain_text("25")
    tab = open_stripe(context, frame)
    choose_at_stripe(tab, method)
    return tab


def choose_at_stripe(tab: Page, method: str) -> None:
    tab.locator("[name=email]").fill("ada@example.org")
    tab.get_by_role("button", name=method).click()


@pytest.mark.parametrize(("method", "lang", "thanks"), [("iDEAL", "en", "Thank you"), ("PayPal", "be", "Дзякуй")])
def test_gift_by_redirect_is_authorised_and_counted(
    page: Page, context: BrowserContext, installation: Installation, site: Site, method: str, lang: str, thanks: str
) -> None:
    before = raised(installation)
    page.set_viewport_size(PHONE)
    frame = open_card(page, site.publish(article(installation, lang)))
    tab = open_bank(context, frame, method)
    tab.locator('[value="approve"]').click()
    expect(tab.locator("h1")).to_contain_text(thanks)
    expect(frame.locator("#opened-in-tab")).to_be_visible()
    expect(frame.locator("#pay h1")).to_contain_text("25")
    eventually(lambda: raised(installation) == before + 2500, "the gift is counted")


def test_refused_gift_leads_back_and_can_be_paid_by_card(
    page: Page, context: BrowserContext, installation: Installation, site: Site
) -> None:
    before = raised(installation)
    frame = open_card(page, site.publish(article(installation)))
    tab = open_bank(context, frame, "iDEAL")
    tab.locator('[value="decline"]').click()
    expect(tab.locator("[role=alert]")).to_contain_text("was not authorised")
    assert raised(installation) == before
    pay_on(tab, PAYS)
    expect(tab.locator("h1")).to_have_text("Thank you")
    eventually(lambda: raised(installation) == before + 2500, "the gift is counted")


def test_redirect_replaces_the_payment_in_place(
    page: Page, context: BrowserContext, installation: Installation, site: Site
) -> None:
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    payment = frame.frame_locator("#payment iframe")
    expect(payment.locator("[name=number]")).to_be_visible()
    frame.locator("#change").click()
    choose_way(frame, "redirect")
    tab = open_stripe(context, frame)
    expect(tab.get_by_role("button", name="PayPal")).to_be_visible()
    page.wait_for_timeout(100)
    expect(frame.locator("#payment")).to_be_hidden()


@pytest.mark.parametrize("lang", ["de", "be"])
def test_gift_by_redirect_without_javascript(browser: Browser, installation: Installation, lang: str) -> None:
    before = raised(installation)
    with browser.new_context(java_script_enabled=False, viewport=PHONE) as context:
        page = context.new_page()
        page.goto(f"{installation.service}/c/vitaly/give?lang={lang}")
        choose(page, "25")
        choose_way(page, "card")
        page.locator("#cover-fee").check()  # it is for cards only
        choose_way(page, "redirect")
        tab = open_stripe(context, page)
        choose_at_stripe(tab, "iDEAL")
        tab.locator('[value="approve"]').click()
        expect(tab.locator("h1")).to_have_text(translations_for(lang).translate("thanks.paid.title"))
    eventually(lambda: raised(installation) == before + 2500, "the gift is counted")


def test_covered_fee_is_on_the_button_charged_and_counted(page: Page, installation: Installation, site: Site) -> None:
    before = raised(installation)
    frame = open_card(page, site.publish(article(installation)))
    expect(frame.locator("#cover-fee")).not_to_be_checked()
    choose(frame, "25")
    offer = frame.get_by_text("Add €1, so that about €25 arrives")
    expect(offer).to_be_visible()
    expect(frame.locator("#submit")).to_have_text("Continue with €25")
    offer.click()
    expect(frame.locator("#submit")).to_have_text("Continue with €26")
    expect(frame.locator("#effect")).to_contain_text("Your €25 goes to")
    frame.locator("#submit").click()
    expect(frame.locator("#pay h1")).to_contain_text("€26")
    pay_inline(frame, PAYS)
    expect(frame.locator("#outcome")).to_contain_text("€26")
    eventually(lambda: raised(installation) == before + 2600, "the whole amount is counted")


def test_changed_tick_is_another_order(
    page: Page, context: BrowserContext, installation: Installation, site: Site
) -> None:
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.locator("#pay h1")).to_contain_text("€25")
    frame.locator("#change").click()
    frame.locator("#cover-fee").check()
    frame.locator("#submit").click()
    expect(frame.locator("#pay h1")).to_contain_text("€26")
    expect(
        frame.frame_locator("#payment iframe").locator("[name=number]")
    ).to_be_visible()  # until then the button moves
    with context.expect_page() as opened:
        frame.locator("#new-tab button").click()
    expect(opened.value.locator(".amount")).to_contain_text("€26")
    expect(opened.value.get_by_role("button", name="PayPal")).to_have_count(0)


def test_covered_fee_without_javascript(browser: Browser, installation: Installation) -> None:
    before = raised(installation)
    with browser.new_context(java_script_enabled=False, viewport=PHONE) as context:
        page = context.new_page()
        page.goto(f"{installation.service}/c/vitaly/give?lang=en")
        choose(page, "25")
        page.get_by_text("Add the card fee: about 1.5% + €0.25, rounded up to a whole amount").click()
        page.locator("#submit").click()
        expect(page.locator(".amount")).to_contain_text("€26")
        pay_on(page, PAYS)
        expect(page.locator("h1")).to_have_text("Thank you")
    eventually(lambda: raised(installation) == before + 2600, "the whole amount is counted")


def test_page_and_service_have_one_rule_for_the_fee(page: Page, installation: Installation) -> None:
    page.goto(f"{installation.service}/c/vitaly/give?lang=en")
    text = translations_for("en")
    for units in (5, 7, 16, 17, 49, 50, 83, 84, 150, 333, 999, 1000):
        gift = Money(units * 100, "EUR")
        added = EUROPEAN_CARD_FEE.to_add(gift)
        type_amount(page, str(units))
        offer = text.translate("give.cover_fee", fee=text.format_money(added), amount=text.format_money(gift))
        expect(page.locator(".cover-fee")).to_have_text(offer)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_ways_at_stripe_can_be_chosen_with_the_keyboard(page: Page, installation: Installation, lang: str) -> None:
    page.goto(f"{installation.service}/c/vitaly/give?lang={lang}")
    t = translations_for(lang).translate
    page.locator('[name="way"][value="card"]').focus()
    page.keyboard.press("Tab")
    expect(page.locator("#cover-fee")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.locator("#cover-fee")).to_be_checked()
    page.locator('[name="way"][value="card"]').focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator('.way:has([value="redirect"]) > label b')).to_have_text("PayPal, iDEAL")
    expect(page.locator("button:has(#open-stripe)")).to_have_text(f"{t('give.redirect.open')} ↗")
    expect(page.locator("#cover-fee")).to_be_hidden()


def test_way_at_stripe_in_a_sandbox_without_forms_says_so(page: Page, installation: Installation, site: Site) -> None:
    address = f"{installation.service}/c/vitaly/give?lang=en"
    sandbox = "allow-scripts allow-same-origin allow-popups"
    page.goto(site.publish(f'<iframe src="{address}" sandbox="{sandbox}" width="700" height="900"></iframe>'))
    frame = page.frame_locator("iframe")
    choose(frame, "25")
    choose_way(frame, "redirect")
    frame.locator("button:has(#open-stripe)").click()
    expect(frame.locator("#error")).to_contain_text(f"Copy this address into a new tab: {address}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_ways_at_stripe_pass_axe_on_a_narrow_screen(
    page: Page, installation: Installation, scheme: str, lang: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(NARROW)
    page.goto(f"{installation.service}/c/vitaly/give?lang={lang}")
    choose(page, "25")
    page.locator("#cover-fee").check()
    for way in ("card", "redirect"):
        choose_way(page, way)
        found = [
            (each["id"], [node["html"] for node in each["nodes"]]) for each in Axe().run(page).response["violations"]
        ]
        assert found == []
        assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"], "nothing is cut off"


def test_page_with_a_fee_has_at_most_26_kb(page: Page, installation: Installation) -> None:
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"{installation.service}/c/vitaly/give?lang=be")
    page.wait_for_timeout(500)
    accept = {"accept-encoding": "br"}
    sizes = [int(installation.client.get(url, headers=accept).headers["content-length"]) for url in urls]
    assert (len(sizes) <= 4, sum(sizes) <= 26_000) == (True, True), sizes


@pytest.mark.parametrize("has_javascript", [True, False])
def test_tab_of_a_redirect_makes_its_proof_during_an_attack(
    browser: Browser, redis_url: str, tmp_path: Path, has_javascript: bool
) -> None:
    campaigns = write_campaign_with_fee(tmp_path / "campaigns")
    file = campaigns / "vitaly.toml"
    file.write_text(f'fallback_url = "https://donate.example.org/vitaly"\n{file.read_text("utf-8")}', "utf-8")
    with with_publisher_site(redis_url, tmp_path / "sandbox", campaigns=campaigns) as (installation, _):
        force(installation, "on")
        with browser.new_context(java_script_enabled=has_javascript, viewport=PHONE, locale="be") as context:
            page = context.new_page()
            page.goto(f"{installation.service}/c/vitaly/give?lang=be")
            choose_way(page, "redirect")
            choose(page, "25")
            tab = open_stripe(context, page)
            if has_javascript:
                tab.wait_for_url(f"{installation.sandbox}/**")
                pay_on(tab, PAYS)
                expect(tab.locator("h1")).to_contain_text("Дзякуй")
            else:
                expect(tab.locator("#error")).to_contain_text("JavaScript")
                expect(tab.locator("#fallback a")).to_be_visible()
                expect(tab.locator('[value="redirect"]')).to_be_checked()
