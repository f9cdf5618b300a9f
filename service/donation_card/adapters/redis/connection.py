"""Connect to Redis: to one server, through Sentinel, or to a Cluster.

Every script and every command may be sent twice with the same effect as once. So they are sent again when the reply
is lost.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha1
from importlib.resources import files
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio import ConnectionPool, Redis, Sentinel
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
)

from donation_card.errors import TotalsUnavailable

Argument = str | int | bytes

WAIT_TIMEOUT_MS = 500
"""Milliseconds in which replicas must acknowledge a write. It is half of the deadline of the totals store, so that the
reply of WAIT still arrives in time."""

MAX_REDIRECTS = 3
"""Attempts at one script while a cluster moves its slots."""


class NotReplicated(RedisError):
    """Fewer replicas than configured acknowledged the write. The write happened, and it can be repeated."""


@dataclass(frozen=True)
class Script:
    """A Lua script that returns a list of strings. Running it twice has the same effect as running it once."""

    source: str

    @cached_property
    def sha1(self) -> str:
        return sha1(self.source.encode(), usedforsecurity=False).hexdigest()


@cache
def load_script(*names: str) -> Script:
    """Read files of `scripts/` and join them in this order to one script."""
    folder = files(__package__).joinpath("scripts")
    return Script("".join(folder.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in names))


class RedisConnection(ABC):
    """A pool of connections that several adapters can share.

    `eval` and `info_of_primaries` raise the errors of redis-py and OSError: call them `within_deadline`.
    """

    def __init__(self, *, connections: int, deadline: float, replicas: int) -> None:
        self._free = asyncio.Semaphore(connections)
        self._deadline, self._replicas = deadline, replicas

    @asynccontextmanager
    async def within_deadline(self) -> AsyncIterator[None]:
        """Limit everything in the block to the deadline, and raise its errors as TotalsUnavailable.

        The deadline covers the wait for a free connection, the retries of redis-py and every attempt in the block.
        """
        try:
            async with asyncio.timeout(self._deadline), self._free:
                yield
        except (RedisError, OSError, ValueError) as error:  # asyncio's TimeoutError is an OSError
            raise TotalsUnavailable(reason=type(error).__name__) from error

    async def eval(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], *, wait_for_replicas: bool = False
    ) -> list[str]:
        """Run a script whose keys are all in one slot.

        `wait_for_replicas`: raise NotReplicated unless as many replicas as configured acknowledge the write.
        """
        send = self._send_and_wait if wait_for_replicas and self._replicas else self._send
        arguments = (len(keys), *keys, *args)
        try:
            return cast("list[str]", await send(keys[0], ("EVALSHA", script.sha1, *arguments)))
        except NoScriptError:  # the server was restarted or replaced
            return cast("list[str]", await send(keys[0], ("EVAL", script.source, *arguments)))

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> list[str]:
        """Run a script within the deadline."""
        async with self.within_deadline():
            return await self.eval(script, keys, args)

    async def execute(self, name: str, key: str, *args: Argument) -> Any:
        """Run a command on one key within the deadline."""
        async with self.within_deadline():
            return await self._send(key, (name, key, *args))

    @abstractmethod
    async def info_of_primaries(self) -> list[dict[str, Any]]:
        """Return the INFO of each primary that can hold a key of the service."""

    async def close(self) -> None:
        """Close the connections. Do not wait longer than the deadline for a server that hangs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline):
                await self._close()

    @abstractmethod
    async def _send(self, key: str, command: Sequence[Argument]) -> Any: ...

    @abstractmethod
    async def _send_and_wait(self, key: str, command: Sequence[Argument]) -> Any: ...

    @abstractmethod
    async def _close(self) -> None: ...

    async def _pipeline_with_wait(self, primary: Redis, command: Sequence[Argument]) -> Any:
        """Send a command and WAIT in one pipeline.

        WAIT covers only writes of its own connection. redis-py sends a pipeline on one connection, and repeats it as a
        whole.
        """
        async with primary.pipeline(transaction=False) as pipeline:
            pipeline.execute_command(*command)
            pipeline.execute_command("WAIT", self._replicas, WAIT_TIMEOUT_MS)
            reply, acknowledged = await pipeline.execute()
        if acknowledged < self._replicas:
            raise NotReplicated(f"{acknowledged} of {self._replicas} replicas acknowledged the write")
        return reply


def create_connection(url: str, *, deadline: float, connections: int = 16, replicas: int = 0) -> RedisConnection:
    """Create a connection; it is opened at the first use.

    `url`: redis://, rediss:// or unix://, redis+sentinel://h,h/name[/db] or redis+cluster://h,h; rediss+… is with TLS.
    `deadline`: seconds for one operation. `replicas`: how many must acknowledge a write.
    """
    scheme = url.partition("://")[0]
    if scheme.endswith("+cluster"):
        return _ClusterConnection(url, connections=connections, deadline=deadline, replicas=replicas)
    if scheme.endswith("+sentinel"):
        primary = _primary_of_sentinels(url, connections)
    else:
        pool = ConnectionPool.from_url(url, max_connections=connections, retry=_retry(), **_OPTIONS)
        primary = Redis.from_pool(pool)
    return _ServerConnection(primary, connections=connections, deadline=deadline, replicas=replicas)


