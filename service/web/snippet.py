"""The snippet: the two lines that a site pastes. Its link works before, without and after the script."""

from __future__ import annotations

from html import escape
from typing import Final

from service.domain.campaign import Campaign
from service.web.texts import Texts
from service.web.widget import CARD

MIN_HEIGHT: Final = "36rem"
"""Keeps the article still while the card loads, at the usual width of a column of text."""


def snippet(public_url: str, campaign: Campaign, words: Texts) -> str:
    """The link names the foundation, never the person: it stays on other people's servers."""
    link = f"{public_url}/c/{campaign.id}"
    text = escape(words.t("card.frame", recipient=campaign.recipient.short_name))
    return (
        f'<script async src="{escape(public_url)}{CARD}"></script>\n'
        f'<donation-card campaign="{campaign.id}" lang="{words.language}" style="min-height:{MIN_HEIGHT}">'
        f'<a href="{escape(link)}">{text}</a></donation-card>'
    )
