"""Test that every released card works with the current service."""

import base64
import hashlib
from pathlib import Path

import pytest
from donation_card.web.http.headers import content_hash
from playwright.sync_api import expect

from tests.support.browser import article, choose, open_card, pay_inline
from tests.support.installation import PAYS

RELEASES = sorted(Path("widget/releases").glob("*.js"))


def test_released_card_never_changes():
    said = dict(line.split() for line in Path("widget/releases/integrity").read_text().splitlines())
    assert said
    assert said == {
        path.stem: "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()
        for path in RELEASES
    }


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_released_card_draws_campaign_and_takes_donation(page, installation, site, release):
    pinned = f"/widget/{content_hash(release.read_bytes())}/donation-card.js"
    served = installation.client.get(pinned)
    assert served.content == release.read_bytes()
    assert "immutable" in served.headers["cache-control"]
    html = article(installation).replace("/widget/v1/donation-card.js", pinned)
    assert pinned in html
    before = installation.paid()
    frame = open_card(page, site.publish(html))
    choose(frame, "10")
    frame.locator("#submit").click()
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_have_text("Thank you")
    assert installation.paid() == (before[0] + 1000, before[1] + 1)
    expect(page.locator("donation-card .total")).to_contain_text("€")
