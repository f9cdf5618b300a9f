"""Snippets: what a site pastes, as a script, a frame or a link. Each names the foundation, never the person.

They stay on other people's servers, where nothing can be taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlencode

from donation_card.domain.campaign import Campaign
from donation_card.web.assets import CARD, pinned_card
from donation_card.web.presentation.translations import Texts

ROOM: Final = {
    "card": "max(45em,106em - 150vw)",
    "compact": "max(27.5em,49.5em - 70vw)",
    "button": "18em",
}
"""By layout, the height that the card needs, on a phone and in a column of text."""

RESERVED: Final = {layout: f"display:block;min-height:{room}" for layout, room in ROOM.items()}
"""Room for the card before it comes, so that the article does not move.

Until the script has run the element is inline, and a height would mean nothing without `display:block`.
"""

KINDS: Final = ("script", "iframe", "link")
THEMES: Final = ("auto", "light", "dark")
LAYOUTS: Final = ("auto", *ROOM)


@dataclass(frozen=True, slots=True)
class Look:
    """How a card is to look; `auto` follows the page, and the width it gets."""

    theme: str = "auto"
    layout: str = "auto"

    @property
    def chosen(self) -> dict[str, str]:
        named = {"theme": self.theme, "layout": self.layout}
        return {name: value for name, value in named.items() if value != "auto"}

    @property
    def shown(self) -> str:
        return "card" if self.layout == "auto" else self.layout


def snippet(public_url: str, campaign: Campaign, words: Texts, look: Look = Look(), *, pinned: bool = False) -> str:
    """Two lines. The link works before, without and after the script.

    `pinned`: this release of the card, with the hash by which a browser refuses any other (Subresource Integrity).
    """
    src, integrity = pinned_card() if pinned else (CARD, "")
    held = f' integrity="{integrity}" crossorigin="anonymous"' if integrity else ""
    looks = "".join(f' {name}="{value}"' for name, value in look.chosen.items())
    return (
        f'<script async src="{escape(public_url)}{src}"{held}></script>\n'
        f'<donation-card campaign="{campaign.id}" lang="{words.language}"{looks} style="{RESERVED[look.shown]}">'
        f"{_link(f'{public_url}/c/{campaign.id}', campaign, words)}</donation-card>"
    )


def link_snippet(public_url: str, campaign: Campaign, words: Texts) -> str:
    return _link(f"{public_url}/c/{campaign.id}?lang={words.language}", campaign, words)


def frame_snippet(public_url: str, campaign: Campaign, words: Texts, look: Look = Look()) -> str:
    """The height as a style follows the width; as an attribute it serves where a policy forbids styles."""
    return (
        f'<iframe src="{escape(frame_url(public_url, campaign, words, look))}" title="{escape(_name(campaign, words))}"'
        f' loading="lazy" width="100%" height="{height(look.shown, 400)}" style="border:0;height:{ROOM[look.shown]}"'
        ' allow="payment *; publickey-credentials-get *; web-share; clipboard-write"></iframe>'
    )


def oembed_frame(public_url: str, campaign: Campaign, words: Texts, look: Look, width: int, tall: int) -> str:
    """The attributes that WordPress leaves an iframe of a provider it does not know."""
    return (
        f'<iframe src="{escape(frame_url(public_url, campaign, words, look))}" title="{escape(_name(campaign, words))}"'
        f' width="{width}" height="{tall}" frameborder="0" marginwidth="0" marginheight="0" scrolling="no"></iframe>'
    )


def frame_url(public_url: str, campaign: Campaign, words: Texts, look: Look) -> str:
    return f"{public_url}/c/{campaign.id}/frame?{urlencode({'lang': words.language, **look.chosen})}"


def height(layout: str, width: int) -> int:
    """Pixels that a card of this layout and width needs, at 16 pixels an em: `ROOM`, computed."""
    return {
        "card": max(720, 1696 - round(1.5 * width)),
        "compact": max(440, 792 - round(0.7 * width)),
        "button": 288,
    }[layout]


def policy_lines(kind: str, public_url: str) -> str:
    """What a Content-Security-Policy must allow for this kind; nothing for a link."""
    directives = {"script": ("script-src", "connect-src", "frame-src"), "iframe": ("frame-src",), "link": ()}[kind]
    return "; ".join(f"{directive} {public_url}" for directive in directives)


def _name(campaign: Campaign, words: Texts) -> str:
    return words.t("card.frame", recipient=campaign.recipient.short_name)


def _link(address: str, campaign: Campaign, words: Texts) -> str:
    return f'<a href="{escape(address)}">{escape(_name(campaign, words))}</a>'
