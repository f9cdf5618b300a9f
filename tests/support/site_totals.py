"""The first campaign with an open total of one site, a closed one of another, and a site without a total."""

from __future__ import annotations

import hashlib

from tests.support.shipped import VITALY_TEXT

OPEN, CLOSED, LISTED = "news.example", "blog.example", "other.example"
TOKEN = "bG9uZy1hbmQtcmFuZG9tLWZvci10aGUtYmxvZw"
STEP, SITE_STEP = 100_00, 250_00

TABLES = f"""
[[site_totals]]
host = "{OPEN}"
step = {SITE_STEP // 100}
public = true

[[site_totals]]
host = "{CLOSED}"
step = {SITE_STEP // 100}
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
"""


def campaign_with_site_totals(text: str = VITALY_TEXT) -> str:
    """Return the text of a campaign file. Its largest suggested amount is small enough for both steps."""
    amounts = "suggested = [10, 25, 35, 50]"
    assert amounts in text
    sites = f"sites = {[OPEN, CLOSED, LISTED]}\n"
    return f"{sites}{text.replace(amounts, 'suggested = [10, 25, 30]')}\n{TABLES}"
