"""Run the Lua scripts of the service in this process, without a server.

`RedisTotalsStore` and its scripts are the real ones. Only the commands that they call are written again, in
`memory_redis.lua`. `tests/integration/adapters/redis/test_interleavings.py` compares them with those of a real server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from donation_card.adapters.redis.connection import Argument, RedisConnection, Script
from donation_card.errors import TotalsUnavailable
from lupa import lua51
from redis.exceptions import ConnectionError as RedisConnectionError, RedisError, ResponseError


class _Lua:
    """An interpreter of the version that Redis has, with the compiled scripts."""

    def __init__(self) -> None:
        self._runtime = lua51.LuaRuntime(encoding="latin-1", unpack_returned_tuples=False)
        self.library = self._runtime.execute(Path(__file__).with_name("memory_redis.lua").read_text("utf-8"))
        self._scripts: dict[str, Any] = {}

    def compiled(self, script: Script) -> Any:
        if script.sha1 not in self._scripts:
            source = f"function(KEYS, ARGV) {script.source}\nend".encode().decode("latin-1")
            self._scripts[script.sha1] = self._runtime.eval(source)
        return self._scripts[script.sha1]


@cache
def _lua() -> _Lua:
    return _Lua()


class MemoryServer:
    """Hold the keys of one Redis, with the time of its clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lua = clock, _lua()
        self._library = self._lua.library
        self._data = self._library.new()

    def all_keys(self) -> list[str]:
        found = self._library["keys"](self._data)
        return [found] if isinstance(found, str) else list(found or ())

    def backup(self) -> Any:
        return self._library.copy(self._data)

    def restore(self, backup: Any) -> None:
        self._data = self._library.copy(backup)

    def dump(self) -> dict[str, dict[str, str] | str]:
        """Return a copy of all keys."""
        return {key: value if isinstance(value, str) else dict(value) for key, value in self._data.data.items()}

    def lifetime(self, key: str) -> float | None:
        """Return the seconds until a key expires, or None if it does not."""
        expires_at = self._data.expires_at[key]
        return None if expires_at is None else expires_at - self._clock()

    def call(self, name: str, *args: Argument) -> Any:
        """Run a command. A list is returned as a tuple, except a list of one, and nil as False."""
        return self._library.call(self._data, self._clock(), name, *map(_text, args))

    def eval(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> list[Any]:
        compiled = self._lua.compiled(script)
        try:
            reply = self._library.eval(self._data, self._clock(), compiled, len(keys), *keys, *map(_text, args))
        except lua51.LuaError as error:
            raise ResponseError(str(error)) from error
        return [None if value is False else value for value in (reply if type(reply) is tuple else (reply,))]


def _text(argument: Argument) -> str:
    return argument.decode("latin-1") if type(argument) is bytes else str(argument)


class Fault(Enum):
    """A fault of one command: the client repeats it, or gives up after a lost reply."""

    NONE = 0
    REPEATED = 1
    REPLY_LOST = 2


async def no_pause() -> Fault:
    return Fault.NONE


class MemoryConnection(RedisConnection):
    """Connect to a MemoryServer. `pause` is awaited before each command. It chooses its fault, or raises."""

    def __init__(self, server: MemoryServer, pause: Callable[[], Awaitable[Fault]] = no_pause) -> None:
        super().__init__(connections=1, deadline=1, replicas=0)
        self.server, self.pause = server, pause

    @asynccontextmanager
    async def within_deadline(self) -> AsyncIterator[None]:
        try:
            yield
        except (RedisError, OSError, ValueError) as error:
            raise TotalsUnavailable(reason=type(error).__name__) from error

    async def eval(
        self, script: Script, keys: Sequence[str], args: Sequence[Argument], *, wait_for_replicas: bool = False
    ) -> list[str]:
        return await self._with_faults(lambda: self.server.eval(script, keys, args))

    async def _send(self, key: str, command: Sequence[Argument]) -> Any:
        name, *args = command
        found = await self._with_faults(lambda: self.server.call(str(name), *args))
        if name in ("HMGET", "HKEYS"):
            found = found if type(found) is tuple else () if found is None else (found,)
            return [None if value is False else value for value in found]
        return None if found is False else found

    async def _with_faults(self, run: Callable[[], Any]) -> Any:
        fault = await self.pause()
        if fault is Fault.REPEATED:
            run()
        found = run()
        if fault is Fault.REPLY_LOST:
            raise RedisConnectionError("the reply is lost")
        return found

    async def _send_and_wait(self, key: str, command: Sequence[Argument]) -> Any:
        return await self._send(key, command)

    async def info_of_primaries(self) -> list[dict[str, Any]]:
        await self.pause()
        return [{"role": "master", "maxmemory": 0, "maxmemory_policy": "noeviction"}]

    async def _close(self) -> None: ...
