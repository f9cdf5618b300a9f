"""Run a real WordPress with PHP and MariaDB: in a temporary folder, as this user, on loopback.

The servers end with this process, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.installation import eventually, free_port

WORDPRESS = Path(os.environ.get("WORDPRESS_DIR", "/usr/share/wordpress"))
"""The folder of Debian's package. Another one tests another version."""

_INSTALL, _OEMBED = (Path(__file__).with_name(name) for name in ("install.php", "oembed.php"))
_LANGUAGES = ("de_DE", "pl_PL", "ru_RU", "uk")
_LEFT_OUT = ("wp-config.php", "languages", "akismet")

# The shell has a session of its own. Its input is a pipe of this process. When the input ends, it ends the server and
# the workers of the server, which are one process group.
_WITH_OWNER = 'setsid "$@" </dev/null & server=$!; cat >/dev/null; kill -- -$server; wait $server'

_CONFIG = """<?php
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'root' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:{socket}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'AUTH_KEY', 'any' );
define( 'LOGGED_IN_KEY', 'any' );
define( 'NONCE_KEY', 'any' );
define( 'FS_METHOD', 'direct' );
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true ); // only this computer is there
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_DISPLAY', false );
define( 'WP_DEBUG_LOG', __DIR__ . '/debug.log' );
$table_prefix = 'wp_';
define( 'ABSPATH', __DIR__ . '/' );
require ABSPATH . 'wp-settings.php';
"""


@dataclass(frozen=True)
class WordPress:
    """Hold a running WordPress. `origin` is its address, `root` its folder."""

    origin: str
    root: Path
    socket: Path

    @property
    def plugin(self) -> Path:
        return self.root / "wp-content/plugins/donation-card"

    def query(self, sql: str) -> list[str]:
        """Return the rows of a query, one line each."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "-N", "-e", sql, "wordpress"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    def oembed(self, url: str) -> dict[str, Any]:
        """Let WordPress request a preview, server to server. Return its `data`, and the `html` that it makes of it."""
        command = ["php", str(_OEMBED), str(self.root), self.origin.removeprefix("http://"), url]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    @contextlib.contextmanager
    def running_code(self, code: str) -> Iterator[None]:
        """Run PHP code in every request until the block ends: a "must-use" plugin."""
        path = self.root / f"wp-content/mu-plugins/{zlib.crc32(code.encode())}.php"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<?php\n{code}\n", "utf-8")
        try:
            yield
        finally:
            path.unlink()

    def log(self) -> list[str]:
        """Return what PHP complained about in the files of the plugin."""
        path = self.root / "debug.log"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [line for line in lines if "donation-card" in line or "Fatal" in line]


@contextlib.contextmanager
def running_wordpress() -> Iterator[WordPress]:
    """Install WordPress and serve it. Its socket needs a short path, so the folder is not pytest's."""
    with tempfile.TemporaryDirectory(prefix="wp-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        socket = stack.enter_context(_running_mariadb(folder))
        root = folder / "site"
        ignored = shutil.ignore_patterns(*_LEFT_OUT)
        shutil.copytree(WORDPRESS, root, ignore=ignored, ignore_dangling_symlinks=True)
        _add_languages(root / "wp-content/languages")
        (root / "wp-content/uploads").mkdir(exist_ok=True)
        (root / "wp-config.php").write_text(_CONFIG.format(socket=socket), "utf-8")
        port = free_port()
        found = WordPress(f"http://127.0.0.1:{port}", root, socket)
        subprocess.run(["php", str(_INSTALL), str(root), f"127.0.0.1:{port}"], check=True, capture_output=True)
        settings = ["-d", "opcache.revalidate_freq=0"]  # a test changes a file of the plugin
        serve = ["php", *settings, "-S", f"127.0.0.1:{port}", "-t", str(root)]
        stack.enter_context(_server(serve, folder / "php.log", PHP_CLI_SERVER_WORKERS="4"))
        eventually(lambda: _answers(found.origin), "WordPress answers")
        yield found


def _add_languages(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for locale in _LANGUAGES:
        for path in (Path("/usr/share/wordpress/wp-content/languages")).glob(f"*{locale}.mo"):
            shutil.copy(path, folder)


@contextlib.contextmanager
def _running_mariadb(folder: Path) -> Iterator[Path]:
    data, socket = folder / "data", folder / "sql"
    user = f"--user={os.environ.get('USER', 'root') if os.geteuid() else 'root'}"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
    subprocess.run([*install, "--skip-test-db", user], check=True, capture_output=True)
    serve = [shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}"]
    options = [f"--socket={socket}", "--skip-networking", "--innodb-flush-log-at-trx-commit=0", user]
    with _server([*serve, *options], folder / "mariadb.log"):
        client = ["mariadb", "--no-defaults", f"--socket={socket}", "--user=root", "-e", "CREATE DATABASE wordpress"]
        eventually(lambda: subprocess.run(client, capture_output=True).returncode == 0, "MariaDB answers")
        yield socket


@contextlib.contextmanager
def _server(command: list[str], log: Path, **environment: str) -> Iterator[None]:
    """Run a server until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", _WITH_OWNER, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | environment,
        )
        try:
            yield
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(60)


def _answers(origin: str) -> bool:
    try:
        return httpx.get(f"{origin}/wp-login.php", timeout=15).status_code == 200
    except httpx.TransportError:
        return False
