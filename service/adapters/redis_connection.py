"""The way to a Redis-protocol server: what is sent is a script that can be repeated, or a command on one key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final, Protocol

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoScriptError

Value = str | int | bytes


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script that gives a list of texts. Only such as may be sent twice: what was sent is sent again when its
    answer is lost."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> Script:
        return cls(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


class Connection(Protocol):
    """Every method raises redis' own errors and OSError; how long a call may take is the caller's to say."""

    async def run(
        self, script: Script, keys: Sequence[str], values: Sequence[Value], *, durable: bool = False
    ) -> list[str]:
        """All keys lie in one slot. `durable`: returns only when as many replicas as configured have it."""

    async def command(self, name: str, key: str, *values: Value) -> Any:
        """A command on one key."""

    async def infos(self) -> list[dict[str, Any]]:
        """INFO of each primary that our keys may lie on."""

    async def close(self) -> None: ...


def connect(url: str, *, connections: int, replicas: int = 0) -> Connection:
    return _Single(url, connections)


# One clock, the caller's: with a timeout set here, redis-py sends inside asyncio.wait_for, which before Python 3.12 can
# swallow the cancellation by which a deadline ends a call (https://github.com/python/cpython/issues/86296).
_OPTIONS: Final[dict[str, Any]] = {
    "decode_responses": True,
    "protocol": 2,
    "socket_timeout": None,
    "socket_connect_timeout": None,
}


class _Single:
    """redis://, rediss:// or unix://."""

    def __init__(self, url: str, connections: int) -> None:
        retry = Retry(ExponentialBackoff(cap=0.1, base=0.02), 2)
        self._redis = Redis.from_pool(
            ConnectionPool.from_url(url, max_connections=connections, retry=retry, **_OPTIONS)
        )

    async def run(
        self, script: Script, keys: Sequence[str], values: Sequence[Value], *, durable: bool = False
    ) -> list[str]:
        send: Any = self._redis.execute_command
        try:
            found: list[str] = await send("EVALSHA", script.digest, len(keys), *keys, *values)
        except NoScriptError:  # a server forgets its scripts when it restarts, fails over, or is told to
            found = await send("EVAL", script.text, len(keys), *keys, *values)
        return found

    async def command(self, name: str, key: str, *values: Value) -> Any:
        send: Any = self._redis.execute_command
        return await send(name, key, *values)

    async def infos(self) -> list[dict[str, Any]]:
        return [await self._redis.info()]

    async def close(self) -> None:
        await self._redis.aclose()
