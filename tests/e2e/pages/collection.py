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
| `promise` | `gift` in the article, `tab` for a gift in a new tab, or `link` for the link of the snippet alone |
| `press` | the name of a button or link to press first; may be repeated |
| `header` | a response header of the page, `Name: value`; may be repeated |
| `console` | a regular expression of lines that the browser may write to its console; may be repeated |
| `frame` | the selector of the frame that holds the card |
| `reader` | `dark`, `large-text` (32 px), `no-scripts` or `save-data`; may be repeated |

Words in capitals stand for the printed code: SNIPPET, its lines SCRIPT and CARD, FRAME and LINK. `https://HOST` stands
for the service. A line `<!-- serve as: NAME -->` begins another document of the same site. `/npm/` serves the packages
of `tools/node_modules`.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.web.presentation import snippet
from donation_card.web.presentation.translations import translations_for
from starlette.responses import PlainTextResponse, Response

FOLDER: Final = Path(__file__).parent
PACKAGES: Final = Path("tools/node_modules")
PROMISES: Final = ("gift", "tab", "link")
READERS: Final = ("dark", "large-text", "no-scripts", "save-data")
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
            "LINK": snippet.link_snippet(service, vitaly, t),
        }

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
        _, first, *rest = path.split("/")
        name = "/".join(rest)
        if first == "npm" and (PACKAGES / name).is_file() and ".." not in rest:
            return Response((PACKAGES / name).read_bytes(), media_type=mimetypes.guess_type(name)[0])
        page = self.pages.get(first)
        if page is None or name not in page.documents:
            return PlainTextResponse("not found", 404)
        text, kind = self._render(page.documents[name]), mimetypes.guess_type(name or "index.html")[0]
        if kind == "text/html" and not re.match(r"\s*<!doctype", text, re.I) and not name.endswith(".fragment.html"):
            text = _PROLOGUE + text
        headers = dict(self._render(line).split(": ", 1) for line in page.header)
        return Response(text, headers=headers, media_type=kind)


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