# With a timeout set here, redis-py sends inside asyncio.wait_for. Before Python 3.12 that can swallow the cancellation
# by which a deadline ends a call: https://github.com/python/cpython/issues/86296
_OPTIONS: dict[str, Any] = {
    "decode_responses": True,
    "protocol": 2,
    "socket_timeout": None,
    "socket_connect_timeout": None,
}


def _retry() -> Retry:
    return Retry(ExponentialBackoff(cap=0.1, base=0.02), 2)


def _primary_of_sentinels(url: str, connections: int) -> Redis:
    hosts, (name, *db), credentials = _parse_url(url)
    # A Sentinel that hangs must not use up the deadline: the next one is asked after 0.2 s.
    timeouts = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2, "retry": Retry(NoBackoff(), 0)}
    sentinel_options = timeouts | {"ssl": credentials.get("ssl", False)}
    sentinel = Sentinel(hosts, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
    pool_options = {"db": int(db[0]) if db else 0, "max_connections": connections, "retry": _retry()}
    return cast("Redis", sentinel.master_for(name, **(_OPTIONS | credentials | pool_options)))


def _parse_url(url: str) -> tuple[list[tuple[str, int]], list[str], dict[str, Any]]:
    """Return the hosts, the parts of the path, and the options for login and TLS."""
    scheme, _, rest = url.partition("://")
    address, _, path = rest.partition("/")
    login, _, hosts = address.rpartition("@")
    user, _, password = login.partition(":")
    credentials: dict[str, Any] = {"username": unquote(user) or None, "password": unquote(password) or None}
    if scheme.startswith("rediss"):
        credentials["ssl"] = True
    parts = [urlsplit(f"//{host}") for host in hosts.split(",")]
    default_port = 26379 if scheme.endswith("+sentinel") else 6379
    return [(part.hostname or "", part.port or default_port) for part in parts], path.split("/"), credentials


class _ServerConnection(RedisConnection):
    """Connect to one primary: a single server, or the server that Sentinel names at the moment."""

    def __init__(self, redis: Redis, *, connections: int, deadline: float, replicas: int) -> None:
        super().__init__(connections=connections, deadline=deadline, replicas=replicas)
        self._redis: Any = redis

    async def eval(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], *, wait_for_replicas: bool = False
    ) -> list[str]:
        try:
            return await super().eval(script, keys, args, wait_for_replicas=wait_for_replicas)
        except ReadOnlyError:  # the primary became a replica; a new connection asks Sentinel for the new primary
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            raise

    async def _send(self, key: str, command: Sequence[Argument]) -> Any:
        return await self._redis.execute_command(*command)

    async def _send_and_wait(self, key: str, command: Sequence[Argument]) -> Any:
        return await self._pipeline_with_wait(self._redis, command)

    async def info_of_primaries(self) -> list[dict[str, Any]]:
        return [await self._redis.info()]

    async def _close(self) -> None:
        await self._redis.aclose()


class _ClusterConnection(RedisConnection):
    """Connect to a cluster. All keys of a campaign are in one slot, and all keys of an account in another."""

    def __init__(self, url: str, *, connections: int, deadline: float, replicas: int) -> None:
        super().__init__(connections=connections, deadline=deadline, replicas=replicas)
        hosts, _, credentials = _parse_url(url)
        self._options = _OPTIONS | credentials | {"max_connections": connections, "retry": _retry()}
        self._cluster: Any = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in hosts],
            reinitialize_steps=0,  # redis-py would close every connection after each fifth slot that moved
            require_full_coverage=False,  # a lost slot concerns some campaigns, not all
            **self._options,
        )
        self._primaries: dict[tuple[str, int], Redis] = {}

    async def _send(self, key: str, command: Sequence[Argument]) -> Any:
        await self._cluster.initialize()  # without the slot table, redis-py sends the first commands to any node
        return await self._cluster.execute_command(*command)

    async def _send_and_wait(self, key: str, command: Sequence[Argument]) -> Any:
        # A cluster's own pipeline would repeat WAIT alone, on another connection.
        for _ in range(MAX_REDIRECTS):
            await self._cluster.initialize()
            try:
                return await self._pipeline_with_wait(self._primary_of(key), command)
            except MovedError:
                await self._send(key, command)  # it follows the redirection and updates the slot table
            except RedisConnectionError:
                await self._cluster.aclose()  # the next attempt reads the slot table again
        raise RedisConnectionError(f"the slot of {key} keeps moving")

    def _primary_of(self, key: str) -> Redis:
        node = self._cluster.get_node_from_key(key)
        if node is None:
            raise RedisConnectionError(f"no node has the slot of {key}")
        address = (node.host, node.port)
        if address not in self._primaries:
            self._primaries[address] = Redis(host=node.host, port=node.port, **self._options)
        return self._primaries[address]

    async def info_of_primaries(self) -> list[dict[str, Any]]:
        found: dict[str, Any] = await self._cluster.execute_command("INFO", target_nodes=RedisCluster.PRIMARIES)
        return [found] if "role" in found else list(found.values())

    async def _close(self) -> None:
        for primary in self._primaries.values():
            await primary.aclose()
        await self._cluster.aclose()
