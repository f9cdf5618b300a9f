"""Read the collection: one file in this folder for each publisher's page on which the card must work.

To add a page, add a file. It begins with a comment of `key: value` lines. The rest is the body of the page.

    <!--
    title: A card that floats beside the text
    situation: box with a float
    promise: gift
    -->
    <div style="float:right">SNIPPET</div>

| key | value |
| --- | --- |
| `title` | one line for the overview |
| `situation`, `package` | the kind of page, and its npm package if it has one; no two pages have both the same |
| `promise` | one of the promises below |
| `press` | the name of a button or link to press first; may be repeated |
| `header` | a response header of the page, `Name: value`; may be repeated |
| `console` | a regular expression of lines that the browser may write to its console; may be repeated |
| `frame` | the selector of the frame that holds the card |
| `reader` | one of the readers below; may be repeated |

| promise | meaning |
| --- | --- |
| `gift` | the card is shown, and EUR 25 are given in the article |
| `tab` | the card is shown, and EUR 25 are given in a new tab |
| `page` | the card is shown, and Donate leads to the giving page in the same tab |
| `address` | the card is shown, and Donate shows the address of the giving page |
| `link` | the link leads to the page of the campaign |

| reader | meaning |
| --- | --- |
| `dark`, `forced-colors`, `reduced-motion` | a preference of the system |
| `large-text` | the default size of text is 32 pixels |
| `no-scripts`, `save-data` | JavaScript is off; the browser asks to save data |
| `blocks-card`, `blocks-frames` | a content blocker stops every request to the service, or its frames |

Words in capitals stand for the printed code: SNIPPET and its lines SCRIPT and CARD, PINNED for a pinned release, FRAME,
LINK and CARD_LINK. `https://HOST` stands for the service. A line `<!-- serve as: NAME -->` begins another document.

| address of the site | content |
| --- | --- |
| `/npm/NAME/FILE` | a file of a package |
| `/bundle/NAME,NAME.js` | a script with packages in the CommonJS format, and `require` |
| `/copy/donation-card.js` | a copy of the card, as on a site that hosts the file itself |
| `NAME.svelte` | a document that is served compiled |
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.web.assets import current_card
from donation_card.web.presentation import snippet
from donation_card.web.presentation.translations import translations_for
from starlette.responses import PlainTextResponse, Response

from tests.e2e.pages.packages import bundle, compile_svelte, package_file

FOLDER: Final = Path(__file__).parent
PROMISES: Final = ("gift", "tab", "page", "address", "link")
READERS: Final = (
    *("dark", "forced-colors", "reduced-motion", "large-text", "no-scripts", "save-data"),
    *("blocks-card", "blocks-frames"),
)
_REPEATED: Final = ("press", "header", "console", "reader")
_KEYS: Final = {"title", "situation", "package", "promise", "frame", *_REPEATED}

_PROLOGUE: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>News</title><link rel="icon" href="data:,">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<style>:root{color-scheme:light dark}"
    "body{font:18px/1.6 serif;max-width:640px;margin:24px auto;padding:0 12px}</style>"
)
"""Scripts, styles and `meta` at the start of a page's text are part of its head, because no tag closes the head."""


@dataclass(frozen=True)
class PublisherPage:
    """Declare one page: its name (also its path), its situation, its promise, and its documents by name."""

    name: str
    title: str
    situation: str
    promise: str
    documents: dict[str, str]
    package: str = ""
    frame: str = ""
    press: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    console: tuple[str, ...] = ()
    reader: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str, text: str) -> PublisherPage:
        """Read a declaration. Raise ValueError if a key is unknown or missing."""
        comment = re.match(r"<!--\n(.*?)\n-->\n", text, re.S)
        if not comment:
            raise ValueError(f"{name}: a page begins with a comment")
        fields: dict[str, Any] = {}
        for line in comment[1].splitlines():
            key, _, value = line.partition(": ")
            if key not in _KEYS or (key in fields and key not in _REPEATED):
                raise ValueError(f"{name}: {line}")
            fields[key] = (*fields.get(key, ()), value) if key in _REPEATED else value
        if fields["promise"] not in PROMISES or set(fields.get("reader", ())) - set(READERS):
            raise ValueError(f"{name}: promise or reader")
        main, *others = re.split(r"<!-- serve as: (\S+) -->\n", text[comment.end() :])
        documents = {"": main} | dict(zip(others[::2], others[1::2], strict=True))
        return cls(name, documents=documents, **fields)


