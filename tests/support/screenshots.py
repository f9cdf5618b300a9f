"""Make the pictures of docs/images: every state, theme, width and language.

A real installation and a real browser; nothing is drawn by hand. To be looked at, and corrected until it is good. Two
sheets are made a second time with other fonts, because readers have other fonts than this machine.
"""

from __future__ import annotations

import base64
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from donation_card.demo.article import render_article
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.campaign import LANGUAGES
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from tests.support.browser import CHROMIUM, Site, choose, open_card, pay_inline, type_amount, with_publisher_site
from tests.support.campaign_states import STATES, THEMES, cards, write_states
from tests.support.installation import DECLINED, PAYS, SETTLES_LATER, Installation

IMAGES = Path("docs/images")
PHONE, COLUMN = 390, 640
Picture = tuple[str, bytes]


FONTS = {
    "system-ui": "Inter",
    "sans-serif": "Inter",
    "Georgia": "Vollkorn",
    "serif": "Vollkorn",
}
"""A modern sans and a serif with old-style digits, as most readers have, beside the fonts of this machine."""


def main(wanted: list[str]) -> None:
    with (
        started_installation() as (installation, site),
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as folder,
    ):
        sheets = (card_in_article, card_states, card_layouts, card_languages, giving, giving_languages)
        fonts = {"FONTCONFIG_FILE": str(write_fonts(Path(folder)))}
        for suffix, env, chosen in (("", {}, sheets), ("-fonts", fonts, (card_states, giving))):
            browser = playwright.chromium.launch(**CHROMIUM, env={**os.environ, **env})
            for sheet in chosen:
                if not wanted or sheet.__name__ in wanted:
                    save(browser, sheet.__name__ + suffix, sheet(browser, installation, site))
            browser.close()


def write_fonts(folder: Path) -> Path:
    """Write a configuration of fontconfig that prefers `FONTS`."""
    aliases = "".join(
        f'<alias binding="strong"><family>{name}</family><prefer><family>{font}</family></prefer></alias>'
        for name, font in FONTS.items()
    )
    file = folder / "fonts.conf"
    file.write_text(f"<fontconfig><include>/etc/fonts/fonts.conf</include>{aliases}</fontconfig>", "utf-8")
    return file


@contextlib.contextmanager
def started_installation() -> Iterator[tuple[Installation, Site]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedValkey(Path(folder)) as valkey,
        tempfile.TemporaryDirectory() as sandbox,
        tempfile.TemporaryDirectory() as files,
    ):
        campaigns = write_states(Path(files))
        with with_publisher_site(
            valkey.url, Path(sandbox), campaigns=campaigns, demo_publication_interval=None
        ) as found:
            yield found


def card_in_article(browser: Browser, installation: Installation, site: Site) -> list[list[Picture]]:
    """The picture of the README: an article with the card, and the giving page on a phone."""
    page = opened(browser, installation, site, "begun", "be", PHONE, "dark")
    page.set_viewport_size({"width": PHONE, "height": 1050})
    frame = open_card(page, page.url)
    choose(frame, "25")
    phone = shot(page, "dark")
    page.close()
    page = browser.new_page(viewport={"width": 760, "height": 1050}, reduced_motion="reduce")
    article = render_article(installation.service, Path("campaigns"), "en")
    page.goto(site.publish(article.replace('campaign="vitaly"', 'campaign="begun"')))
    card = page.locator("donation-card")
    for above in (1200, 130):  # first below the window, where readers do not see it yet
        card.evaluate("(card, above) => { scrollTo(0, card.getBoundingClientRect().top + scrollY - above) }", above)
        expect(card.locator(".donate")).to_be_visible()
    wide = page.screenshot()
    page.close()
    return [[("in an article", wide), ("the giving page, in Belarusian", phone)]]


def card_states(browser: Browser, installation: Installation, site: Site) -> list[list[Picture]]:
    return [
        [(f"{state} · {width} · {theme}", card(browser, installation, site, state, "en", width, theme))
         for theme in THEMES for width in (COLUMN, PHONE)]
        for state in STATES[:-1]
    ]  # fmt: skip


def card_layouts(browser: Browser, installation: Installation, site: Site) -> list[list[Picture]]:
    return [
        [(f"{layout} · {width}", card(browser, installation, site, "begun", "en", width, "light", f'layout="{layout}"'))
         for width in (240, 360, 480, 900)]
        for layout in ("card", "compact", "button")
    ]  # fmt: skip


