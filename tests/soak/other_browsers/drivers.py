"""Drive Firefox and WebKitGTK as Debian packages them.

Firefox has WebDriver BiDi (https://w3c.github.io/webdriver-bidi/), WebKitGTK has WebDriver (https://w3c.github.io/webdriver/).
Scripts press the buttons. Keys are real ones.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.support.installation import eventually, free_port

CARD = "document.querySelector('donation-card').shadowRoot"
FRAMES = (f"{CARD}.querySelector('iframe')", "document.querySelector('#payment iframe')")
"""The selectors of the frames: the giving page in the article, and the payment page in it."""


class Driver(Protocol):
    def open(self, url: str) -> None: ...
    def run(self, depth: int, expression: str) -> Any:
        """Evaluate an expression in the article (0), the giving page (1) or the payment page (2)."""

    def press(self, key: str) -> None:
        """Press a key. `key` is a character, or a code point of https://w3c.github.io/webdriver/#keyboard-actions."""


ESCAPE = "\ue00c"


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
        self._send("input.performActions", context=self._top, actions=_key_actions(key))


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
        self._post(f"{self._session}/actions", actions=_key_actions(key))

    def close(self) -> None:
        self._client.delete(self._session)


def _key_actions(key: str) -> list[dict[str, Any]]:
    actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
    return [{"type": "key", "id": "keyboard", "actions": actions}]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
