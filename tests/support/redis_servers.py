"""Start Redis-protocol servers in every topology that `REDIS_URL` can name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from donation_card.demo.embedded_valkey import EmbeddedValkey, _binary
from redis import Redis, RedisCluster
from redis.cluster import ClusterNode
from redis.exceptions import RedisError

from tests.support.installation import eventually, free_port

TOPOLOGIES = ["one server", "replicated", "Sentinel", "Cluster"]
MASTER = "donations"


@dataclass
class Server:
    """Run one server process. `revive` starts it again, empty or as a replica."""

    folder: Path
    options: tuple[str, ...] = ()
    sentinel: bool = False
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *options: str) -> Server:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.port:
            self.port = free_port()
        binary = _binary(self.folder)
        arguments = [*self.options, *options]
        if self.sentinel:
            config = self.folder / "sentinel.conf"
            config.write_text(f'port {self.port}\nbind 127.0.0.1\ndir "{self.folder}"\n' + "\n".join(arguments) + "\n")
            command = [binary, str(config), "--sentinel"]
        else:
            saving = ("--save", "", "--appendonly", "no", "--dir", str(self.folder), "--repl-diskless-sync-delay", "0")
            command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", *saving, *arguments]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | self.environment)
        eventually(lambda: self.answers() or self.process.poll() is not None, f"port {self.port} answers")
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return self

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except (RedisError, OSError):
            return False

    def client(self) -> Any:
        return Redis(port=self.port, socket_timeout=2)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process
        self.process.wait()

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
            self.kill()


@dataclass
class Topology:
    """Describe running servers. `raw` reads all keys. Of replicated servers, the first is the primary."""

    name: str
    url: str
    raw: Any
    replicas: int = 0
    servers: list[Server] = field(default_factory=list)
    sentinels: list[Server] = field(default_factory=list)

    def primary(self) -> Server:
        """Return the primary that the sentinels name."""
        with self.sentinels[0].client() as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        return next(server for server in self.servers if server.port == int(port))

    def failover(self) -> Server:
        """Kill the primary, wait for a new one, restart the old one as its replica. Return the new one."""
        old = self.primary()
        old.kill()
        eventually(lambda: self.primary() is not old and role(self.primary()) == "master", "another primary")
        new = self.primary()
        old.start("--replicaof", f"127.0.0.1 {new.port}")
        return new

    def settled(self) -> bool:
        """Return True if all replicas follow the primary and all sentinels know it."""
        primaries = [server for server in self.servers if role(server) == "master"]
        named = {
            tuple(sentinel.client().execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER))
            for sentinel in self.sentinels
        }
        if primaries != [self.primary()] or len(named) > 1 or _online(primaries[0].client()) < len(self.servers) - 1:
            return False
        return all(
            server.client().info("replication").get("master_link_status") == "up"
            for server in self.servers
            if server is not primaries[0]
        )


def role(server: Server) -> str:
    try:
        return str(server.client().info("replication")["role"])
    except (RedisError, OSError):
        return "gone"


@contextlib.contextmanager
def topology(name: str, folder: Path) -> Iterator[Topology]:
    made: dict[str, Callable[[Path], contextlib.AbstractContextManager[Topology]]] = {
        "one server": one_server,
        "replicated": replicated,
        "Sentinel": sentinels,
        "Cluster": cluster,
    }
    with made[name](folder) as found:
        yield found


@contextlib.contextmanager
def one_server(folder: Path) -> Iterator[Topology]:
    with EmbeddedValkey(folder) as server, Redis.from_url(server.url) as raw:
        yield Topology("one server", server.url, raw)


@contextlib.contextmanager
def _ending(servers: list[Server]) -> Iterator[None]:
    try:
        yield
    finally:
        for server in servers:
            server.stop()


@contextlib.contextmanager
def replicated(folder: Path, replicas: int = 1) -> Iterator[Topology]:
    """Start one primary with replicas, without Sentinel."""
    servers = [Server(folder / "primary").start()]
    with _ending(servers):
        for number in range(replicas):
            follow = ("--replicaof", f"127.0.0.1 {servers[0].port}")
            servers.append(Server(folder / f"replica{number}").start(*follow))
        raw = servers[0].client()
        raw.set("up", 1)
        eventually(lambda: raw.wait(replicas, 100) == replicas, "the replicas follow")
        yield Topology("replicated", f"redis://127.0.0.1:{servers[0].port}", raw, replicas, servers)


def _online(raw: Any) -> int:
    told = raw.info("replication")
    return sum(told[f"slave{number}"]["state"] == "online" for number in range(told["connected_slaves"]))


@contextlib.contextmanager
def sentinels(folder: Path, replicas: int = 2, *, down_after: int = 2_000) -> Iterator[Topology]:
    """Start replicas with Sentinel. With `down_after` below 1,000 ms Sentinel declares a new primary dead at once,
    and fails over again and again."""
    with replicated(folder, replicas) as found:
        found.name, watching = "Sentinel", []
        with _ending(watching):
            for number in range(3):
                options = (
                    f"sentinel monitor {MASTER} 127.0.0.1 {found.servers[0].port} 2",
                    f"sentinel down-after-milliseconds {MASTER} {down_after}",
                    f"sentinel failover-timeout {MASTER} 3000",
                )
                watching.append(Server(folder / f"sentinel{number}", options, sentinel=True).start())
            found.sentinels = watching
            found.url = f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in watching)}/{MASTER}"
            eventually(lambda: _watched(found), "the sentinels know each other and the replicas")
            yield found


def _watched(found: Topology) -> bool:
    for sentinel in found.sentinels:
        told = sentinel.client().execute_command("SENTINEL", "MASTERS")[0]
        known = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
        names = {
            str(key, "ascii") if isinstance(key, bytes) else key: int(known[key])
            for key in known
            if _number(known[key])
        }
        if (names["num-slaves"], names["num-other-sentinels"]) != (len(found.servers) - 1, len(found.sentinels) - 1):
            return False
    return True


def _number(value: Any) -> bool:
    return str(value, "ascii").isdigit() if isinstance(value, bytes) else str(value).isdigit()


NODE_TIMEOUT = 1_000
"""Milliseconds after which the others of a cluster take a node for dead."""


@contextlib.contextmanager
def cluster(folder: Path, replicas: int = 0) -> Iterator[Topology]:
    """Start a cluster of three primaries with a third of the slots and `replicas` replicas each.

    The first three servers are the primaries.
    """
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT), "--cluster-port")
    servers: list[Server] = []
    with _ending(servers):
        count = 3 * (1 + replicas)
        first = free_port(2 * count)
        bus_ports = range(first + count, first + 2 * count)  # the default, port + 10,000, may be in use
        for number, bus_port in enumerate(bus_ports):
            node = Server(folder / f"node{number}", (*options, str(bus_port)), port=first + number)
            servers.append(node)
            node.start()
        clients = [server.client() for server in servers]
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < 3:
                first, last = number * 16_384 // 3, (number + 1) * 16_384 // 3 - 1
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for server, bus_port in zip(servers[1:], bus_ports[1:], strict=True):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus_port)

        def whole() -> bool:
            told = [_text(client.execute_command("CLUSTER", "INFO")) for client in clients]
            return all("cluster_state:ok" in each and f"cluster_known_nodes:{len(servers)}" in each for each in told)

        eventually(whole, "the cluster is whole")
        for number, client in enumerate(clients[3:]):
            client.execute_command("CLUSTER", "REPLICATE", node_id(servers[number % 3]))
        eventually(lambda: all(_online(each) == replicas for each in clients[:3]), "the replicas follow")
        nodes = [ClusterNode("127.0.0.1", server.port) for server in servers]
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        with contextlib.closing(RedisCluster(startup_nodes=nodes)) as raw:
            yield Topology("Cluster", f"redis+cluster://{hosts}", raw, servers=servers)


def node_id(server: Server) -> str:
    return _text(server.client().execute_command("CLUSTER", "MYID"))


def owner_of(cluster: Topology, slot: int, without: Server | None = None) -> Server:
    """Return the primary of a slot, as it says itself. `without`: a server that may hang."""
    for server in cluster.servers:
        if server is not without and role(server) == "master":
            for first, last, (_, port, *_), *_ in server.client().execute_command("CLUSTER SLOTS"):
                if first <= slot <= last and port == server.port:
                    return server
    raise AssertionError(f"nobody has slot {slot}")


@contextlib.contextmanager
def moving(cluster: Topology, slot: int, target: Server) -> Iterator[Callable[..., int]]:
    """Move a slot to another primary while it is used, as resharding tools do.

    The block gets a function that moves keys, all or as many as it is told, and returns their number. The slot is the
    target's after the block.
    """
    source = owner_of(cluster, slot)
    ids = node_id(source), node_id(target)
    old, new = source.client(), target.client()
    new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])

    def move_keys(most: int = 1_000) -> int:
        keys = old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, most)
        if keys:
            old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
        return len(keys)

    yield move_keys
    for client in (new, old, *(each.client() for each in cluster.servers)):  # the new owner must know first
        with contextlib.suppress(RedisError):  # replicas and dead servers learn it from the others
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])


def _text(told: Any) -> str:
    if isinstance(told, dict):
        return "\n".join(f"{key}:{value}" for key, value in told.items())
    return told.decode() if isinstance(told, bytes) else str(told)


if __name__ == "__main__":
    import tempfile

    for kind in TOPOLOGIES:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as here, topology(kind, Path(here)) as up:
            print(kind, up.url, f"{time.monotonic() - began:.1f} s")
