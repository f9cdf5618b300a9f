"""Logs: one JSON line an event on standard output, and no line that holds a donor's data."""

from __future__ import annotations

import logging

import structlog


def configure_logs(level: str) -> None:
    """uvicorn's own lines go the same way; its access log, which has addresses in it, is off."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )
