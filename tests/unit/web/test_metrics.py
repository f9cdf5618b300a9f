"""The metrics of thousands of campaigns are made outside of the event loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from donation_card.web.api import metrics
from donation_card.web.api.metrics import MetricsEndpoint
from prometheus_client.core import Metric

pytestmark = pytest.mark.anyio


async def test_metrics_are_made_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def gauges() -> Iterator[Metric]:
        threads.append(threading.get_ident())
        yield Metric("roof", "The roof.", "gauge")

    monkeypatch.setattr(metrics, "render", lambda made, _: str([*made]).encode())
    operator: Any = SimpleNamespace(is_authorized=lambda _: True)
    export: Any = SimpleNamespace(renew_if_due=lambda: None, settled=None)
    request: Any = None
    answer = await MetricsEndpoint(operator, gauges, export).show(request)
    assert b"roof" in answer.body
    assert threads
    assert threading.get_ident() not in threads