def card_languages(browser: Browser, installation: Installation, site: Site) -> list[list[Picture]]:
    pictures = [(lang, card(browser, installation, site, "begun", lang, PHONE, "light")) for lang in LANGUAGES]
    return [pictures[:4], pictures[4:]]


def giving(browser: Browser, installation: Installation, site: Site) -> list[list[Picture]]:
    return [
        list(giving_stages(browser, installation, site, "en", width, theme))
        for theme, width in (("light", COLUMN), ("dark", PHONE))
    ]


def giving_languages(browser: Browser, installation: Installation, site: Site) -> list[list[Picture]]:
    rows = [next(iter(giving_stages(browser, installation, site, lang, PHONE, "light"))) for lang in LANGUAGES]
    return [rows[:4], rows[4:]]


def opened(
    browser: Browser,
    installation: Installation,
    site: Site,
    state: str,
    lang: str,
    width: int,
    theme: str,
    more: str = "",
) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=theme, reduced_motion="reduce")
    page.goto(site.publish(cards(installation, [state], lang, more)))
    expect(page.locator("donation-card .card")).to_be_visible()
    return page


def card(*of: object) -> bytes:
    page = opened(*of)
    picture = page.locator("donation-card").screenshot()
    page.close()
    return picture


def giving_stages(
    browser: Browser, installation: Installation, site: Site, lang: str, width: int, theme: str
) -> Iterator[Picture]:
    page = opened(browser, installation, site, "begun", lang, width, theme)
    # the whole card in one window: a picture that scrolls loses parts of the frame
    page.set_viewport_size({"width": width, "height": 1150 if width < 480 else 1400})
    frame = open_card(page, page.url)
    choose(frame, "25")
    yield f"chosen · {lang}", shot(page, theme)
    yield from giving_ends(page, frame, theme)
    page.close()


def giving_ends(page: Page, frame: FrameLocator, theme: str) -> Iterator[Picture]:
    type_amount(frame, "2")
    frame.locator("#submit").click()
    expect(frame.locator("#amount-error")).not_to_be_empty()
    yield "a mistake", shot(page, theme)
    choose(frame, "25")
    frame.locator("#submit").click()
    pay_inline(frame, DECLINED)
    expect(frame.frame_locator("#payment iframe").locator("[role=alert]")).to_be_visible()
    yield "payment (the sandbox’s)", shot(page, theme)
    pay_inline(frame, PAYS)
    expect(frame.locator("#thanks h1")).to_be_focused()
    yield "thanks", shot(page, theme)
    frame = open_card(page, page.url)
    choose(frame, "35")
    frame.locator("#submit").click()
    pay_inline(frame, SETTLES_LATER)
    expect(frame.locator("#thanks h1")).to_be_focused()
    yield "processing", shot(page, theme)


def shot(page: Page, theme: str) -> bytes:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # lost when a frame moves into a process of its own
    page.wait_for_timeout(300)  # the frame tells its height, and the card takes it
    return page.screenshot() if page.viewport_size["width"] < 480 else page.locator("donation-card").screenshot()


def save(browser: Browser, name: str, rows: list[list[Picture]]) -> None:
    """Put all pictures on one page, smaller, and take a picture of it."""
    figures = "".join(f"<div>{''.join(figure(*picture) for picture in row)}</div>" for row in rows)
    style = (
        "body{margin:0;padding:20px;background:#8a8680;font:13px system-ui;width:max-content;zoom:.62}"
        "div{display:flex;gap:20px;align-items:start;margin-bottom:20px}figure{margin:0}img{display:block}"
        "figcaption{color:#fff;padding:6px 0;font-size:18px}"
    )
    page = browser.new_page(viewport={"width": 600, "height": 400})
    page.set_content(f"<style>{style}</style>{figures}", wait_until="load")
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.locator("body").screenshot(path=IMAGES / f"{name.replace('_', '-')}.png")
    page.close()


def figure(title: str, picture: bytes) -> str:
    data = base64.b64encode(picture).decode()
    return f'<figure><img src="data:image/png;base64,{data}"><figcaption>{title}</figcaption></figure>'


if __name__ == "__main__":
    main(sys.argv[1:])
