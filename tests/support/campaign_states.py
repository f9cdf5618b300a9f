"""Write a campaign file for every state of a campaign."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES, Campaign

from tests.support.image_files import add_picture, encode, photo
from tests.support.installation import Installation
from tests.support.shipped import VITALY, VITALY_TEXT

THEMES = ("light", "dark")

_CHANGES: dict[str, tuple[str, dict[str, str]]] = {
    "started": ("", {}),
    "begun": ("1499.99", {}),
    "funded": ("3299.99", {}),
    "full": ("3000", {"accept_above_goal = true": "accept_above_goal = false"}),
    "paused": ("1499.99", {'status = "open"': 'status = "paused"'}),
    "closed": ("2699.99", {'status = "open"': 'status = "closed"'}),
    "hidden": ("1499.99", {'status = "open"': 'status = "hidden"'}),
    "safe": (
        "1499.99",
        {'warned_bank_countries = ["BY", "RU"]': "warned_bank_countries = []", "decimals = false": "decimals = true"},
    ),
}

# Almost a step more than each card shows, so that each step is published whatever its secret threshold is.

STATES = tuple(_CHANGES)
"""`funded` still takes donations, `full` takes none. `safe` has no bank warning and takes cents."""

WITH_PICTURE = "pictured"
"""The same as `begun`, with a picture."""

SPENDING = {"begun": (400, 400), "closed": (400, 801)}
"""Spendings on the rent in October and November. In `closed` they are more than the need."""

_RENT = {
    "en": ("Rent for October", "Rent for November"),
    "be": ("Арэнда за кастрычнік", "Арэнда за лістапад"),
    "ru": ("Аренда за октябрь", "Аренда за ноябрь"),
    "uk": ("Оренда за жовтень", "Оренда за листопад"),
    "lt": ("Spalio nuoma", "Lapkričio nuoma"),
    "pl": ("Czynsz za październik", "Czynsz za listopad"),
    "de": ("Miete für Oktober", "Miete für November"),
}


def write_states(folder: Path) -> Path:
    """Write the campaign files beside the shipped one, and return the folder."""
    text = VITALY_TEXT
    (folder / VITALY.name).write_text(text, "utf-8")
    for at in (0, 1):
        (folder / f"receipt-{at}.jpg").write_bytes(encode(photo(400, 600, seed=at), "JPEG"))
    for state, (offline, changes) in _CHANGES.items():
        changed = text
        for old, new in changes.items():
            assert old in changed, old
            changed = changed.replace(old, new, 1)
        if offline:
            source = ", ".join(f'{lang} = "Bazaar"' for lang in LANGUAGES)
            changed += f'\n[[offline]]\ndate = 2026-11-01\namount = "{offline}"\nsource = {{ {source} }}\n'
        for at, amount in enumerate(SPENDING.get(state, ())):
            texts = ", ".join(f'{lang} = "{months[at]}"' for lang, months in _RENT.items())
            changed += f'\n[[spent]]\nneed = "rent"\ndate = "2026-{10 + at}"\namount = {amount}\ntext = {{ {texts} }}\n'
            changed += f'receipt = {{ file = "receipt-{at}.jpg", cover = [[8, 8, 100, 60]], checked = true }}\n'
            if amount > 400:
                changed += f"over = {{ {texts} }}\n"
        (folder / f"{state}.toml").write_text(changed, "utf-8")
    (folder / f"{WITH_PICTURE}.toml").write_text((folder / "begun.toml").read_text("utf-8"), "utf-8")
    add_picture(folder, WITH_PICTURE, more='credit = "Photo: Ada"\n')
    return folder


@cache
def campaign_in(state: str) -> Campaign:
    """Read the campaign of one state."""
    with TemporaryDirectory() as folder:
        return read_campaign(write_states(Path(folder)) / f"{state}.toml")


def cards(installation: Installation, campaigns: Iterable[str], lang: str = "en", attributes: str = "") -> str:
    """Return a page with a card of each campaign, in the reader's colour scheme."""
    return (
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>News</title>'
        '<meta name="viewport" content="width=device-width"><style>:root{color-scheme:light dark}body{margin:0}</style>'
        f'<script async src="{installation.service}/widget/v1/donation-card.js"></script><main><h1>News</h1>'
        + "".join(
            f'<donation-card campaign="{campaign}" {attributes}>'
            f'<a href="{installation.service}/c/{campaign}">Give</a></donation-card>'
            for campaign in campaigns
        )
        + "</main></html>"
    )
