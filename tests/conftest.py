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
    """One server for all tests: every installation has a Stripe account of its own, and accounts never meet."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey.url


@pytest.fixture(scope="module")
def installation(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a live figure, as in the demo; every answer that a test gets is held to the contract."""
    with running(redis_url, tmp_path_factory.mktemp("sandbox")) as found:
        found.until_ready()
        found.client.event_hooks["response"] = [_check_contract]
        yield found


def _check_contract(response: object) -> None:
    response.read()
    contract.check(response)


@pytest.fixture
def sample_campaign(tmp_path: Path) -> Path:
    """A folder with one small campaign, "roof", to change at will."""
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
    """Browser tests come last: Playwright leaves a loop running in the thread, and `asyncio.run` wants none."""
    items.sort(key=lambda item: "/browser/" in item.path.as_posix())
