"""Test the documented markup of a newsletter as mail programs show it: without scripts, often without pictures."""

import re
from pathlib import Path

import pytest

MARKUP = re.findall(r"```html\n(<table.*?)```", Path("docs/embed.md").read_text("utf-8"), re.S)


@pytest.fixture
def newsletter(installation, site):
    """Publish a mail with the markup of docs/embed.md and return its address."""
    (markup,) = MARKUP
    mail = f'<!doctype html><html lang="en"><meta charset="utf-8"><body style="margin:0"><p>Dear reader,</p>{markup}'
    return site.publish(mail.replace("https://HOST", installation.service))


@pytest.mark.parametrize("width", [320, 640])
@pytest.mark.parametrize("pictures", [True, False], ids=["with-pictures", "without-pictures"])
def test_newsletter_leads_to_the_campaign(browser, installation, newsletter, width, pictures):
    context = browser.new_context(viewport={"width": width, "height": 700}, java_script_enabled=False)
    try:
        page = context.new_page()
        if not pictures:
            page.route(re.compile(r"\.(png|svg)"), lambda route: route.abort())
        page.goto(newsletter)
        link, picture = page.get_by_role("link", name="Give to BYSOL"), page.locator("img")
        assert link.count() == 1
        box, image = link.bounding_box(), picture.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        if pictures:
            assert image["width"] == min(600, width)
            assert round(image["width"] / image["height"], 1) == round(1200 / 630, 1)
        link.click()
        page.wait_for_url(f"{installation.service}/c/vitaly?lang=en")
    finally:
        context.close()
