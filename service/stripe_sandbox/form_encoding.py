"""Decode form-encoded bodies and queries with nested names (`a[b][0][c]=1`), as Stripe's clients encode them."""

import re
from typing import TypeAlias
from urllib.parse import parse_qsl

from stripe_sandbox.api_errors import ApiError

ParamTree: TypeAlias = "dict[str, str | ParamTree]"

MAX_FIELDS = 2000
MAX_DEPTH = 8
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(body: bytes) -> ParamTree:
    """Decode to nested dicts. A list becomes a dict with its indices as keys; its schema tells them apart later.

    Raise ApiError (400) if names contradict each other or the text is not UTF-8.
    """
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise ApiError("Invalid request: the parameters could not be decoded.") from error
    tree: ParamTree = {}
    for name, value in pairs:
        _insert(tree, name, value)
    return tree


def _insert(tree: ParamTree, name: str, value: str) -> None:
    keys = _parse_name(name)
    for key in keys[:-1]:
        branch = tree.setdefault(key or str(len(tree)), {})
        if isinstance(branch, str):
            raise ApiError(f"Invalid object: {name}", param=name)
        tree = branch
    last = keys[-1] or str(len(tree))
    if isinstance(tree.get(last), dict):
        raise ApiError(f"Invalid object: {name}", param=name)
    tree[last] = value


def _parse_name(name: str) -> list[str]:
    match = _NAME.fullmatch(name)
    if not match or name.count("[") > MAX_DEPTH:
        raise ApiError(f"Invalid parameter name: {name[:200]}")
    return [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
