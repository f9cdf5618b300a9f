"""Compare reads of progress and of the card file with a bare application, nginx, a naive endpoint and the proxy."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.running import (
    PROGRESS,
    Row,
    Targets,
    app_running,
    compare,
    fetch,
    interleaved,
    nginx_running,
    proxy_running,
    response_headers,
    service_running,
)

ROUNDS = 5
CARD = "/widget/v1/donation-card.js"
BARE_AIM = "0.85"


def rows() -> Iterator[Row]:
    """Measure all targets in the same interleaved rounds."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        service = stack.enter_context(service_running(folder))
        nginx = stack.enter_context(nginx_running(folder / "files"))
        proxy = stack.enter_context(proxy_running(folder / "proxy", service.url))
        for what, path, naive_app in (
            ("progress read", PROGRESS, "naive:endpoint"),
            ("card file", CARD, "naive:static"),
        ):
            body = fetch(service.url + path)
            headers = response_headers(service.url + path)
            file = folder / "files" / path.rpartition("/")[2]
            file.write_bytes(body)
            environment = {
                "BODY": str(file),
                "HEADERS": json.dumps(headers),
                "REDIS_URL": service.environment["REDIS_URL"],
            }
            with app_running("bare:app", environment) as bare, app_running(naive_app, environment) as naive:
                targets: Targets = {
                    "service": (service.url + path, [service]),
                    "bare": (bare.url + path, [bare]),
                    "naive": (naive.url + path, [naive]),
                    "file": (f"{nginx.url}/{file.name}", [nginx]),
                    "proxy": (proxy.url + path, [proxy, service]),
                }
                for url, _ in targets.values():
                    assert fetch(url) == body, f"{url} sends another body"
                names = [name for name, _ in headers]
                assert [name for name, _ in response_headers(bare.url + path)] == names, "other header fields"
                rates = interleaved(targets, ROUNDS)
            yield compare(f"{what}, vs a bare ASGI app", rates, "service", "bare", BARE_AIM)
            yield compare(f"{what}, vs a naive endpoint", rates, "service", "naive", "2")
            yield compare(f"{what}, vs nginx with a file", rates, "service", "file")
            yield compare(f"{what} through the shipped proxy, vs nginx with a file", rates, "proxy", "file", "0.7")
