"""A browser, an installation and a publisher's site for the browser tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.browser import CHROMIUM, Site, with_publisher_site
from tests.support.campaign_states import write_states
from tests.support.installation import Installation


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return browser_type_launch_args | CHROMIUM


@pytest.fixture(scope="module")
def installed(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Site]]:
    with with_publisher_site(redis_url, tmp_path_factory.mktemp("sandbox")) as found:
        yield found


@pytest.fixture(scope="module")
def installed_with_states(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, Site]]:
    """Run an installation with a campaign in each state. Their public totals follow their files."""
    campaigns, sandbox = write_states(tmp_path_factory.mktemp("campaigns")), tmp_path_factory.mktemp("sandbox")
    with with_publisher_site(redis_url, sandbox, campaigns=campaigns, demo_publication_interval=None) as found:
        yield found


@pytest.fixture
def installation(installed: tuple[Installation, Site]) -> Installation:
    return installed[0]


@pytest.fixture
def site(installed: tuple[Installation, Site]) -> Site:
    return installed[1]


@pytest.fixture(autouse=True)
def patient(context: BrowserContext) -> None:
    context.set_default_timeout(60_000)


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """Give the plugin's page. At its end, let a route that still waits for an answer fail in silence."""
    yield page
    page.unroute_all(behavior="ignoreErrors")
