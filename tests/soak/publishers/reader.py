"""Use an article as a reader does: look at the card, and give EUR 25."""

from playwright.sync_api import Page, expect

from tests.support.browser import choose, close_thanks, open_card, pay_inline
from tests.support.installation import PAYS, Installation, eventually


def give_25(page: Page, url: str, installation: Installation) -> None:
    """Give EUR 25 in an article, and see that it arrived."""
    before = installation.paid()
    frame = open_card(page, url)
    choose(frame, "25")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks")).to_contain_text("25")
    close_thanks(frame)
    eventually(lambda: installation.paid() == (before[0] + 2500, before[1] + 1), "the gift arrived")


def expect_card(page: Page) -> None:
    card = page.locator("donation-card")
    card.scroll_into_view_if_needed()
    expect(card.locator(".card .donate")).to_be_visible()
