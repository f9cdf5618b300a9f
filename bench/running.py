"""Start the processes that the measurements need, run wrk, and describe a row of the table."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from donation_card.demo.embedded_valkey import EmbeddedValkey

from tests.support import proxy
from tests.support.installation import free_port

NGINX = "/usr/sbin/nginx"
"""Debian's nginx. The statically linked nginx of the tests needs twice the CPU for its cache."""

SECONDS, CONNECTIONS = 2, 32
SECRET = "whsec_0123456789abcdef"
PROGRESS = "/v1/campaigns/vitaly/progress"


@dataclass(frozen=True)
class Row:
    """One row of the table. `ratio` is the median of all rounds; the aim is a limit for it."""

    what: str
    measured: str
    baseline: str
    ratio: str
    aim: str = ""


def compare(what: str, rates: Mapping[str, Sequence[float]], target: str, baseline: str, aim: str = "") -> Row:
    """Compare two targets of the same interleaved rounds."""
    ratios = [one / other for one, other in zip(rates[target], rates[baseline], strict=True)]
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return Row(what, per_second(rates[target]), per_second(rates[baseline]), ratio, aim)


def per_second(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):,.0f}/s"


@dataclass(frozen=True)
class Server:
    """A process, its address, and its child processes."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process and its children have used."""
        return sum(map(cpu_seconds, _process_tree(self.pid)))

    def resident_megabytes(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024 / 1e6


Targets = Mapping[str, tuple[str, Sequence[Server]]]
"""By name: the requested URL, and the servers whose CPU time counts."""


def interleaved(targets: Targets, rounds: int) -> dict[str, list[float]]:
    """Return the requests for each second of CPU that the servers used, by target and round.

    On a shared machine, wall-clock rates depend on the other processes.
    """
    rates: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, (url, servers) in targets.items():
            before = sum(server.cpu_seconds() for server in servers)
            requests = int(re.search(r"(\d+) requests in", wrk(url))[1])
            rates[name].append(requests / (sum(server.cpu_seconds() for server in servers) - before))
    return rates


def requests_per_second(url: str) -> float:
    return float(re.search(r"Requests/sec:\s+([\d.]+)", wrk(url))[1])


def wrk(url: str, seconds: int = SECONDS) -> str:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in printed, printed
    return printed


def _process_tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _process_tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Service(Server):
    """A running `donation-card serve`, its settings, and the seconds until its first response."""

    environment: Mapping[str, str]
    first_response: float


@contextlib.contextmanager
def service_running(folder: Path, workers: int = 1, campaigns: Path = Path("campaigns")) -> Iterator[Service]:
    folder.mkdir(exist_ok=True)
    port, sandbox_port = free_port(), free_port()
    webhook = f"http://127.0.0.1:{port}/v1/stripe/webhook"
    sandbox = [
        *(sys.executable, "-m", "stripe_sandbox", "--port", str(sandbox_port), "--data", str(folder / "sandbox")),
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
            "CAMPAIGNS_DIR": str(campaigns),
            "PICTURE_CACHE_DIR": str(folder / "pictures"),
            "PORT": str(port),
            "LOG_LEVEL": "error",
            "WEB_CONCURRENCY": str(workers),
            "STRIPE_RATE_LIMIT": "2500",  # the sandbox has no limit
        }
        started = time.perf_counter()
        with process([sys.executable, "-m", "donation_card", "serve"], environment, port) as pid:
            url = f"http://127.0.0.1:{port}"
            until(lambda: fetch(url + "/healthz"), pause=0.01)
            first_response = time.perf_counter() - started
            until(lambda: fetch(url + "/readyz"), seconds=600, pause=0.5)
            yield Service(url, pid, environment, first_response)


@dataclass(frozen=True)
class Start:
    """A start on a Valkey with the totals of all campaigns.

    Seconds until the first response, CPU seconds until then, and CPU seconds until each campaign has a response.
    """

    first_response: float
    first_cpu: float
    complete_cpu: float


def start_again(first: Service) -> Start:
    """Start a second process on the Valkey of a service, and end it when it knows each campaign."""
    port = free_port()
    url, started = f"http://127.0.0.1:{port}", time.perf_counter()
    with process(
        [sys.executable, "-m", "donation_card", "serve"], {**first.environment, "PORT": str(port)}, port
    ) as pid:
        server = Server(url, pid)
        until(lambda: fetch(url + "/healthz"), pause=0.01)
        first_response, first_cpu = time.perf_counter() - started, server.cpu_seconds()
        while not _knows_each_campaign(url):
            time.sleep(5)
        return Start(first_response, first_cpu, server.cpu_seconds())


def _knows_each_campaign(url: str) -> bool:
    try:
        document = fetch(url + "/readyz")
    except urllib.error.HTTPError as error:
        document = error.read()
    components = json.loads(document)["components"]
    return components["campaigns"]["ready"] and "unknown" not in components["figures"].get("reason", "")


@contextlib.contextmanager
def second_instance(first: Service) -> Iterator[Server]:
    """Run another instance with the settings of the first, on the same Valkey."""
    port = free_port()
    environment = dict(first.environment) | {"PORT": str(port), "INSTANCES": "2"}
    with process([sys.executable, "-m", "donation_card", "serve"], environment, port) as pid:
        url = f"http://127.0.0.1:{port}"
        until(lambda: fetch(url + "/readyz"))
        yield Server(url, pid)


@contextlib.contextmanager
def app_running(app: str, environment: dict[str, str]) -> Iterator[Server]:
    """Run another application on uvicorn with the options of the service."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"bench.{app}", "--port", str(port), "--log-level", "error"]
    with process([*command, "--no-access-log", "--no-proxy-headers", "--no-server-header"], environment, port) as pid:
        yield Server(f"http://127.0.0.1:{port}", pid)


def nginx_command(folder: Path) -> list[str]:
    return [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]


@contextlib.contextmanager
def nginx_running(folder: Path) -> Iterator[Server]:
    """Run nginx with static files: one worker, no log, no TLS."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    (folder / "nginx.conf").write_text(
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;\n"
        f"{'user root;' if os.geteuid() == 0 else ''} events {{ worker_connections 1024; }}\n"
        "http { access_log off; default_type application/json; keepalive_requests 1000000;\n"
        f"  server {{ listen 127.0.0.1:{port}; root {folder}; }} }}\n"
    )
    (folder / "logs").mkdir(exist_ok=True)
    with process(nginx_command(folder), None, port) as pid:
        yield Server(f"http://127.0.0.1:{port}", pid)


