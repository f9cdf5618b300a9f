"""Test the composition of the giving page: what stands where, what a gift does, and the contrast of what is drawn."""

import pytest
from donation_card.domain.campaign import LANGUAGES
from hypothesis import example, given, settings, strategies as st
from playwright.sync_api import expect

from tests.support.browser import NARROW, article, choose, giving_frame, open_card, pay_inline, type_amount
from tests.support.installation import PAYS

PHONE = {"width": 390, "height": 844}

RENT, LICENCE, MEDICAL, FOOD = 1200, 700, 600, 500
"""The needs of the first campaign, in the order in which they are funded."""


def bottom(locator):
    box = locator.bounding_box()
    return box["y"] + box["height"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_button_ends_within_600_pixels_on_a_phone(page, installation, site, lang):
    page.set_viewport_size(PHONE)
    page.goto(f"{installation.service}/c/vitaly/give?lang={lang}")
    for amount in ("", "25"):
        if amount:
            choose(page, amount)
        assert bottom(page.locator("#submit")) <= 600
    frame = open_card(page, site.publish(article(installation, lang)))
    for amount in ("", "25"):
        if amount:
            choose(frame, amount)
        assert bottom(frame.locator("#submit")) <= 600


@pytest.mark.parametrize("size", [NARROW, PHONE, {"width": 1280, "height": 900}])
def test_warning_stands_above_every_button_of_the_giving_page(page, installation, size):
    page.set_viewport_size(size)
    page.goto(f"{installation.service}/c/vitaly/give")
    warning = page.locator("#choose .bank-warning")
    expect(warning.locator("svg")).to_be_visible()
    for button in page.locator("button, a.button").all():
        if button.is_visible():
            assert button.bounding_box()["y"] >= bottom(warning)


def test_no_amount_is_preselected(page, installation):
    page.goto(f"{installation.service}/c/vitaly/give?lang=en")
    assert page.locator(":checked").count() == 0
    expect(page.locator("#effect")).to_contain_text("Gifts now go to: Rent of a flat. €1,200 is still needed.")
    expect(page.locator("#effect .gift")).to_have_attribute("width", "0%")


def test_effect_of_any_gift_on_each_need_that_it_reaches(page, installation):
    """Nothing is given yet. The bar of a need is hatched by the part of the gift, of 8 pixels or more."""
    page.goto(f"{installation.service}/c/vitaly/give?lang=en")
    whole = page.locator("#effect").bounding_box()["width"]

    @settings(max_examples=40, deadline=None, derandomize=True)
    @example(5)
    @example(RENT)
    @example(RENT + 1)
    @example(RENT + LICENCE + MEDICAL + FOOD)
    @given(st.integers(1, 4_000))
    def effect_is_the_amount_divided(amount):
        left, sentences, widths = amount, [], []
        for need in (RENT, LICENCE, MEDICAL, FOOD):
            part = min(left, need)
            left -= part
            if part:
                rest = f"After it, €{need - part:,} is still needed." if part < need else "That covers it."
                sentences.append((f"Your €{part:,} goes to: ", rest))
                widths.append(pytest.approx(max(8, whole * part / need), abs=1))
        if left:
            sentences.append((f"Your €{left:,} is above the goal.", ""))
        type_amount(page, str(amount))
        shown = page.locator("#effect p").all_text_contents()
        assert len(shown) == len(sentences)
        for text, (begin, end) in zip(shown, sentences, strict=True):
            assert text.startswith(begin)
            assert text.endswith(end)
        bars = page.locator("#effect .gift").evaluate_all("all => all.map(each => each.getBoundingClientRect().width)")
        assert bars == widths

    effect_is_the_amount_divided()


@pytest.mark.parametrize(("amount", "fee"), [("10", "€0.40"), ("25", "€0.63"), ("50", "€1")])
def test_fee_of_the_chosen_gift_is_shown_in_money(page, installation, amount, fee):
    page.goto(f"{installation.service}/c/vitaly/give?lang=en")
    expect(page.locator("#detail-fee")).to_contain_text("1.5% + €0.25")
    choose(page, amount)
    shown = f"Stripe keeps about {fee} of €{amount} by card, more of some foreign cards."
    expect(page.locator("#detail-fee")).to_have_text(shown)


def test_other_amount_opens_its_field_on_a_phone(page, installation):
    page.set_viewport_size(PHONE)
    page.goto(f"{installation.service}/c/vitaly/give")
    expect(page.locator("#custom-amount")).to_be_hidden()
    page.locator(".custom-amount .amount").click()
    expect(page.locator("#custom-amount")).to_be_focused()
    choose(page, "25")
    expect(page.locator("#custom-amount")).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(page.locator("#custom-amount")).to_be_visible()


def test_thanks_appear_where_the_donor_pressed_pay(page, installation, site):
    """The frame is higher than the window, and the article does not scroll."""
    page.set_viewport_size({"width": 800, "height": 500})
    frame = open_card(page, site.publish(article(installation)))
    choose(frame, "25")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    heading = giving_frame(page).locator("#thanks h1")
    expect(heading).to_be_visible()
    expect(heading).to_be_in_viewport()


CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const element = document.body.appendChild(document.createElement('p'));
  element.style.forcedColorAdjust = 'none';
  const luminance = (name) => {
    element.style.color = `var(--${name})`;
    canvas.fillStyle = getComputedStyle(element).color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return (pairs) => pairs.map(([one, other]) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  });
}"""
TEXTS = [
    *((text, ground) for text in ("ink", "soft", "accent") for ground in ("paper", "page", "wash")),
    ("ink", "note"),
    ("error", "paper"),
    ("paper", "accent"),
]
SHAPES = [("edge", "paper"), ("edge", "page"), ("accent", "track"), ("accent", "paper"), ("note-line", "note")]


@pytest.mark.parametrize("forced", ["none", "active"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_edges_and_bar_have_enough_contrast(page, installation, scheme, forced):
    page.emulate_media(color_scheme=scheme, forced_colors=forced)
    page.goto(f"{installation.service}/c/vitaly/give")
    found = page.evaluate(f"(pairs) => ({CONTRASTS})()(pairs)", [*TEXTS, *SHAPES])
    for pair, ratio in zip([*TEXTS, *SHAPES], found, strict=True):
        assert ratio >= (4.5 if pair in TEXTS else 3), pair
