"""The way to a Redis-protocol server in each of its shapes: one server, Sentinel, Cluster.

What is sent is a script that can be repeated, or a command on one key: what was sent is sent again when its answer is
lost. No call has a time limit of its own; how long it may take is the caller's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis.asyncio import ConnectionPool, Redis, Sentinel
from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import MovedError, NoScriptError, ReadOnlyError, RedisError, ResponseError

Value = str | int | bytes

WAIT_TIMEOUT_MS: Final = 500
"""Milliseconds that replicas have to say that they have a write: half of the ledger's deadline, so that the answer
still comes back in time."""

MAX_REDIRECTS: Final = 3
"""Attempts at one script while a cluster moves its slots."""


class NotReplicated(RedisError):
    """Fewer replicas than configured have the write. It happened, and repeating it changes nothing."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script that gives a list of texts, and may be sent twice."""

    text: str
    sha1: str

    @classmethod
    def from_source(cls, text: str) -> Script:
        return cls(text, sha1(text.encode(), usedforsecurity=False).hexdigest())

    def evalsha_args(self, keys: Sequence[str], values: Sequence[Value]) -> tuple[Value, ...]:
        return ("EVALSHA", self.sha1, len(keys), *keys, *values)

    def eval_args(self, keys: Sequence[str], values: Sequence[Value]) -> tuple[Value, ...]:
        """For a server that does not know it: one that restarted, failed over, or was told to forget."""
        return ("EVAL", self.text, len(keys), *keys, *values)


class Connection(Protocol):
    """Every method raises redis' own errors and OSError."""

    async def eval(
        self, script: Script, keys: Sequence[str], values: Sequence[Value], *, wait_for_replicas: bool = False
    ) -> list[str]:
        """All keys lie in one slot. `durable`: returns only when as many replicas as configured have it."""

    async def execute(self, name: str, key: str, *values: Value) -> Any:
        """A command on one key."""

    async def info_of_primaries(self) -> list[dict[str, Any]]:
        """INFO of each primary that our keys may lie on."""

    async def close(self) -> None: ...


def create_connection(url: str, *, connections: int, deadline: float, replicas: int = 0) -> Connection:
    """`url`: redis://, rediss:// or unix://; redis+sentinel://h,h/name[/db]; redis+cluster://h,h; with TLS rediss+….

    `deadline` in seconds, for what is sent together. `replicas`: how many have to acknowledge a durable write.
    """
    scheme = url.partition("://")[0]
    if scheme.endswith("+sentinel"):
        return _Server(_connect_to_sentinels(url, connections), replicas, deadline)
    if scheme.endswith("+cluster"):
        return _Cluster(url, connections, replicas)
    pool = ConnectionPool.from_url(url, max_connections=connections, retry=_retry(), **_OPTIONS)
    return _Server(Redis.from_pool(pool), replicas, deadline)


# One clock, the caller's: with a timeout set here, redis-py sends inside asyncio.wait_for, which before Python 3.12 can
# swallow the cancellation by which a deadline ends a call (https://github.com/python/cpython/issues/86296).
_OPTIONS: Final[dict[str, Any]] = {
    "decode_responses": True,
    "protocol": 2,
    "socket_timeout": None,
    "socket_connect_timeout": None,
}


def _retry() -> Retry:
    return Retry(ExponentialBackoff(cap=0.1, base=0.02), 2)


def _parts(url: str) -> tuple[list[tuple[str, int]], list[str], dict[str, Any]]:
    """Hosts, the path's parts, and what every connection needs."""
    scheme, _, rest = url.partition("://")
    address, _, path = rest.partition("/")
    login, _, hosts = address.rpartition("@")
    user, _, password = login.partition(":")
    access: dict[str, Any] = {"username": unquote(user) or None, "password": unquote(password) or None}
    if scheme.startswith("rediss"):
        access["ssl"] = True
    places = [urlsplit(f"//{host}") for host in hosts.split(",")]
    return [(keys.hostname or "", keys.port or _PORTS[scheme]) for keys in places], path.split("/"), access


_PORTS: Final = {"redis+sentinel": 26379, "rediss+sentinel": 26379, "redis+cluster": 6379, "rediss+cluster": 6379}


