"""Test the card in Firefox and WebKitGTK: `make test-browsers`. The tests in Chromium cover more cases."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from donation_card.demo.embedded_valkey import EmbeddedValkey

from tests.soak.other_browsers.drivers import ESCAPE, Driver, firefox, webkit
from tests.support.browser import Site, with_publisher_site
from tests.support.campaign_states import cards, write_states
from tests.support.installation import PAYS, Installation, eventually

ELEMENT = "document.querySelector('donation-card')"
CARD = f"{ELEMENT}.shadowRoot"
BLANK = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>News</title>'
    "<style>body{font:18px/1.6 serif;margin:0}</style>"
)
FAR = '<div style="height:3000px"></div>'
BOXES = (
    *("float:left", "display:inline-block", "display:table", "display:table-cell", "width:fit-content"),
    *("display:flex", "display:flex;flex-direction:column;align-items:center", "display:grid;justify-items:center"),
    *("position:absolute", "columns:2 20em"),
)


class Delay:
    """Hold back the responses whose path contains `part`, as ASGI middleware."""

    def __init__(self) -> None:
        self.part = ""

    def before_service(self, service: Any) -> Any:
        async def delayed(scope: Any, receive: Any, send: Any) -> None:
            while scope["type"] == "http" and self.part and self.part in scope["path"] + str(scope["query_string"]):
                await asyncio.sleep(0.05)
            await service(scope, receive, send)

        return delayed


@dataclass(frozen=True)
class Reader:
    """Hold a browser, the site that it reads and the installation behind the card."""

    driver: Driver
    installation: Installation
    site: Site
    delay: Delay

    def open(self, *parts: str) -> None:
        script = f'<script async src="{self.installation.service}/widget/v1/donation-card.js"></script>'
        self.driver.open(self.site.publish(BLANK + script + "".join(parts)))

    def card(self, attributes: str = "") -> str:
        link = f'<a href="{self.installation.service}/c/begun">Give</a>'
        return f'<donation-card campaign="begun" {attributes}>{link}</donation-card>'

    def run(self, expression: str, depth: int = 0) -> Any:
        return self.driver.run(depth, expression)

    def until(self, expression: str, depth: int = 0) -> None:
        def there() -> bool:
            try:
                return bool(self.driver.run(depth, f"!!({expression})"))
            except (RuntimeError, IndexError, KeyError):
                return False

        eventually(there, expression, seconds=45)

    def open_giving_page(self) -> None:
        self.until(f"{CARD}.querySelector('.card .donate').href")
        self.run(f"({CARD}.querySelector('.donate').click(), 1)")
        self.until("document.documentElement.hasAttribute('data-framed')", 1)


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Installation, Site, Delay]]:
    with contextlib.ExitStack() as stack:
        data, sandbox, files = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(3))
        valkey, delay = stack.enter_context(EmbeddedValkey(data)), Delay()
        found = with_publisher_site(
            valkey.url,
            sandbox,
            campaigns=write_states(files),
            demo_publication_interval=None,
            before_service=delay.before_service,
        )
        yield *stack.enter_context(found), delay


@pytest.fixture(scope="session", params=[firefox, webkit], ids=lambda browser: browser.__name__)
def reader(request: pytest.FixtureRequest, served: tuple[Installation, Site, Delay]) -> Iterator[Reader]:
    start: Callable[[], contextlib.AbstractContextManager[Driver]] = request.param
    with start() as driver:
        yield Reader(driver, *served)


@pytest.fixture(autouse=True)
def _without_delay(served: tuple[Installation, Site, Delay]) -> Iterator[None]:
    yield
    served[2].part = ""


@pytest.mark.parametrize("width", [366, 640])
def test_card_has_a_width_in_boxes_sized_by_their_content(reader: Reader, width: int) -> None:
    boxes = "".join(
        f'<div style="width:{width}px;display:flow-root;position:relative;min-height:900px">'
        f'<div style="{style}">{reader.card()}</div></div>'
        for style in BOXES
    )
    reader.open(boxes)
    drawn = "[...document.querySelectorAll('donation-card')].filter((card) => card.shadowRoot.querySelector('.card'))"
    for number in range(len(BOXES)):
        reader.run(f"(document.querySelectorAll('donation-card')[{number}].scrollIntoView(), 1)")
        reader.until(f"document.querySelectorAll('donation-card')[{number}].shadowRoot.querySelector('.card')")
    measured = "card.shadowRoot.querySelector('.card').getBoundingClientRect().width"
    widths = json.loads(reader.run(f"JSON.stringify({drawn}.map((card) => {measured}))"))
    assert len(widths) == len(BOXES)
    assert [(style, found) for style, found in zip(BOXES, widths, strict=True) if not 180 < found <= width] == []
    assert reader.run("document.documentElement.scrollWidth <= innerWidth")


def test_language_changed_before_the_answer_wins(reader: Reader) -> None:
    reader.delay.part = "lang=en"
    reader.open(reader.card('lang="en"'))
    reader.until("customElements.get('donation-card')")
    reader.run(f"({ELEMENT}.setAttribute('lang', 'de'), 1)")
    reader.until(f"{CARD}.querySelector('.root')?.lang === 'de'")
    reader.delay.part = ""
    reader.until(f"{CARD}.querySelector('.donate').textContent === 'Spenden'")


def test_campaign_that_cannot_be_had_shows_link(reader: Reader) -> None:
    reader.open(reader.card('lang="en"'))
    reader.until(f"{CARD}.querySelector('.donate')")
    reader.run(f"({ELEMENT}.setAttribute('campaign', 'nobody'), 1)")
    reader.until(f"!{CARD}.querySelector('.donate') && {ELEMENT}.querySelector('a').offsetHeight")
    reader.run(f"({ELEMENT}.setAttribute('campaign', 'begun'), 1)")
    reader.until(f"{CARD}.querySelector('.donate') && !{ELEMENT}.querySelector('a').offsetHeight")


def test_frame_sends_no_height_before_the_card_is_drawn(reader: Reader) -> None:
    listen = "<script>var told = []; addEventListener('message', ({ data }) => told.push(data.height))</script>"
    reader.delay.part = "/v1/campaigns/begun"
    reader.open(
        listen, f'<iframe src="{reader.installation.service}/c/begun/frame?lang=pl" width="600" height="800"></iframe>'
    )
    reader.until("frames.length")
    reader.run("(setTimeout(() => { window.waited = true }, 1000), 1)")
    reader.until("window.waited")
    assert reader.run("told.length") == 0
    reader.delay.part = ""
    reader.until("told.length")
    assert reader.run("Math.min(...told)") >= 800


def test_attribute_set_to_its_value_changes_nothing(reader: Reader) -> None:
    reader.open(reader.card('lang="en"'))
    reader.open_giving_page()
    reader.run(f"(window.frame = {CARD}.querySelector('iframe'), {ELEMENT}.setAttribute('lang', 'en'), 1)")
    reader.run("(setTimeout(() => { window.waited = true }, 500), 1)")
    reader.until("window.waited")
    assert reader.run(f"{CARD}.querySelector('iframe') === window.frame && {CARD}.querySelector('dialog').open")


def test_reader_who_types_elsewhere_keeps_focus_and_scroll(reader: Reader) -> None:
    reader.delay.part = "/give"
    reader.open(reader.card(), FAR, "<textarea></textarea>", FAR)
    reader.until(f"{CARD}.querySelector('.card .donate').href")
    reader.run(f"({CARD}.querySelector('.donate').click(), 1)")
    reader.run("(document.querySelector('textarea').focus(), 1)")
    reader.until("scrollY > 0")
    before = reader.run("scrollY")
    reader.until(f"!{CARD}.querySelector('iframe')")  # after 8 s
    reader.delay.part = ""
    assert reader.run("document.activeElement.localName") == "textarea"
    assert reader.run("scrollY") == before


def test_escape_leaves_the_dialog_of_the_page_open(reader: Reader) -> None:
    reader.open(f"<dialog id=page>{reader.card()}</dialog><script>page.showModal()</script>")
    reader.open_giving_page()
    reader.run(f"({CARD}.querySelector('header button').focus(), 1)")
    reader.driver.press(ESCAPE)
    reader.until(f"!{CARD}.querySelector('iframe')")
    assert reader.run("document.getElementById('page').open")


def test_gift_in_the_article_is_thanked_for_and_counted(reader: Reader) -> None:
    before = reader.installation.paid("begun")
    reader.driver.open(reader.site.publish(cards(reader.installation, ["begun"])))
    reader.open_giving_page()
    reader.run("(document.querySelector('input[value=\"25\"]').click(), 1)", 1)
    reader.until("document.getElementById('submit').textContent.includes('€25')", 1)
    reader.run("(document.getElementById('submit').click(), 1)", 1)
    reader.until("document.querySelector('[name=number]')", 2)
    reader.run("(document.querySelector('[name=email]').value = 'ada@example.org') && 1", 2)
    reader.run(f"(document.querySelector('[name=number]').value = '{PAYS}') && 1", 2)
    reader.run("(document.querySelector('form button').click(), 1)", 2)
    reader.until("!document.getElementById('thanks').hidden", 1)
    assert "€25 has arrived" in reader.run("document.getElementById('thanks').innerText", 1)
    reader.run("(setTimeout(() => document.querySelector('.close').click()), 1)", 1)
    reader.until(f"!{CARD}.querySelector('iframe') && {CARD}.activeElement === {CARD}.querySelector('.donate')")
    assert reader.installation.paid("begun") == (before[0] + 2500, before[1] + 1)
