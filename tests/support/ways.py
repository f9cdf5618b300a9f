"""A campaign with every way to give, in all languages: the first campaign with an account and two addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from donation_card.domain.campaign import LANGUAGES

from tests.support.image_files import add_picture
from tests.support.installation import Installation, running
from tests.support.shipped import VITALY_TEXT

HOLDER, BIC = "Belarus Solidarity Foundation", "AGBLLT2XXXX"
IBAN, REFERENCE = "LT601010012345678901", "RF565390075470"
LINKS = ("https://tribe.example.org/vitaly", "https://coins.example.org/vitaly")

ACCOUNT = f"""
[bank_transfer]
holder = "{HOLDER}"
iban = "LT60 1010 0123 4567 8901"
bic = "{BIC}"
reference = "RF56 5390 0754 70"
accept_named_statement = true
"""


def _link(number: int, url: str) -> str:
    tables = {
        "title": f"Way {number}",
        "text": f"Text of way {number}.",
        "traces": f"What way {number} leaves behind.",
    }
    lines = [f"\n[[other_ways]]\nurl = {url!r}"]
    for name, text in tables.items():
        lines += [f"[other_ways.{name}]", *(f'{language} = "{text} ({language})"' for language in LANGUAGES)]
    return "\n".join(lines) + "\n"


def campaign_with_ways(*, status: str = "open", head: str = "", account: str = ACCOUNT) -> str:
    """Return the text of a campaign file. `head`: further lines at its top."""
    text = VITALY_TEXT.replace('status = "open"', f'status = "{status}"', 1)
    links = "".join(_link(number, url) for number, url in enumerate(LINKS, 1))
    return f"{head}\n{text}\n{account}\n{links}"


def write_campaigns(folder: Path, **more: str) -> Path:
    """Write the first campaign, the campaign `ways` with a picture, and `more`: the text of each further one."""
    (folder / "vitaly.toml").write_text(VITALY_TEXT, "utf-8")
    for name, text in {"ways": campaign_with_ways(), **more}.items():
        (folder / f"{name}.toml").write_text(text, "utf-8")
    add_picture(folder, "ways")
    return folder


def write_campaign_with_fee(folder: Path, *, account: str = "") -> Path:
    """Write the first campaign with methods that redirect and a fee that donors can cover. `account`: its table."""
    folder.mkdir(parents=True, exist_ok=True)
    text = VITALY_TEXT
    text = text.replace("[giving]", '[giving]\nfee = { percent = "1.5", fixed = "0.25" }', 1)
    (folder / "vitaly.toml").write_text(f'redirect_methods = ["paypal", "ideal", "twint"]\n{text}{account}', "utf-8")
    return folder


@contextmanager
def running_with_ways(
    redis_url: str, folder: Path, more: Mapping[str, str] | None = None, **options: Any
) -> Iterator[Installation]:
    """Run the service with `write_campaigns`. `more`: the text of each further campaign."""
    campaigns = folder / "campaigns"
    campaigns.mkdir()
    write_campaigns(campaigns, **(more or {}))
    with running(redis_url, folder / "sandbox", campaigns=campaigns, **options) as found:
        found.until_ready()
        yield found
