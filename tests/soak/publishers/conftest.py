"""Run a WordPress and a service for all tests, and log people in."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.soak.publishers.author import PLUGIN_ROW, Author, log_in
from tests.soak.publishers.wordpress import WordPress, running_wordpress
from tests.support.browser import CHROMIUM
from tests.support.installation import Installation, running
from tools.wordpress_plugin import build, pack


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
    return browser_type_launch_args | CHROMIUM | {"args": [*CHROMIUM["args"], offline]}


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    pack(build(folder), folder / "plugin.zip")
    return folder / "plugin.zip"


@pytest.fixture(scope="session")
def wordpress() -> Iterator[WordPress]:
    with running_wordpress() as found:
        yield found


@pytest.fixture(scope="session")
def installation(
    redis_url: str, wordpress: WordPress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Run a service with the shipped campaign, and with the same one under another id."""
    campaigns = tmp_path_factory.mktemp("publishers") / "campaigns"
    shutil.copytree("campaigns", campaigns)
    shutil.copy(campaigns / "vitaly.toml", campaigns / "anna.toml")
    with (
        tempfile.TemporaryDirectory() as sandbox,
        running(redis_url, Path(sandbox), campaigns=campaigns, article_origin=wordpress.origin) as found,
    ):
        found.until_ready()
        yield found


@pytest.fixture
def enter(browser: Browser, wordpress: WordPress) -> Iterator[Callable[[str], Author]]:
    """Return a function that logs somebody in."""
    with contextlib.ExitStack() as stack:

        def enter(name: str) -> Author:
            context, author = log_in(browser, wordpress, name)
            stack.callback(context.close)
            return author

        yield enter


@pytest.fixture
def admin(enter: Callable[[str], Author], wordpress: WordPress, installation: Installation, archive: Path) -> Author:
    """Log the administrator in. Install the plugin and list our service, unless both are done."""
    author = enter("admin")
    author.open("plugins.php")
    if not author.page.locator(f"{PLUGIN_ROW}.active").count():
        author.install_plugin(archive)
    author.list_services(installation.service)
    return author


@pytest.fixture(autouse=True)
def _php_does_not_complain(wordpress: WordPress) -> Iterator[None]:
    yield
    assert wordpress.log() == []
