"""Use the card with Firefox and WebKitGTK: `python -m tests.soak.other_browsers [firefox] [webkit]`.

One gift inside the article, and the kinds of publishers' pages on which engines can differ.

Both as Debian packages them: Firefox by WebDriver BiDi, its own remote protocol; WebKitGTK by its WebDriver. Presses
are made by scripts inside the pages: this proves that everything runs; that fingers reach it, the tests in Chromium do.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.support.browser import Site
from tests.support.campaign_states import cards
from tests.support.installation import PAYS, Installation, eventually
from tests.support.screenshots import started_installation

CARD = "document.querySelector('donation-card').shadowRoot"
FRAMES = (f"{CARD}.querySelector('iframe')", "document.querySelector('#payment iframe')")
"""The selectors of the frames: the giving page in the article, and the payment page in it."""


class Driver(Protocol):
    def open(self, url: str) -> None: ...
    def run(self, depth: int, expression: str) -> Any:
        """Evaluate an expression in the article (0), the giving page (1) or the payment page (2)."""

    def press(self, key: str) -> None:
        """Press a key where the focus is."""


def key_actions(key: str) -> list[dict[str, Any]]:
    """Return the input of WebDriver and of WebDriver BiDi for one key (https://www.w3.org/TR/webdriver2/#actions)."""
    return [{"type": "key", "id": "keys", "actions": [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]}]


class Firefox:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._asked = socket, 0
        self._send("session.new", capabilities={})
        self._top = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def _send(self, method: str, **params: Any) -> Any:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._asked:
                if answer["type"] == "error":
                    raise RuntimeError(f"{method}: {answer['message']}")
                return answer["result"]

    def open(self, url: str) -> None:
        self._send("browsingContext.navigate", context=self._top, url=url, wait="complete")

    def run(self, depth: int, expression: str) -> Any:
        context = self._send("browsingContext.getTree", root=self._top)["contexts"][0]
        for _ in range(depth):
            context = context["children"][0]
        target = {"context": context["context"]}
        told = self._send("script.evaluate", expression=expression, target=target, awaitPromise=False)
        if told["type"] == "exception":
            raise RuntimeError(told["exceptionDetails"]["text"])
        return told["result"].get("value")

    def press(self, key: str) -> None:
        self._send("input.performActions", context=self._top, actions=key_actions(key))


class WebKit:
    def __init__(self, port: int) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        eventually(self._answers, "WebKit's driver answers", seconds=60)
        (browser,) = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))[-1:]
        options = {"binary": str(browser), "args": ["--automation"]}
        wanted = {"alwaysMatch": {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options}}
        self._session = f"/session/{self._post('/session', capabilities=wanted)['sessionId']}"

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self._client.get("/status").status_code == 200
        return False

    def _post(self, path: str, **body: Any) -> Any:
        answer = self._client.post(path, json=body)
        value = answer.json()["value"]
        if answer.is_error:
            raise RuntimeError(value["message"])
        return value

    def open(self, url: str) -> None:
        self._post(f"{self._session}/url", url=url)

    def run(self, depth: int, expression: str) -> Any:
        self._post(f"{self._session}/frame", id=None)
        for frame in FRAMES[:depth]:
            element = self._post(f"{self._session}/execute/sync", script=f"return {frame}", args=[])
            self._post(f"{self._session}/frame", id=element)
        return self._post(f"{self._session}/execute/sync", script=f"return {expression}", args=[])

    def press(self, key: str) -> None:
        self._post(f"{self._session}/frame", id=None)
        self._post(f"{self._session}/actions", actions=key_actions(key))

    def close(self) -> None:
        self._client.delete(self._session)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def firefox() -> Iterator[Driver]:
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["firefox-esr", "--headless", "--no-remote", f"--remote-debugging-port={port}", "--profile", profile]
        with ended(command):
            eventually(lambda: listens(port), "Firefox listens", seconds=60)
            with connect(f"ws://127.0.0.1:{port}/session", max_size=None) as connection:
                yield Firefox(connection)


@contextlib.contextmanager
def webkit() -> Iterator[Driver]:
    port = free_port()
    with ended(["xvfb-run", "-a", "WebKitWebDriver", f"--port={port}"]):
        driver = WebKit(port)
        try:
            yield driver
        finally:
            driver.close()


