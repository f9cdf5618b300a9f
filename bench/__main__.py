"""`make bench`: progress reads of the service beside a bare ASGI app and beside nginx, as ratios.

All three send the same bytes; rounds are interleaved in one run, because these machines are shared and only what was
measured side by side can be compared. Everything talks to loopback and stops by itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from service.adapters.embedded_valkey import EmbeddedValkey

ROUNDS, SECONDS, CONNECTIONS = 5, 2, 32
SECRET = "whsec_0123456789abcdef"
PROGRESS = "/v1/campaigns/vitaly/progress"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        service = stack.enter_context(service_running(Path(folder)))
        body = fetch(service.url + PROGRESS)
        (Path(folder) / "progress").write_bytes(body)
        targets = {"service": service.url + PROGRESS}
        targets["bare ASGI app"] = stack.enter_context(bare_running(Path(folder))) + PROGRESS
        if nginx := stack.enter_context(nginx_running(Path(folder))):
            targets["nginx, a file"] = nginx + "/progress"
        else:
            print("nginx is absent (apt-get install nginx-light), so its row is left out")
        for url in targets.values():
            assert fetch(url) == body, f"{url} does not send the same bytes"
        rates: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, url in targets.items():
                rates[name].append(requests_per_second(url))
        report(rates)
        requests_per_second(service.url + PROGRESS, requests=10_000)
        print(f"\nworker resident after {10_000}+ requests: {service.resident_megabytes():.0f} MB")


def report(rates: dict[str, list[float]]) -> None:
    print(f"\nprogress reads, {ROUNDS} rounds of {SECONDS} s, {CONNECTIONS} connections, one worker\n")
    print(f"{'':16}{'reads/s':>10}{'ratio to bare':>16}{'spread':>16}")
    for name, values in rates.items():
        ratios = [value / bare for value, bare in zip(values, rates["bare ASGI app"], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name:16}{statistics.median(values):>10,.0f}{statistics.median(ratios):>16.2f}{spread:>16}")


def requests_per_second(url: str, requests: int | None = None) -> float:
    """One run of wrk; with `requests`, as many seconds as at least that many took."""
    done, rate = 0, 0.0
    while True:
        printed = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", url], capture_output=True, text=True, check=True
        ).stdout
        assert "Non-2xx" not in printed, printed
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1])
        done += int(rate * SECONDS)
        if done >= (requests or 0):
            return rate


class Service:
    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid

    def resident_megabytes(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@contextlib.contextmanager
def service_running(folder: Path, workers: int = 1, campaigns: Path = Path("campaigns")) -> Iterator[Service]:
    folder.mkdir(exist_ok=True)
    port, sandbox_port = free_port(), free_port()
    webhook = f"http://127.0.0.1:{port}/v1/stripe/webhook"
    sandbox = [
        *(sys.executable, "-m", "service.sandbox", "--port", str(sandbox_port), "--data", str(folder / "sandbox")),
        *("--webhook-url", webhook, "--webhook-secret", SECRET),
    ]
    with EmbeddedValkey(folder / "valkey") as valkey, process(sandbox, None, sandbox_port):
        environment = {
            "STRIPE_SECRET_KEY": "sk_test_bench",
            "STRIPE_PUBLISHABLE_KEY": "pk_test_bench",
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": f"http://127.0.0.1:{sandbox_port}",
            "REDIS_URL": valkey.url,
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "SECRET_KEYS": "0123456789abcdef" * 2,
            "CAMPAIGNS": str(campaigns),
            "PORT": str(port),
            "LOG_LEVEL": "error",
            "WEB_CONCURRENCY": str(workers),
        }
        with process([sys.executable, "-m", "service", "serve"], environment, port) as pid:
            url = f"http://127.0.0.1:{port}"
            until(lambda: fetch(url + "/readyz"))
            yield Service(url, pid)


@contextlib.contextmanager
def bare_running(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.bare:app", "--port", str(port), "--no-access-log"]
    with process([*command, "--log-level", "error"], {"BODY": str(folder / "progress")}, port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def nginx_running(folder: Path) -> Iterator[str | None]:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        yield None
        return
    port = free_port()
    (folder / "nginx.conf").write_text(
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; default_type application/json; keepalive_requests 1000000;\n"
        f"  server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
    )
    (folder / "logs").mkdir()
    os.chmod(folder, 0o755)
    with process([binary, "-p", str(folder), "-c", str(folder / "nginx.conf")], None, port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def process(command: list[str], environment: dict[str, str] | None, port: int) -> Iterator[int]:
    running = subprocess.Popen(command, env=os.environ | (environment or {}))
    try:
        until(lambda: socket.create_connection(("127.0.0.1", port), 1).close())
        yield running.pid
    finally:
        running.terminate()
        running.wait(15)


def until(attempt: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
