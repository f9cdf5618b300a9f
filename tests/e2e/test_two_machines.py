"""Test two instances behind the shipped proxy, on a Redis Cluster with replicas."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.soak.two_machines import run
from tests.support.installation import free_port, listening, served
from tests.support.proxy import proxied


@contextlib.contextmanager
def two_stand_ins(folder: Path) -> Iterator[tuple[httpx.Client, list[str]]]:
    """Run the proxy before two services that answer `/STATUS` with that status. Return what they received."""
    received: list[str] = []

    async def answer(request: Request) -> Response:
        received.append(f"{request.method} {request.url.path}")
        return PlainTextResponse("x", int(request.path_params["status"]))

    app = Starlette(routes=[Route("/{status:int}", answer, methods=["GET", "POST"])])
    bound = [listening(), listening()]
    first, second = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in bound)
    with (
        served(*((app, each) for each in bound)),
        proxied(folder, first, free_port(), more=[second]) as proxy,
        httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=60) as client,
    ):
        yield client, received


@pytest.mark.parametrize("status", [500, 502, 503])
def test_error_for_one_page_closes_no_instance(tmp_path, status):
    with two_stand_ins(tmp_path) as (client, received):
        for _ in range(5):
            assert client.get(f"/{status}").status_code == status
            assert client.post(f"/{status}").status_code == status
            assert [client.get("/200").status_code for _ in range(4)] == [200] * 4
        assert received.count(f"POST /{status}") == 5, "the proxy sends no order again"


def test_two_machines_lose_no_gift_and_no_read(tmp_path):
    held, table = run(tmp_path, ["instance", "primary", "slots"], 16)
    assert held, table
