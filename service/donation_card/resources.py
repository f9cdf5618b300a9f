"""Files that stand beside the package in a checkout and inside it in a wheel: the card, openapi.yaml, the example."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource_path(name: str) -> Path:
    """Return the path of `name`, such as "openapi.yaml". `force-include` in pyproject.toml puts it into the wheel."""
    packed = _PACKAGE / "_resources"
    return (packed if packed.is_dir() else _PACKAGE.parent.parent) / name