@contextlib.contextmanager
def ended(command: list[str]) -> Iterator[None]:
    """Run a program, and end it with all its children by their process group."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        subprocess.run(["kill", "-TERM", "--", f"-{process.pid}"], check=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        subprocess.run(["kill", "-KILL", "--", f"-{process.pid}"], check=False, stderr=subprocess.DEVNULL)


def until(driver: Driver, depth: int, expression: str) -> None:
    """Wait until an expression is true."""

    def there() -> bool:
        try:
            return bool(driver.run(depth, f"!!({expression})"))
        except (RuntimeError, IndexError, KeyError):
            return False

    eventually(there, expression, seconds=45)


def check(driver: Driver, depth: int, expression: str) -> None:
    assert driver.run(depth, f"!!({expression})"), expression


def give(driver: Driver, article: str) -> str:
    """Give 25 inside the article and return the text of the thanks."""

    def fill(name: str, text: str) -> None:
        driver.run(2, f"(document.querySelector('[name={name}]').value = '{text}') && 1")

    driver.open(article)
    open_giving_page(driver)
    driver.run(1, "(document.querySelector('input[value=\"25\"]').click(), 1)")
    until(driver, 1, "document.getElementById('submit').textContent.includes('€25')")
    driver.run(1, "(document.getElementById('submit').click(), 1)")
    until(driver, 2, "document.querySelector('[name=number]')")
    fill("email", "ada@example.org")
    fill("number", PAYS)
    driver.run(2, "(document.querySelector('form button').click(), 1)")
    until(driver, 1, "!document.getElementById('thanks').hidden")
    said = str(driver.run(1, "document.getElementById('thanks').innerText"))
    driver.run(1, "(setTimeout(() => document.querySelector('.close').click()), 1)")
    until(driver, 0, f"!{CARD}.querySelector('iframe') && {CARD}.activeElement === {CARD}.querySelector('.donate')")
    return said


def open_giving_page(driver: Driver) -> None:
    until(driver, 0, f"{CARD}.querySelector('.card .donate').href")
    driver.run(0, f"({CARD}.querySelector('.donate').click(), 1)")
    until(driver, 1, "document.documentElement.hasAttribute('data-framed')")


def has_width_in_a_float(driver: Driver, installation: Installation, site: Site) -> None:
    driver.open(site.publish(f'<div style="float:right">{cards(installation, ["begun"])}</div>'))
    until(driver, 0, f"{CARD}.querySelector('.card').clientWidth > 230")
    check(driver, 0, "document.documentElement.scrollWidth <= innerWidth")


def follows_changed_attributes(driver: Driver, installation: Installation, site: Site) -> None:
    driver.open(site.publish(cards(installation, ["begun"])))
    until(driver, 0, f"{CARD}.querySelector('.donate').textContent === 'Donate'")
    driver.run(0, f"({CARD}.host.lang = 'de', 1)")
    until(driver, 0, f"{CARD}.querySelector('.donate').textContent === 'Spenden'")
    driver.run(0, f"({CARD}.host.setAttribute('campaign', 'nobody'), 1)")
    until(driver, 0, f"!{CARD}.querySelector('.donate') && document.querySelector('donation-card > a').offsetHeight")
    driver.run(0, f"({CARD}.host.setAttribute('campaign', 'begun'), 1)")
    until(driver, 0, f"{CARD}.querySelector('.donate') && !document.querySelector('donation-card > a').offsetHeight")


def ignores_equal_attributes(driver: Driver, installation: Installation, site: Site) -> None:
    driver.open(site.publish(cards(installation, ["begun"])))
    open_giving_page(driver)
    driver.run(1, "(document.getElementById('custom-amount').value = '37') && 1")
    driver.run(0, f"({CARD}.host.setAttribute('campaign', 'begun'), {CARD}.host.lang = 'en', 1)")
    driver.run(0, "(setTimeout(() => { window.waited = true }, 300), 1)")
    until(driver, 0, "window.waited")
    check(driver, 1, "document.getElementById('custom-amount').value === '37'")


def leaves_the_focus_elsewhere(driver: Driver, installation: Installation, site: Site) -> None:
    policy = f"frame-src 'none'; script-src {installation.service}"
    comments = '<textarea id="comment"></textarea><p style="height:3000px">'
    driver.open(site.publish(cards(installation, ["begun"]) + comments, content_security_policy=policy))
    until(driver, 0, f"{CARD}.querySelector('.card .donate').href")
    driver.run(0, f"({CARD}.querySelector('.donate').click(), document.getElementById('comment').focus(), 1)")
    before = driver.run(0, "scrollY")
    until(driver, 0, f"{CARD}.querySelector('.donate').textContent.includes('new tab')")
    check(driver, 0, "document.activeElement.id === 'comment'")
    assert driver.run(0, "scrollY") == before


def closes_alone_on_escape(driver: Driver, installation: Installation, site: Site) -> None:
    driver.open(site.publish(f'<dialog id="page" style="width:90%">{cards(installation, ["begun"])}</dialog>'))
    driver.run(0, "(document.getElementById('page').showModal(), 1)")
    open_giving_page(driver)
    driver.run(0, f"({CARD}.querySelector('button').focus(), 1)")
    driver.press("\ue00c")
    until(driver, 0, f"!{CARD}.querySelector('iframe')")
    check(driver, 0, f"{CARD}.activeElement === {CARD}.querySelector('.donate')")
    check(driver, 0, "document.getElementById('page').open")


def sends_no_height_before_the_card(driver: Driver, installation: Installation, site: Site) -> None:
    listen = "<script>told = []; addEventListener('message', ({data}) => told.push(data.height))</script>"
    frame = f'<iframe src="{installation.service}/c/begun/frame?lang=en" width="600" height="300"></iframe>'
    driver.open(site.publish(f"<!doctype html>{listen}{frame}"))
    until(driver, 0, "told.length")
    check(driver, 0, "told.every((height) => height > 400)")


SITUATIONS = (
    has_width_in_a_float,
    follows_changed_attributes,
    ignores_equal_attributes,
    leaves_the_focus_elsewhere,
    closes_alone_on_escape,
    sends_no_height_before_the_card,
)


def main(wanted: list[str]) -> None:
    for browser in (firefox, webkit):
        if wanted and browser.__name__ not in wanted:
            continue
        with started_installation() as (installation, site), browser() as driver:
            said = give(driver, site.publish(cards(installation, ["begun"])))
            assert "€25 is counted" in said, said
            assert installation.paid("begun") == (2500, 1)
            for situation in SITUATIONS:
                situation(driver, installation, site)
        print(f"{browser.__name__:10} a gift of €25 inside the article, and {len(SITUATIONS)} kinds of pages")


if __name__ == "__main__":
    main(sys.argv[1:])
