"""The snippet: the two lines that a site pastes. Its link works before, without and after the script."""

from __future__ import annotations

from html import escape
from typing import Final

from service.domain.campaign import Campaign
from service.web.texts import Texts
from service.web.widget import CARD, pinned_card

RESERVED: Final = {
    "card": "display:block;min-height:max(45em,106em - 150vw)",
    "compact": "display:block;min-height:max(26.5em,46em - 65vw)",
    "button": "display:block;min-height:17em",
}
"""By layout, room for the card before it comes, on a phone and in a column of text, so that the article does not move.

Until the script has run the element is inline, and a height would mean nothing without `display:block`.
"""


def snippet(public_url: str, campaign: Campaign, words: Texts, *, pinned: bool = False) -> str:
    """The link names the foundation, never the person: it stays on other people's servers.

    `pinned`: this release of the card, with the hash by which a browser refuses any other (Subresource Integrity).
    """
    src, integrity = pinned_card() if pinned else (CARD, "")
    held = f' integrity="{integrity}" crossorigin="anonymous"' if integrity else ""
    link = f"{public_url}/c/{campaign.id}"
    text = escape(words.t("card.frame", recipient=campaign.recipient.short_name))
    return (
        f'<script async src="{escape(public_url)}{src}"{held}></script>\n'
        f'<donation-card campaign="{campaign.id}" lang="{words.language}" style="{RESERVED["card"]}">'
        f'<a href="{escape(link)}">{text}</a></donation-card>'
    )
