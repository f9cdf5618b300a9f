"""Reads: progress and the card file beside a bare app, nginx with a file, the naive endpoint, and through the proxy."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.running import (
    PROGRESS,
    Row,
    Targets,
    app_running,
    compared,
    fetch,
    interleaved,
    nginx_running,
    proxy_running,
    service_running,
)

ROUNDS = 5
CARD = "/widget/v1/donation-card.js"


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        service = stack.enter_context(service_running(folder))
        nginx = stack.enter_context(nginx_running(folder / "files"))
        proxy = stack.enter_context(proxy_running(folder / "proxy", service.url))
        for what, path, naively in (("progress read", PROGRESS, "naive:endpoint"), ("card file", CARD, "naive:static")):
            body = fetch(service.url + path)
            file = folder / "files" / path.rpartition("/")[2]
            file.write_bytes(body)
            told = {"BODY": str(file), "REDIS_URL": service.environment["REDIS_URL"]}
            with app_running("bare:app", told) as bare, app_running(naively, told) as naive:
                targets: Targets = {
                    "ours": (service.url + path, [service]),
                    "bare": (bare.url + path, [bare]),
                    "naive": (naive.url + path, [naive]),
                    "file": (f"{nginx.url}/{file.name}", [nginx]),
                    "cached": (proxy.url + path, [proxy, service]),
                }
                for url, _ in targets.values():
                    assert fetch(url) == body, f"{url} does not send the same bytes"
                rates = interleaved(targets, ROUNDS)
            yield compared(f"{what}, beside a bare ASGI app", rates, "ours", "bare", "0.9")
            yield compared(f"{what}, beside it done naively", rates, "ours", "naive", "2")
            yield compared(f"{what}, beside nginx with a file", rates, "ours", "file")
            yield compared(
                f"{what} through the shipped proxy, beside nginx with a file", rates, "cached", "file", "0.7"
            )
