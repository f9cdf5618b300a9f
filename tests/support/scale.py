"""Choose the length of a random test: short in `make test`, long in `make stress`."""

from __future__ import annotations

import os

STRESS = os.environ.get("HYPOTHESIS_PROFILE") == "stress"


def short_or_long(short: int, long: int) -> int:
    """Return `long` in `make stress`, else `short`."""
    return long if STRESS else short
