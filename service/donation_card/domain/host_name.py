"""Compare host names: one name can be written in several ways."""

_MAX_LENGTH = 253
"""Characters of a name (RFC 1035, 2.3.4). Python reads longer ones slowly."""


def canonical_host(name: str) -> str:
    """Return the name in ASCII (IDNA), in lower case and without a last dot. Raise ValueError if it has none."""
    if len(name) > _MAX_LENGTH + 1:
        raise ValueError("too long")
    return name.removesuffix(".").encode("idna").decode("ascii").lower()
