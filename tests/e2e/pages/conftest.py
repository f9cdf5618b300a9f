"""One installation and one publisher's site for all pages of the collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pages.collection import read_pages
from tests.e2e.pages.overview import OUTPUT, write_overview
from tests.e2e.pages.site import Publisher, with_collection
from tests.support.browser import CHROMIUM


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return browser_type_launch_args | CHROMIUM


@pytest.fixture(scope="session")
def publisher(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    with with_collection(redis_url, tmp_path_factory.mktemp("sandbox")) as found:
        yield found


@pytest.fixture(scope="session")
def screenshots(publisher: Publisher) -> Iterator[Path]:
    """Return the folder of the screenshots. Write the overview when all pages have been visited."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    yield OUTPUT
    write_overview(OUTPUT, read_pages())