def read_pages() -> list[PublisherPage]:
    return [PublisherPage.parse(path.stem, path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.html"))]


class PublisherSite:
    """Serve the pages at `/NAME/`, and the packages."""

    def __init__(self, origin: str, service: str) -> None:
        self.origin, self.service = origin, service
        self.pages = {page.name: page for page in read_pages()}
        vitaly, t = read_campaign(Path("campaigns/vitaly.toml")), translations_for("en")
        printed = snippet.script_snippet(service, vitaly, t)
        script, card = printed.split("\n")
        self._printed = {
            "SNIPPET": printed,
            "SCRIPT": script,
            "CARD": card,
            "FRAME": snippet.iframe_snippet(service, vitaly, t),
            "PINNED": snippet.script_snippet(service, vitaly, t, pinned=True),
            "LINK": snippet.link_snippet(service, vitaly, t),
            "CARD_LINK": f'<a href="{service}/c/vitaly#card" referrerpolicy="strict-origin">Give to BYSOL</a>',
        }

    def publish(self, page: PublisherPage) -> str:
        """Add a page, or replace the page with the same name, and return its address."""
        self.pages[page.name] = page
        return self.url(page)

    def url(self, page: PublisherPage) -> str:
        """Return an address with a marker that the service must never receive."""
        return f"{self.origin}/{page.name}/?{MARKER}"

    def _render(self, text: str) -> str:
        text = text.replace("https://HOST", self.service)
        return re.sub(rf"\b({'|'.join(self._printed)})\b", lambda word: self._printed[word[0]], text)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._response(scope["path"])(scope, receive, send)

    def _response(self, path: str) -> Response:
        first, _, name = path.removeprefix("/").partition("/")
        if first == "npm" and (content := package_file(name)) is not None:
            return Response(content, media_type=_media_type(name))
        if first == "bundle":
            return Response(bundle(*name.removesuffix(".js").split(",")), media_type="text/javascript")
        if first == "copy":
            return Response(current_card(), media_type="text/javascript")
        page = self.pages.get(first)
        if page is None or name not in page.documents:
            return PlainTextResponse("not found", 404)
        return self._document(page, name)

    def _document(self, page: PublisherPage, name: str) -> Response:
        text = self._render(page.documents[name])
        if name.endswith(".svelte"):
            return Response(compile_svelte(text), media_type="text/javascript")
        kind = _media_type(name or "index.html")
        is_whole = re.match(r"\s*<(!doctype|html)", text, re.I) or name.endswith(".fragment.html")
        headers = dict(self._render(line).split(": ", 1) for line in page.header)
        return Response(text if is_whole or kind != "text/html" else _PROLOGUE + text, headers=headers, media_type=kind)


def _media_type(name: str) -> str:
    return "text/javascript" if name.endswith(("js", "mjs")) else mimetypes.guess_type(name)[0] or "text/plain"


MARKER: Final = "reader=ada-7f3a"
"""A part of the article's address."""


@dataclass(frozen=True)
class ReceivedRequest:
    """Hold one request that the service received."""

    url: str
    headers: dict[str, str]


class RequestRecorder:
    """Record what the service receives, as ASGI middleware."""

    def __init__(self) -> None:
        self.received: list[ReceivedRequest] = []

    def before(self, service: Any) -> Any:
        async def recording(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                url = scope["path"] + "?" + scope["query_string"].decode()
                headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
                self.received.append(ReceivedRequest(url, headers))
            await service(scope, receive, send)

        return recording
