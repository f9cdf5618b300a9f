"""The snippet: the two lines that a site pastes. Its link works before, without and after the script."""

from __future__ import annotations

from html import escape
from typing import Final

from service.domain.campaign import Campaign
from service.web.texts import Texts
from service.web.widget import CARD

RESERVED: Final = "display:block;min-height:max(45em,106em - 150vw)"
"""Room for the card before it comes, on a phone and in a column of text, so that the article does not move.

Until the script has run the element is inline, and a height would mean nothing without `display:block`.
"""


def snippet(public_url: str, campaign: Campaign, words: Texts) -> str:
    """The link names the foundation, never the person: it stays on other people's servers."""
    link = f"{public_url}/c/{campaign.id}"
    text = escape(words.t("card.frame", recipient=campaign.recipient.short_name))
    return (
        f'<script async src="{escape(public_url)}{CARD}"></script>\n'
        f'<donation-card campaign="{campaign.id}" lang="{words.language}" style="{RESERVED}">'
        f'<a href="{escape(link)}">{text}</a></donation-card>'
    )
