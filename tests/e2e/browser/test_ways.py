"""Give by another way than the card: choose it, copy or scan the transfer, with and without JavaScript."""

import pytest
from donation_card.domain.campaign import LANGUAGES
from playwright.sync_api import expect

from tests.e2e.browser.test_accessibility import assert_clean
from tests.support.browser import NARROW, article, choose, open_card, type_amount, with_publisher_site
from tests.support.qr_reader import read_png
from tests.support.ways import BIC, HOLDER, IBAN, LINKS, REFERENCE, campaign_with_ways, write_campaigns

PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def installed(redis_url, tmp_path_factory):
    """Run the campaign `ways`. The first campaign has all ways, too, so that its card opens them in an article."""
    full = campaign_with_ways(head='redirect_methods = ["paypal", "ideal", "bancontact", "eps"]')
    full = full.replace("[giving]", '[giving]\nfee = { percent = "1.5", fixed = "0.25" }', 1)
    campaigns = write_campaigns(tmp_path_factory.mktemp("campaigns"), vitaly=campaign_with_ways(), full=full)
    with with_publisher_site(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=campaigns) as found:
        yield found


def choose_way(page, way):
    page.locator(f".way:has([value={way}]) > label").click()


def epc_text(amount):
    return "\n".join(["BCD", "002", "1", "SCT", BIC, HOLDER, IBAN, f"EUR{amount}", "", REFERENCE])


def transfer_page(installation, lang="en", amount="25"):
    return f"{installation.service}/c/ways/transfer?lang={lang}&amount={amount}"


def test_only_the_chosen_way_is_open_with_its_button_inside(page, installation):
    page.goto(f"{installation.service}/c/ways/give?lang=en")
    for way in ("card", "bank_transfer", "link-2", "link-3"):
        choose_way(page, way)
        insides = page.locator(".inside:visible")
        expect(insides).to_have_count(1)
        assert page.locator(f".way:has([value={way}])").locator(".inside .button:visible").count() == 1
    expect(page.locator(".inside a.button:visible")).to_have_attribute("href", LINKS[1])


@pytest.mark.parametrize("size", [NARROW, PHONE, WIDE])
def test_warning_stands_above_all_ways(page, installation, size):
    page.set_viewport_size(size)
    page.goto(f"{installation.service}/c/ways/give?lang=en")
    box = page.locator("#choose .bank-warning").bounding_box()
    expect(page.locator("#choose .bank-warning")).to_contain_text("whichever way you choose")
    assert box["y"] + box["height"] <= page.locator(".ways").bounding_box()["y"]


@pytest.mark.parametrize(("amount", "text"), [("10", "10.00"), ("50", "50.00"), ("37", "37.00")])
def test_code_and_fields_follow_the_amount(page, installation, amount, text):
    page.set_viewport_size(WIDE)
    page.goto(f"{installation.service}/c/ways/give?lang=en")
    choose_way(page, "bank_transfer")
    expect(page.locator("#transfer-amount")).to_be_hidden()
    choose(page, "25")
    if amount == "37":
        type_amount(page, amount)
    else:
        choose(page, amount)
    expect(page.locator("#transfer-amount")).to_have_text(f"€{amount}")
    code = page.locator("#transfer img")
    expect(code).to_have_css("opacity", "1")
    expect(code).to_have_attribute("src", f"{installation.service}/c/ways/transfer.svg?amount={amount}")
    assert read_png(code.screenshot()) == epc_text(text)


def test_code_of_an_impossible_amount_is_not_shown(page, installation):
    page.set_viewport_size(WIDE)
    page.goto(f"{installation.service}/c/ways/give?lang=en")
    choose_way(page, "bank_transfer")
    type_amount(page, "99999")
    expect(page.locator("#transfer img")).to_have_css("opacity", "0")


@pytest.mark.parametrize("path", ["/c/ways/give?lang=en", "/c/ways/transfer?lang=en&amount=25"])
def test_each_field_is_copied_as_a_bank_takes_it(page, installation, path):
    page.goto(installation.service + path)
    if "give" in path:
        choose(page, "25")
        choose_way(page, "bank_transfer")
    assert copied(page) == [HOLDER, IBAN, BIC, REFERENCE, "25"]
    expect(page.locator("#copy-result")).to_have_text("Copied.")


