"""One installation and one publisher's site for all pages of the collection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.pages.collection import read_pages
from tests.e2e.pages.overview import OUTPUT, write_overview
from tests.e2e.pages.site import Publisher, with_collection
from tests.e2e.pages.walk import Walk
from tests.support.browser import CHROMIUM


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return browser_type_launch_args | CHROMIUM


@pytest.fixture(scope="session")
def publisher(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    with with_collection(redis_url, tmp_path_factory.mktemp("sandbox")) as found:
        yield found


@pytest.fixture(scope="session")
def walk(request: pytest.FixtureRequest, publisher: Publisher) -> Iterator[Walk]:
    """Visit the pages of the selected tests. Write the overview when all have been visited."""
    selected = [item.callspec.params["declared"] for item in request.session.items if "walk" in item.fixturenames]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with Walk(publisher, selected, OUTPUT) as started:
        yield started
    write_overview(OUTPUT, read_pages())
