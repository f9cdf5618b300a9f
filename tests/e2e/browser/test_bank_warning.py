"""Test that the bank warning is visible above Stripe's form, in the frame and in a tab."""

from __future__ import annotations

import pytest
from donation_card.web.presentation.translations import translations_for
from playwright.sync_api import expect

from tests.support.browser import NARROW, article, choose, open_card


def top(locator):
    return locator.bounding_box()["y"]


@pytest.mark.parametrize("lang", ["be", "ru", "uk"])
def test_warning_stands_above_stripe_form_in_frame(page, installation, site, lang):
    page.set_viewport_size(NARROW)
    frame = open_card(page, site.publish(article(installation, lang)))
    warning = frame.locator("#choose .bank-warning")
    words = translations_for(lang)
    expect(warning).to_contain_text(words.translate("bank_warning.title", countries=words.country_list(("BY", "RU"))))
    assert top(warning) < top(frame.locator("#submit"))
    choose(frame, "25")
    frame.locator("#submit").click()
    stripe = frame.frame_locator("#payment iframe")
    expect(stripe.locator("[name=number]")).to_be_visible()
    folded = frame.locator("#pay .bank-warning")
    title = words.translate("bank_warning.title", countries=words.country_list(("BY", "RU")))
    expect(folded.locator("summary")).to_have_text(title)
    assert top(folded) < min(top(frame.locator("#payment iframe")), top(frame.locator("#new-tab")))
    expect(stripe.locator("#custom-text")).to_contain_text(words.translate("bank_warning.text"))
    assert top(stripe.locator("#custom-text")) < top(stripe.locator("button").first)


def test_warning_stands_above_link_when_stripe_is_blocked(page, installation, site):
    page.route("**/stripe.js", lambda route: route.abort())
    frame = open_card(page, site.publish(article(installation, "be")))
    choose(frame, "25")
    frame.locator("#submit").click()
    expect(frame.locator("#blocked")).to_be_visible()
    expect(frame.locator("#pay .bank-warning")).to_be_visible()
    assert top(frame.locator("#pay .bank-warning")) < top(frame.locator("#new-tab"))