@contextlib.contextmanager
def proxy_running(folder: Path, service: str) -> Iterator[Server]:
    """Run the shipped proxy configuration with one worker and without TLS, like the other targets."""
    port = free_port()
    (folder / "logs").mkdir(parents=True)
    config = proxy.written(folder, service, port)
    text = config.read_text().replace("worker_processes auto", "worker_processes 1")
    text = text.replace(f"listen 127.0.0.1:{port} ssl", f"listen 127.0.0.1:{port}")
    text = text.replace("worker_rlimit_nofile 65536;", "")  # needs privileges
    config.write_text("\n".join(line for line in text.splitlines() if "ssl_" not in line and "http2 on" not in line))
    options = "daemon off;" + ("user root;" if os.geteuid() == 0 else "")
    with process([*nginx_command(folder), "-g", options], None, port) as pid:
        yield Server(f"http://127.0.0.1:{port}", pid)


@contextlib.contextmanager
def process(command: list[str], environment: dict[str, str] | None, port: int) -> Iterator[int]:
    running = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=subprocess.DEVNULL)
    try:
        until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), pause=0.01)
        yield running.pid
    finally:
        running.terminate()
        running.wait(15)


def until(attempt: Callable[[], object], seconds: float = 180, pause: float = 0.1) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            attempt()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(pause)


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read()


def response_headers(url: str) -> list[tuple[str, str]]:
    """Return the header fields of a response, except those that uvicorn or the request adds."""
    with urllib.request.urlopen(url, timeout=30) as response:
        return [(name, value) for name, value in response.getheaders() if name.lower() not in {"date", "connection"}]
