"""Checks a request against the `stripe` package's own generated parameter types, so that we refuse what Stripe refuses.

The generated types are written for callers. Read as a gate they need three repairs: their forward references are
resolved, their open enums (`Literal[…] | str`) are closed again, and keys they do not name are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stripe import RequestOptions

from stripe_sandbox.errors import ApiError, missing, not_integer, unknown
from stripe_sandbox.forms import Tree

LONGEST_TEXT = 5000


def check(params: Tree, shape: Any) -> dict[str, Any]:
    """The parameters with their types, e.g. `{"line_items": [{"quantity": 1}]}`. Raises ApiError (400)."""
    return _object(params, shape, "")


@cache
def fields(shape: Any) -> dict[str, Any]:
    """Each parameter's resolved type. Built on first use: resolving all of a session's takes milliseconds."""
    names = {"StripeContext": Any, "Mapping": Mapping}  # the package imports these for type checkers only
    options = RequestOptions.__annotations__  # they travel as headers, not as parameters
    return {name: hint for name, hint in get_type_hints(shape, localns=names).items() if name not in options}


def _object(value: str | Tree, shape: Any, path: str) -> dict[str, Any]:
    if isinstance(value, str):
        raise ApiError(f"Invalid object: {path}", param=path)
    known = fields(shape)
    for name in value:
        if name not in known:
            raise unknown(_join(path, name))
    for name in known:
        if name in shape.__required_keys__ and name not in value:
            raise missing(_join(path, name))
    return {name: _value(given, known[name], _join(path, name)) for name, given in value.items()}


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _value(value: str | Tree, hint: Any, path: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _one_of(value, get_args(hint), path)
    if origin is Literal:
        return _choice(value, get_args(hint), path)
    if origin is list:
        return _list(value, get_args(hint)[0], path)
    if origin is dict:
        return _metadata(value, path)
    if hasattr(hint, "__required_keys__"):
        return _object(value, hint, path)
    return _scalar(value, hint, path)


def _one_of(value: str | Tree, hints: tuple[Any, ...], path: str) -> Any:
    choices = [choice for hint in hints if get_origin(hint) is Literal for choice in get_args(hint)]
    others = [hint for hint in hints if get_origin(hint) is not Literal]
    if value == "" and "" in choices:
        return ""
    if not others or (others == [str] and choices not in ([], [""])):
        return _choice(value, tuple(choices), path)
    structured = [hint for hint in others if get_origin(hint) or hasattr(hint, "__required_keys__")]
    scalar = [hint for hint in others if hint not in structured]
    fitting = structured if isinstance(value, dict) or not scalar else scalar
    return _value(value, (fitting or others)[0], path)


def _choice(value: str | Tree, choices: tuple[str, ...], path: str) -> str:
    if isinstance(value, str) and value in choices:
        return value
    allowed = ", ".join(choice for choice in choices if choice)
    raise ApiError(f"Invalid {path}: must be one of {allowed}", param=path)


def _list(value: str | Tree, item: Any, path: str) -> list[Any]:
    if isinstance(value, str) or not all(key.isdecimal() and len(key) < 6 for key in value):
        raise ApiError("Invalid array", param=path)
    return [_value(value[key], item, _join(path, key)) for key in sorted(value, key=int)]


def _scalar(value: str | Tree, hint: Any, path: str) -> Any:
    if not isinstance(value, str):
        raise ApiError(f"Invalid string: {path}", param=path)
    if value == "":
        raise ApiError(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{path}' cannot be unset. Remove it from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=path,
        )
    return SCALARS[hint](value, path)


def _text(value: str, path: str) -> str:
    if len(value) > LONGEST_TEXT:
        raise ApiError(f"Invalid string: {path} must be at most {LONGEST_TEXT} characters", param=path)
    return value


def _integer(value: str, path: str) -> int:
    # int() would also take "2_500", " 25 " and other alphabets' digits
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise not_integer(value[:100], path)
    return int(value)


def _boolean(value: str, path: str) -> bool:
    if value not in ("true", "false"):
        raise ApiError(f"Invalid boolean: {value[:100]}", param=path)
    return value == "true"


def _decimal(value: str, path: str) -> Decimal:
    if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,12})?", value):
        raise ApiError(f"Invalid decimal: {value[:100]}", param=path)
    return Decimal(value)


SCALARS: dict[Any, Any] = {str: _text, int: _integer, bool: _boolean, float: _decimal, Decimal: _decimal}


def _metadata(value: str | Tree, path: str) -> dict[str, str]:
    """Limits: https://docs.stripe.com/metadata. An empty value unsets a key, so a new object does not get it."""
    if value == "":
        return {}
    if isinstance(value, str):
        raise ApiError("Invalid object", param=path)
    for key, text in value.items():
        where = _join(path, key)
        if not isinstance(text, str):
            raise ApiError(f"Invalid string: {where}. Metadata values are strings.", param=where)
        if len(key) > 40:
            raise ApiError(
                f"Metadata keys can have up to 40 characters, but you passed in a key that is {len(key)}.", param=path
            )
        if len(text) > 500:
            raise ApiError(
                f"Metadata values can have up to 500 characters, but you passed in one that is {len(text)}.",
                param=where,
            )
    if len(value) > 50:
        raise ApiError(f"Metadata can have up to 50 keys, but you passed in {len(value)}.", param=path)
    return {key: str(text) for key, text in value.items() if text != ""}
