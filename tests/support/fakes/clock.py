"""A clock that stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass
class FakeClock:
    """Stand still until a test advances it. Calling it returns the time in UTC."""

    at: float = 1_800_000_000.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def advance(self, seconds: float) -> None:
        self.at += seconds

    def milliseconds(self) -> int:
        return int(self.at * 1_000)
