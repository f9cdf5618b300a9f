"""Logs: one JSON object a line on standard output, written by a thread of its own.

A log line holds no data of a donor. Of an exception it has the type and the traceback without the message, because a
message may quote input.

Nothing waits for the reader of the log. If the pipe is blocked or the disk is full, further lines are dropped and
counted, and a line `log_lines_dropped` says how many.
"""

import atexit
import json
import logging
import os
import traceback
from datetime import UTC, datetime
from functools import cache
from logging.handlers import QueueHandler, QueueListener
from queue import Full, Queue

import structlog

from donation_card.observability.log_events import LogEvent

MAX_QUEUED_LINES = 2_000

FLUSH_TIMEOUT = 1.0
"""Seconds that the end of the process waits for the last lines."""

STANDARD_OUTPUT = 1

_STAMP: list[structlog.types.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(lambda error: _traceback_without_message(error[1])),
]
# One list for the life of the process: structlog's cached loggers keep it, and tests replace its contents.
_STRUCTLOG_CHAIN: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    *_STAMP,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
_FORMATTER = structlog.stdlib.ProcessorFormatter(
    foreign_pre_chain=_STAMP,
    processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(),
    ],
)


def configure_logs(level: str) -> None:
    """Send the records of structlog and of all libraries to standard output. It may be called again."""
    own = logging.getLogger("donation_card")
    own.setLevel(level.upper())
    structlog.configure(
        processors=_STRUCTLOG_CHAIN,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: own,
        cache_logger_on_first_use=True,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_malformed_request)
    root = logging.getLogger()
    root.addHandler(_standard_output().handler)  # no effect if it is there already
    root.setLevel(logging.WARNING)  # at INFO, httpx logs URLs with session ids


def _is_no_malformed_request(record: logging.LogRecord) -> bool:
    """Return False for uvicorn's line about a malformed request: a stranger could fill the log with it."""
    return record.msg != "Invalid HTTP request received."


def flush_logs() -> None:
    """Wait until the queued lines are written, for at most FLUSH_TIMEOUT."""
    _standard_output().flush(FLUSH_TIMEOUT)


class BoundedQueueHandler(QueueHandler):
    """Format records as JSON and queue them. Drop those that do not fit."""

    def __init__(self, lines: Queue[logging.LogRecord]) -> None:
        super().__init__(lines)
        self.setFormatter(_FORMATTER)
        self.dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except Full:
            self.dropped += 1

    def handleError(self, record: logging.LogRecord) -> None:
        """Count the record as dropped. The base class prints it to standard error, with its arguments."""
        self.dropped += 1


class LogWriter(QueueListener):
    """Write log records to a file descriptor without ever blocking the thread that logs.

    A blocked write must hold no lock that the end of the process needs. So there is no logging handler here
    (`logging.shutdown` takes the lock of each) and no `sys.stdout`.
    """

    def __init__(self, descriptor: int, *, max_lines: int = MAX_QUEUED_LINES) -> None:
        self._lines: Queue[logging.LogRecord] = Queue(max_lines)
        self.handler = BoundedQueueHandler(self._lines)
        super().__init__(self._lines)
        self._descriptor = descriptor
        self._failed = self._reported = 0
        self.start()

    def flush(self, timeout: float) -> bool:
        """Wait until every queued line is written or lost. Return False after `timeout` seconds."""
        with self._lines.all_tasks_done:
            return self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, timeout)

    def handle(self, record: logging.LogRecord) -> None:
        if not self._write(record.getMessage()):
            self._failed += 1
        lost = self.handler.dropped + self._failed
        if lost > self._reported and self._lines.empty() and self._write(_dropped_line(lost - self._reported)):
            self._reported = lost

    def _write(self, line: str) -> bool:
        rest = f"{line}\n".encode("utf-8", "backslashreplace")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:  # the disk is full, or the pipe is closed
            return False
        return True


@cache
def _standard_output() -> LogWriter:
    writer = LogWriter(STANDARD_OUTPUT)
    atexit.register(writer.flush, FLUSH_TIMEOUT)
    return writer


def _traceback_without_message(error: BaseException) -> str:
    """Format an exception as Python does, causes first, without its message."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = _traceback_without_message(cause) if cause else ""
    return before + "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__ + "\n"


def _dropped_line(lines: int) -> str:
    now = datetime.now(UTC).isoformat()
    return json.dumps({"lines": lines, "event": LogEvent.LOG_LINES_DROPPED, "level": "warning", "timestamp": now})
