"""Quote places and values of a campaign file in one short line. They come from outside, and could forge a log line."""

import re

_PLAIN_KEY = r"[\w-]{1,60}"


def field_path(at: tuple[str | int, ...]) -> str:
    """Format a path as `needs[1].title.be`, counted from 0. Quote unusual keys."""
    parts = [
        f"[{part}]" if isinstance(part, int) else f".{part if re.fullmatch(_PLAIN_KEY, part) else quote_value(part)}"
        for part in at
    ]
    return "".join(parts).removeprefix(".")


def quote_value(value: object) -> str:
    """Format a value of the file in one short line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = "".join(
            char if char.isprintable() or char == "\u00a0" else f"\\u{ord(char):04x}" for char in value[:60]
        )
        return _quoted(shown) if len(value) <= 60 else f"{_quoted(shown[:40] + '…')} ({len(value)} characters)"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else "a number of very many digits"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a table" if isinstance(value, dict) else str(value)


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'
