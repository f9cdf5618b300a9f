"""Provide sandboxes and webhook receivers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from tests.support.sandbox import SECRET, Inbox, Sandbox, listen, sandbox_with, serving


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandbox_with() as running:
        yield running


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """Provide one sandbox for tests that change nothing."""
    with sandbox_with() as running:
        yield running


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    listener, box.url = listen()
    with serving(Starlette(routes=[Route("/", box.receive, methods=["POST"])]), listener):
        yield box


@pytest.fixture
def delivering(inbox: Inbox) -> Iterator[Sandbox]:
    """Provide a sandbox that sends its webhooks to `inbox`."""
    with sandbox_with(webhook_url=inbox.url, webhook_secret=SECRET) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"
