"""Create leak markers for every input of a donor, and search for them.

Every planted value holds its kind's marker, so that the search needs a few patterns for thousands of values; a marker
is looked for as text, percent-encoded, JSON-escaped, in hex, base64 and UTF-16, and each value as a digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

MARKERS = {
    "name": "Kanarejka Žalia",
    "name in Cyrillic": "Канарэйка",
    "mail": "kanarek-mail-",
    "address": "Canary Lane 7",
    "card": "478612999",  # typed where no card belongs; Stripe's test numbers are looked for beside it
    "user agent": "CanaryBrowser/77",
    "referrer": "canary-path",
    "IPv4": "11.18.",  # public, so that each donor has a network of one: the limits are for networks
    "IPv6": "2600:db8:",
    "cookie": "canary-cookie",
    "query": "canary-query",
    "message": "canary-message",
    "way back": "canary-back",
    "session": "cs_test_",  # in a handle, too, which is base64
}
TEST_CARDS = {"4242424242424242", "4242 4242 4242 4242", "4000000000000002", "4000 0000 0000 0002"}

_DIGESTS = ("md5", "sha1", "sha256")
_HEX = re.compile(rb"[0-9a-f]{32,64}|[0-9A-F]{32,64}")


def encodings(text: str) -> dict[bytes, str]:
    """Return each encoding of a text, by name."""
    raw = text.encode()
    found = {
        raw: "text",
        raw.upper(): "capitals",
        raw.lower(): "small letters",
        json.dumps(text)[1:-1].encode(): "JSON",
        quote(text).encode(): "percent",
        quote(text).lower().encode(): "percent",
        quote(text, safe="").encode(): "percent",
        quote(text).replace("%20", "+").encode(): "form",
        raw.hex().encode(): "hex",
        raw.hex().upper().encode(): "hex",
        text.encode("utf-16-le"): "UTF-16",
        text.encode("utf-16-be"): "UTF-16",
        repr(raw)[2:-1].encode(): "repr of bytes",
    }
    for start in range(3):  # a marker may begin at any of three places in a group
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            padded = encode(b"\0" * start + raw)
            first, last = -(-start * 4 // 3), (start + len(raw)) * 4 // 3
            found[padded[first:last]] = "base64"
    return found


@dataclass(frozen=True)
class Donor:
    """Create a donor with a unique value of every kind."""

    number: int
    dice: random.Random

    def value(self, kind: str) -> str:
        after = {"IPv4": f"{self.number % 250}.{self.number // 250 + 1}", "IPv6": f"{self.number:x}::7"}
        return MARKERS[kind] + after.get(kind, str(self.number))

    @property
    def card(self) -> str:
        """Return sixteen digits with a valid check digit (Luhn), as a card number has."""
        digits = f"{MARKERS['card']}{self.number:06d}"
        doubled = "".join(str(int(d) * 2) if place % 2 == 0 else d for place, d in enumerate(digits))
        return digits + str(-sum(map(int, doubled)) % 10)

    @property
    def mail(self) -> str:
        return f"{self.value('mail')}@example.org"

    def headers(self, referrer: str) -> dict[str, str]:
        """Return the headers that this donor's browser and the proxies send."""
        ip = self.value(self.dice.choice(["IPv4", "IPv6"]))
        return {
            "user-agent": f"Mozilla/5.0 ({self.value('user agent')})",
            "referer": referrer,
            "x-forwarded-for": f"192.0.2.1, {ip}",
            "forwarded": f'for="[{self.value("IPv6")}]";proto=https',
            "x-real-ip": ip,
            "true-client-ip": ip,
            "from": self.mail,
            "cookie": f"who={self.value('cookie')}",
            "accept-language": f"en;q=0.9, {self.value('query')}",
            "origin": f"https://{self.value('referrer')}.example",
            "traceparent": f"00-{self.value('message')}-1",
        }

    def details(self) -> dict[str, Any]:
        """Return `customer_details` of a session, as in a webhook of Stripe."""
        return {
            "email": self.mail,
            "name": f"{self.value('name')} {self.value('name in Cyrillic')}",
            "phone": self.card,
            "address": {"line1": self.value("address"), "city": self.value("name in Cyrillic"), "country": "LT"},
        }

    def values(self) -> Iterator[str]:
        yield from (self.value(kind) for kind in MARKERS if kind not in {"card", "session"})
        yield from (self.card, self.mail, self.details()["name"])


class Search:
    """Search bytes for leak markers. `more` are generated values, `without` are kinds that are expected."""

    def __init__(self, donors: list[Donor], more: Iterable[str] = (), *, without: tuple[str, ...] = ()) -> None:
        self.patterns: dict[bytes, str] = {}
        for kind, marker in MARKERS.items():
            if kind not in without:
                self.patterns |= {pattern: f"{kind} as {way}" for pattern, way in encodings(marker).items()}
        for card in TEST_CARDS:
            self.patterns |= {pattern: f"test card as {way}" for pattern, way in encodings(card).items()}
        values = {value for donor in donors for value in donor.values()} | TEST_CARDS | set(more)
        self.patterns |= {value.encode(): "text" for value in more}
        self._any = re.compile(b"|".join(map(re.escape, sorted(self.patterns, key=len, reverse=True))))
        self._digests = {
            hashlib.new(name, value.encode()).hexdigest().encode(): f"{name} of {value}"
            for name in _DIGESTS
            for value in values
        }
        self.markers, self.searched = len(values), 0

    def hits(self, where: str, content: bytes) -> list[str]:
        """Return the findings with the text around them. Digests are searched in hexadecimal only."""
        self.searched += len(content)
        found = [
            f"{where}: {self.patterns[hit[0]]}: {content[max(0, hit.start() - 60) : hit.end() + 60]!r}"
            for hit in self._any.finditer(content)
        ]
        told = {digest.lower() for digest in _HEX.findall(content)} & self._digests.keys()
        return found + [f"{where}: {self._digests[digest]}" for digest in told]

    def folder(self, folder: Path, *, but: tuple[Path, ...] = ()) -> list[str]:
        """Search every file in a folder, and its name."""
        found = []
        for path in sorted(folder.rglob("*")):
            if any(path.is_relative_to(other) for other in but):
                continue
            found += self.hits(f"the name {path.name}", path.name.encode())
            if path.is_file():
                found += self.hits(str(path), path.read_bytes())
        return found