def test_fields_are_copied_inside_an_article(page, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    choose_way(frame, "bank_transfer")
    assert copied(page, frame) == [HOLDER, IBAN, BIC, REFERENCE, "25"]


def copied(page, frame=None):
    """Press each button, and paste into a field that is added for it."""
    target, values = frame or page, []
    target.locator("main").evaluate(
        "main => main.append(Object.assign(document.createElement('input'), { id: 'paste' }))"
    )
    for button in target.locator(".copy").all():
        button.click()
        target.locator("#paste").fill("")
        target.locator("#paste").press("Control+v")
        values.append(target.locator("#paste").input_value())
    return values


def test_phone_shows_the_fields_first_and_folds_the_code(page, installation):
    codes = []
    page.on("request", lambda request: codes.append(request.url) if "transfer.svg" in request.url else None)
    page.set_viewport_size(PHONE)
    page.goto(f"{installation.service}/c/ways/give?lang=be")
    choose(page, "25")
    choose_way(page, "bank_transfer")
    expect(page.locator("#transfer-iban")).to_be_visible()
    expect(page.locator("#transfer img")).to_be_hidden()
    page.wait_for_timeout(500)
    assert codes == [], "the code loads when it is unfolded"
    page.locator("#transfer summary").click()
    expect(page.locator("#transfer img")).to_have_css("opacity", "1")
    assert read_png(page.locator("#transfer img").screenshot()) == epc_text("25.00")


@pytest.mark.parametrize("lang", ["be", "de"])
def test_transfer_without_javascript(browser, installation, lang):
    with browser.new_context(java_script_enabled=False, viewport=PHONE) as context:
        page = context.new_page()
        page.goto(f"{installation.service}/c/ways/give?lang={lang}")
        page.locator(".amount:has([value='25'])").click()
        choose_way(page, "bank_transfer")
        expect(page.locator("#transfer-iban")).to_be_visible()
        expect(page.locator(".copy:visible")).to_have_count(0)
        page.locator(".inside:visible .button").click()
        page.wait_for_url(f"**/c/ways/transfer?lang={lang}&amount=25")
        expect(page.locator("#transfer-amount")).to_contain_text("25")
        assert read_png(page.locator("#transfer img").screenshot()) == epc_text("25.00")


def test_transfer_opens_its_own_page_from_an_article(page, installation, site):
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "35")
    choose_way(frame, "bank_transfer")
    with page.expect_popup() as opened:
        frame.locator(".inside:visible .button").click()
    opened.value.wait_for_url("**/c/vitaly/transfer?lang=en&amount=35")


def test_transfer_without_an_amount_asks_for_it(page, installation):
    page.goto(f"{installation.service}/c/ways/give?lang=en")
    choose_way(page, "bank_transfer")
    page.locator(".inside:visible .button").click()
    expect(page.locator("#amount-error")).to_have_text("Please choose an amount, or type one.")


def test_ways_are_chosen_with_the_keyboard_alone(page, installation):
    page.goto(f"{installation.service}/c/ways/give?lang=en")
    page.locator("[name=way][value=card]").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[value=bank_transfer]")).to_be_checked()
    page.locator(".copy").first.wait_for()
    stops = []
    for _ in range(6):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.className || document.activeElement.localName"))
    assert stops == ["copy"] * 4 + ["summary", "button secondary"]
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.closest('.ways')"), "a group of radio buttons has one stop"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_ways_pass_axe_and_fit_320_pixels(page, installation, lang):
    page.set_viewport_size(NARROW)
    page.goto(f"{installation.service}/c/ways/give?lang={lang}")
    choose(page, "25")
    for way in ("bank_transfer", "link-2"):
        choose_way(page, way)
        page.locator(".copy").first.wait_for(state="attached")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        assert_clean(page)
    page.goto(transfer_page(installation, lang))
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert_clean(page)


@pytest.mark.parametrize("forced", ["none", "active"])
def test_dark_ways_pass_axe(page, installation, forced):
    page.emulate_media(color_scheme="dark", forced_colors=forced)
    page.set_viewport_size(WIDE)
    page.goto(f"{installation.service}/c/ways/give?lang=de")
    choose_way(page, "bank_transfer")
    assert_clean(page)


def test_printed_transfer_has_the_code_and_no_button(page, installation):
    page.goto(transfer_page(installation))
    page.emulate_media(media="print")
    expect(page.locator("#transfer img")).to_be_visible()
    expect(page.locator("button:visible, .languages:visible")).to_have_count(0)


def test_giving_page_with_all_ways_is_26_kb_in_four_requests(page, installation):
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"{installation.service}/c/full/give?lang=be")
    page.wait_for_timeout(500)
    assert len(urls) <= 4
    accept = {"accept-encoding": "br"}
    sizes = [int(installation.client.get(url, headers=accept).headers["content-length"]) for url in urls]
    assert sum(sizes) <= 26_000, sizes
