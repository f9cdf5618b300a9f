"""Files that stand beside the package in a checkout and inside it in a wheel: card, contract, example campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent


def resource_path(name: str) -> Path:
    """Where `name` is, e.g. `openapi.yaml`. What goes into the wheel: `force-include` in pyproject.toml."""
    packed = _PACKAGE / "_beside"
    return (packed if packed.is_dir() else _PACKAGE.parent.parent) / name
