"""Write a page with a screenshot of every publisher's page: `python -m tests.e2e.pages.overview [NAME...]`.

The tests write it with the screenshots that they make. On its own this shows light and dark, at 320 and 1,280 pixels.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Final

from donation_card.demo.embedded_valkey import EmbeddedValkey
from playwright.sync_api import Error, sync_playwright

from tests.e2e.pages.collection import PublisherPage
from tests.e2e.pages.site import with_collection
from tests.e2e.pages.walk import Visit
from tests.support.browser import CHROMIUM, NARROW, WIDE

OUTPUT: Final = Path("dist/pages")

_STYLE: Final = (
    "body{font:16px/1.5 system-ui;margin:2em;color-scheme:light dark}section{margin-bottom:3em}"
    "img{border:1px solid #8888;max-height:28em;vertical-align:top;margin:.5em .5em 0 0}"
)


def write_overview(folder: Path, pages: Iterable[PublisherPage]) -> None:
    """Write `index.html` with all screenshots in the folder."""
    sections = []
    for page in pages:
        images = "".join(
            f'<img loading="lazy" src="{picture.name}" alt="{escape(picture.stem)}">'
            for picture in sorted(folder.glob(f"{page.name}-*.jpg"))
            if not picture.stem.removeprefix(f"{page.name}-").strip("0123456789").strip("-lightdarnk")
        )
        made_with = f" · {escape(page.package)}" if page.package else ""
        sections.append(
            f'<section id="{page.name}"><h2>{escape(page.title)}</h2>'
            f"<p>{escape(page.situation)}{made_with} · promise: {page.promise} · <code>{page.name}.html</code></p>"
            f"{images}</section>"
        )
    title = f"The card on {len(sections)} publishers' pages"
    (folder / "index.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1>{''.join(sections)}</html>",
        "utf-8",
    )


def main(wanted: list[str]) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        EmbeddedValkey(Path(data)) as valkey,
        tempfile.TemporaryDirectory() as folder,
        with_collection(valkey.url, Path(folder)) as publisher,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(**CHROMIUM)  # type: ignore[arg-type]
        pages = [page for page in publisher.site.pages.values() if not wanted or page.name in wanted]
        for declared in pages:
            for scheme in ("light", "dark"):
                for viewport in (NARROW, WIDE):
                    picture = OUTPUT / f"{declared.name}-{viewport['width']}-{scheme}.jpg"
                    visit = Visit(declared, publisher.site, publisher.recorder, browser)
                    context = visit.context(viewport, scheme)
                    try:
                        whole = "large-text" not in declared.reader  # a picture of the whole page resets its text size
                        visit.open(context).screenshot(path=picture, type="jpeg", quality=70, full_page=whole)
                    except (Error, AssertionError) as error:
                        print(f"{declared.name}: {str(error).splitlines()[0]}")
                    context.close()
        browser.close()
        write_overview(OUTPUT, pages)
    print(f"wrote {OUTPUT}/index.html")


if __name__ == "__main__":
    main(sys.argv[1:])
