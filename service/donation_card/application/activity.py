"""The time of the last activity, which decides how often the service synchronises with Stripe."""

from collections.abc import Callable
from datetime import datetime


class ActivityLog:
    """Remember when this worker last created a checkout session or received a webhook."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.last_activity_at = 0.0  # UTC seconds; 0: there was no activity yet

    def record(self) -> float:
        """Record an activity now and return its time."""
        self.last_activity_at = self._clock().timestamp()
        return self.last_activity_at
