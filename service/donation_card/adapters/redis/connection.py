"""Connect to Redis: to one server, through Sentinel, or to a Cluster.

Every script and every command may be sent twice with the same effect as once. So they are sent again when the reply
is lost.
"""

import asyncio
import random
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
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError as RedisConnectionError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)

from donation_card.errors import TotalsUnavailable

Argument = str | int | bytes

WAIT_TIMEOUT_MS = 500
"""Milliseconds in which replicas must acknowledge a write. It is half of the deadline of the totals store, so that the
reply of WAIT still arrives in time."""

MAX_REDIRECTS = 5
"""Attempts at one command while a cluster moves its slots or replaces a primary."""

REDIRECT_PAUSE = 0.05
"""Seconds before an attempt that no node redirected."""

NODE_TIMEOUT = 0.2
"""Seconds that one node of a cluster, or one Sentinel, may take to name the primary."""


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

    async def _pipeline(
        self, primary: Redis, command: Sequence[Argument], *, asking: bool = False, wait: bool = True
    ) -> Any:
        """Send a command in one pipeline, after ASKING and before WAIT.

        Both concern only their own connection. redis-py sends a pipeline on one connection, and repeats it as a whole.
        """
        async with primary.pipeline(transaction=False) as pipeline:
            if asking:
                pipeline.execute_command("ASKING")
            pipeline.execute_command(*command)
            if wait:
                pipeline.execute_command("WAIT", self._replicas, WAIT_TIMEOUT_MS)
            replies = await pipeline.execute()
        if wait and replies[-1] < self._replicas:
            raise NotReplicated(f"{replies[-1]} of {self._replicas} replicas acknowledged the write")
        return replies[int(asking)]


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
    # A Sentinel that hangs must not use up the deadline: the next one is asked then.
    timeouts = {
        "socket_timeout": NODE_TIMEOUT,
        "socket_connect_timeout": NODE_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
    }
    sentinel_options = timeouts | {"ssl": credentials.get("ssl", False)}
    sentinel = Sentinel(hosts, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]  # it has no types
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
        return await self._pipeline(self._redis, command)

    async def info_of_primaries(self) -> list[dict[str, Any]]:
        return [await self._redis.info()]

    async def _close(self) -> None:
        await self._redis.aclose()


class _ClusterConnection(RedisConnection):
    """Connect to a cluster. All keys of a campaign are in one slot, and all keys of an account in another.

    The cluster client of redis-py is not used. It sends ASKING on another connection than the command, and keeps a
    slot table with a primary that hangs.
    """

    def __init__(self, url: str, *, connections: int, deadline: float, replicas: int) -> None:
        super().__init__(connections=connections, deadline=deadline, replicas=replicas)
        self._seeds, _, credentials = _parse_url(url)
        self._options = _OPTIONS | credentials | {"max_connections": connections, "retry": _retry()}
        self._nodes: dict[_Address, Redis] = {}
        self._owners: dict[int, _Address] = {}
        """Slot → its primary."""
        self._is_current = False
        self._reading = asyncio.Lock()

    async def _send(self, key: str, command: Sequence[Argument]) -> Any:
        return await self._redirect(key, command, wait=False)

    async def _send_and_wait(self, key: str, command: Sequence[Argument]) -> Any:
        return await self._redirect(key, command, wait=True)

    async def _redirect(self, key: str, command: Sequence[Argument], *, wait: bool) -> Any:
        """Send a command to the primary of its key: https://valkey.io/topics/cluster-spec/#redirection-and-resharding."""
        slot, importing = key_slot(key.encode()), None
        for _ in range(MAX_REDIRECTS):
            try:
                host, port = importing or await self._owner(slot)
                node = self._node((host, port))
                if importing or wait:
                    return await self._pipeline(node, command, asking=importing is not None, wait=wait)
                return await node.execute_command(*command)  # type: ignore[no-untyped-call]  # no types in redis-py
            except AskError as error:  # the keys moved, the slot not yet
                importing = error.host or host, error.port
            except MovedError as error:
                importing, self._owners[slot] = None, (error.host or host, error.port)
            except TryAgainError:  # one key moved, another one not yet
                await asyncio.sleep(REDIRECT_PAUSE)
            except (RedisConnectionError, ClusterDownError):
                importing, self._is_current = None, False
                await asyncio.sleep(REDIRECT_PAUSE)
            except asyncio.CancelledError:  # the deadline is over: the node may hang
                self._is_current = False
                raise
        raise RedisConnectionError(f"the slot of {key} moves, or has no primary")

    async def _owner(self, slot: int) -> "_Address":
        if not self._is_current:
            async with self._reading:
                if not self._is_current:
                    await self._read_owners()
        if slot not in self._owners:
            raise RedisConnectionError(f"no node has slot {slot}")
        return self._owners[slot]

    async def _read_owners(self) -> None:
        """Read the slot table from any node. A node that hangs must not use up the deadline."""
        known = [*{*self._owners.values(), *self._seeds}]
        for address in random.sample(known, len(known)):
            with suppress(RedisError, OSError):
                async with asyncio.timeout(NODE_TIMEOUT):
                    table = await self._node(address).execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]  # it has no types
                if table:
                    self._owners = {
                        slot: (host or address[0], port)
                        for first, last, (host, port, *_), *_ in table
                        for slot in range(first, last + 1)
                    }
                    self._is_current = True
                    return
        raise RedisConnectionError("no node of the cluster answers")

    def _node(self, address: "_Address") -> Redis:
        if address not in self._nodes:
            self._nodes[address] = Redis(host=address[0], port=address[1], **self._options)
        return self._nodes[address]

    async def info_of_primaries(self) -> list[dict[str, Any]]:
        await self._owner(0)
        try:
            return await asyncio.gather(*(self._node(each).info() for each in {*self._owners.values()}))
        except BaseException:
            self._is_current = False
            raise

    async def _close(self) -> None:
        for node in self._nodes.values():
            await node.aclose()


_Address = tuple[str, int]
