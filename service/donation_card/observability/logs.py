"""Logs: one JSON line an event on standard output, and no line that holds a donor's data: of an error its kind and its
place in the code, never its own words, for these may quote what somebody sent.

Whoever reads them may stop reading, and a disk may be full. Then lines wait, later ones are dropped and counted, and
the service goes on.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import traceback
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Final, TextIO, cast

import structlog

MAX_QUEUED_LINES: Final = 2_000
"""Lines that wait for a reader; further ones are dropped."""

FLUSH_TIMEOUT: Final = 1.0
"""Seconds that the end of the process waits for the last lines to be taken."""

_STAMP: Final[list[structlog.types.Processor]] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(lambda error: _traceback_without_message(error[1])),
]
_RENDER: Final = structlog.processors.JSONRenderer()
# One list for good: a logger keeps the list that it first used, and tests listen in there.
_STRUCTLOG_CHAIN: Final[list[structlog.types.Processor]] = [structlog.contextvars.merge_contextvars, *_STAMP, _RENDER]
_STDLIB_CHAIN: Final[list[structlog.types.Processor]] = [
    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    _RENDER,
]


def configure_logs(level: str) -> None:
    """uvicorn's own lines go the same way; its access log, which has addresses in it, is off."""
    structlog.configure(
        processors=_STRUCTLOG_CHAIN,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _outlet)),
        cache_logger_on_first_use=True,
    )
    _libraries.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_STAMP, processors=_STDLIB_CHAIN))
    root = logging.getLogger()
    root.addHandler(_libraries)  # once, however often
    root.setLevel(logging.WARNING)  # below it the HTTP client tells addresses with a session's id in them


def flush_logs() -> None:
    """Give the lines that wait a moment to be written."""
    _outlet.drain(FLUSH_TIMEOUT)


class NonBlockingStream:
    """A text file that keeps nobody waiting: a thread of its own writes to the descriptor, and hangs there alone."""

    def __init__(self, descriptor: int, *, room: int = MAX_QUEUED_LINES) -> None:
        self._descriptor, self._room = descriptor, room
        self._waiting: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._dropped = self._refused = self._told = 0

    def write(self, line: str) -> None:
        if self._waiting.qsize() >= self._room:
            self._dropped += 1
            return
        self._waiting.put(line)
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """As files have it. Nothing is held back: the thread writes as fast as it can."""

    def drain(self, seconds: float) -> bool:
        """Wait, so long at most, until what came before is written, or cannot be."""
        if self._thread is None:
            return True
        reached = threading.Event()
        self._waiting.put(reached)
        return reached.wait(seconds)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="logs", daemon=True)
                self._thread.start()
                atexit.register(self.drain, FLUSH_TIMEOUT)

    def _work(self) -> None:
        while True:
            next_one = self._waiting.get()
            if isinstance(next_one, str) and not self._written(next_one):
                self._refused += 1
            lost = self._dropped + self._refused
            if lost > self._told and self._waiting.empty() and self._written(_lost(lost - self._told)):
                self._told = lost
            if isinstance(next_one, threading.Event):
                next_one.set()

    def _written(self, line: str) -> bool:
        """Past `sys.stdout`: a thread that hangs there holds its lock, and the interpreter could not end."""
        rest = line.encode("utf-8", "backslashreplace")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:  # the disk is full, or the reader has gone
            return False
        return True


def _traceback_without_message(error: BaseException) -> str:
    """As Python prints it, without what the error says; what caused it comes first."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = _traceback_without_message(cause) if cause else ""
    return before + "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__ + "\n"


def _lost(lines: int) -> str:
    told = {
        "lines": lines,
        "event": "log_lines_dropped",
        "level": "warning",
        "timestamp": datetime.now(UTC).isoformat(),
    }
    return json.dumps(told) + "\n"


_outlet: Final = NonBlockingStream(1)
_libraries: Final = logging.StreamHandler(cast(TextIO, _outlet))
