"""Provide a Redis-protocol server and an installation to all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from donation_card.application.ports.payments import Account
from donation_card.cli import environment
from donation_card.demo.embedded_valkey import EmbeddedValkey
from hypothesis import settings

from tests.support import contract
from tests.support.accounts import new_account
from tests.support.installation import Installation, running

settings.register_profile("default", deadline=None)  # these machines are shared; a slow moment is no finding
settings.register_profile("stress", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session", autouse=True)
def _without_demo_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the settings that `make run` writes to data/environment from the commands."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(environment, "DEMO_ENVIRONMENT", tmp_path_factory.mktemp("no-demo") / "environment")
        yield


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start one server for all tests. Every installation has its own Stripe account, and accounts share no key."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey.url


@pytest.fixture(scope="module")
def installation(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Start an installation with an immediate total. Every response is checked against `openapi.yaml`."""
    with running(redis_url, tmp_path_factory.mktemp("sandbox")) as found:
        found.until_ready()
        found.client.event_hooks["response"] = [_check_contract]
        yield found


def _check_contract(response: object) -> None:
    response.read()
    contract.check(response)


@pytest.fixture
def sample_campaign(tmp_path: Path) -> Path:
    """Return a folder with one small campaign, "roof", that a test can change."""
    folder = tmp_path / "campaigns"
    folder.mkdir()
    (folder / "roof.toml").write_text(Path("tests/support/roof.toml").read_text("utf-8"), "utf-8")
    return folder


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def account() -> Account:
    return new_account()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser tests last: Playwright leaves an event loop in the thread, and `asyncio.run` needs none."""
    items.sort(key=lambda item: item.path.parent.name in ("browser", "pages"))