def _connect_to_sentinels(url: str, connections: int) -> Redis:
    hosts, (name, *db), access = _parts(url)
    # A sentinel that hangs must not keep the next one from being asked, so these few questions have a limit.
    limits = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2, "retry": Retry(NoBackoff(), 0)}
    asking = limits | {"ssl": access.get("ssl", False)}
    sentinel = Sentinel(hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    options = _OPTIONS | access | {"db": int(db[0]) if db else 0, "max_connections": connections, "retry": _retry()}
    return cast("Redis", sentinel.master_for(name, **options))


class _Server:
    """One primary: a server of its own, or the one that Sentinel names at the moment.

    What is asked for while an earlier question is on its way goes together, on one connection: a question alone waits
    for nobody, and many at once cost little more than one.
    """

    def __init__(self, redis: Redis, replicas: int, deadline: float) -> None:
        self._redis, self._replicas, self._deadline = redis, replicas, deadline
        self._waiting: list[tuple[tuple[Value, ...], asyncio.Future[Any]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def eval(
        self, script: Script, keys: Sequence[str], values: Sequence[Value], *, wait_for_replicas: bool = False
    ) -> list[str]:
        send = self._send_and_wait if wait_for_replicas and self._replicas else self._send
        try:
            return await send(*script.evalsha_args(keys, values))
        except NoScriptError:
            return await send(*script.eval_args(keys, values))
        except ReadOnlyError:  # a primary that was told to be a replica: whoever is asked next looks anew
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            raise

    async def _send(self, *words: Value) -> list[str]:
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._waiting.append((words, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_waiting())
        return await answer

    async def _send_waiting(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting, []
                await self._send_together([each for each in together if not each[1].done()])
        finally:
            self._sending = None

    async def _send_together(self, together: list[tuple[tuple[Value, ...], asyncio.Future[Any]]]) -> None:
        """No question is lost on another one's error; a server that hangs costs all of them the deadline."""
        results: Sequence[Any]
        try:
            async with asyncio.timeout(self._deadline):
                results = await self._exchange([words for words, _ in together])
        except (RedisError, OSError) as error:  # asyncio's TimeoutError is an OSError
            results = [error] * len(together)
        for (_, answer), result in zip(together, results, strict=True):
            if answer.done():  # who asked has gone
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    async def _send_and_wait(self, *words: Value) -> list[str]:
        """In one pipeline: on one connection, for which alone WAIT speaks, and repeated together."""
        both = [words, ("WAIT", self._replicas, WAIT_TIMEOUT_MS)]
        return _acknowledged(await self._exchange(both), self._replicas)

    async def _exchange(self, questions: Sequence[tuple[Value, ...]]) -> list[Any]:
        """What redis-py's pipeline does, with the words packed by hiredis in C.

        An error that the server answers is a result; one of the way is raised, after the connection's own retries.
        """
        pack: Any = hiredis.pack_command  # its stub knows of tuples of one word only
        packed = b"".join(map(pack, questions))
        pool: Any = self._redis.connection_pool
        connection = await pool.get_connection()

        async def attempt() -> list[Any]:
            await connection.send_packed_command(packed)
            return [await _read_reply(connection) for _ in questions]

        async def failed(_: Exception) -> None:
            await connection.disconnect(nowait=True)

        try:
            results: list[Any] = await connection.retry.call_with_retry(attempt, failed)
        except BaseException:
            await connection.disconnect(nowait=True)  # answers may be under way that nobody will read
            raise
        finally:
            await pool.release(connection)
        return results

    async def execute(self, name: str, key: str, *values: Value) -> Any:
        send: Any = self._redis.execute_command
        return await send(name, key, *values)

    async def info_of_primaries(self) -> list[dict[str, Any]]:
        return [await self._redis.info()]

    async def close(self) -> None:
        if self._sending:
            self._sending.cancel()
        await self._redis.aclose()


class _Cluster:
    """Every campaign's keys lie in one slot, an account's in another."""

    def __init__(self, url: str, connections: int, replicas: int) -> None:
        hosts, _, access = _parts(url)
        self._replicas = replicas
        self._cluster = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in hosts],
            max_connections=connections,
            reinitialize_steps=0,  # else every fifth slot that moved closes the connections under all others' feet
            require_full_coverage=False,  # a slot that is lost is some campaigns' trouble, not all campaigns'
            retry=_retry(),
            **(_OPTIONS | access),
        )

    async def eval(
        self, script: Script, keys: Sequence[str], values: Sequence[Value], *, wait_for_replicas: bool = False
    ) -> list[str]:
        send = self._send_and_wait if wait_for_replicas and self._replicas else self._send
        try:
            return await send(keys[0], script.evalsha_args(keys, values))
        except NoScriptError:
            return await send(keys[0], script.eval_args(keys, values))

    async def _send(self, key: str, words: Sequence[Value]) -> list[str]:
        await self._cluster.initialize()  # else the first ones are sent anywhere, and moved
        send: Any = self._cluster.execute_command
        return cast("list[str]", await send(*words))

    async def _send_and_wait(self, key: str, words: Sequence[Value]) -> list[str]:
        """As for one server; the cluster's own pipeline would send WAIT anywhere."""
        for _ in range(MAX_REDIRECTS):
            await self._cluster.initialize()
            node = self._cluster.get_node_from_key(key)
            if node is None:
                raise Disconnected(f"no node has the slot of {key}")
            both = [PipelineCommand(0, *words), PipelineCommand(1, "WAIT", self._replicas, WAIT_TIMEOUT_MS)]
            await node.execute_pipeline(both)
            try:
                return _acknowledged([command.result for command in both], self._replicas)
            except MovedError as moved:
                await self._cluster.nodes_manager.move_slot(moved)
            except Disconnected:
                await self._cluster.aclose()  # it looks anew whom to ask
        raise Disconnected(f"the slot of {key} keeps moving")

    async def execute(self, name: str, key: str, *values: Value) -> Any:
        send: Any = self._cluster.execute_command
        return await send(name, key, *values)

    async def info_of_primaries(self) -> list[dict[str, Any]]:
        send: Any = self._cluster.execute_command
        found: dict[str, dict[str, Any]] = await send("INFO", target_nodes=RedisCluster.PRIMARIES)
        return [found] if "role" in found else list(found.values())

    async def close(self) -> None:
        await self._cluster.aclose()


async def _read_reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _acknowledged(results: Sequence[Any], replicas: int) -> list[str]:
    for result in results:
        if isinstance(result, Exception):
            raise result
    answer, acknowledged = results
    if acknowledged < replicas:
        raise NotReplicated(f"{acknowledged} of {replicas} replicas have it")
    return cast("list[str]", answer)
