"""Reads form-encoded bodies and queries with nested names (`a[b][0][c]=1`), the way Stripe's clients write them."""

from __future__ import annotations

import re
from typing import TypeAlias
from urllib.parse import parse_qsl

from stripe_sandbox.errors import ApiError

Tree: TypeAlias = "dict[str, str | Tree]"

MOST_FIELDS = 2000
DEEPEST = 8
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(body: bytes) -> Tree:
    """Lists come out as dicts with their indices as keys; the shape of the parameter decides which it was.

    Raises ApiError (400) when the names contradict each other or the text is not UTF-8.
    """
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise ApiError("Invalid request: the parameters could not be decoded.") from error
    tree: Tree = {}
    for name, value in pairs:
        _put(tree, name, value)
    return tree


def _put(tree: Tree, name: str, value: str) -> None:
    keys = _keys(name)
    for key in keys[:-1]:
        branch = tree.setdefault(key or str(len(tree)), {})
        if isinstance(branch, str):
            raise ApiError(f"Invalid object: {name}", param=name)
        tree = branch
    last = keys[-1] or str(len(tree))
    if isinstance(tree.get(last), dict):
        raise ApiError(f"Invalid object: {name}", param=name)
    tree[last] = value


def _keys(name: str) -> list[str]:
    match = _NAME.fullmatch(name)
    if not match or name.count("[") > DEEPEST:
        raise ApiError(f"Invalid parameter name: {name[:200]}")
    return [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
