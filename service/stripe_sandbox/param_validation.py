"""Validate parameters against the generated types of the `stripe` package.

The types are meant for callers, so three things are added: forward references are resolved, open enums
(`Literal[…] | str`) accept the listed values only, and unknown names are refused.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stripe import RequestOptions

from stripe_sandbox.api_errors import ApiError, invalid_integer, missing_param
from stripe_sandbox.form_encoding import ParamTree

MAX_TEXT_LENGTH = 5000


def validate(params: ParamTree, schema: Any) -> dict[str, Any]:
    """Return the typed parameters, e.g. `{"line_items": [{"quantity": 1}]}`. Raise ApiError (400)."""
    return _object(params, schema, "")


@cache
def param_types(shape: Any) -> dict[str, Any]:
    """Return the resolved type of each parameter. The result is cached, because it takes milliseconds."""
    names = {"StripeContext": Any, "Mapping": Mapping}  # the package imports them for type checkers only
    options = RequestOptions.__annotations__  # clients send them as headers
    return {name: hint for name, hint in get_type_hints(shape, localns=names).items() if name not in options}


def _object(value: "str | ParamTree", shape: Any, path: str) -> dict[str, Any]:
    if isinstance(value, str):
        raise ApiError(f"Invalid object: {path}", param=path)
    known = param_types(shape)
    for name in value:
        if name not in known:
            param = _join(path, name)
            raise ApiError(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
    for name in known:
        if name in shape.__required_keys__ and name not in value:
            raise missing_param(_join(path, name))
    return {name: _value(given, known[name], _join(path, name)) for name, given in value.items()}


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _value(value: "str | ParamTree", hint: Any, path: str) -> Any:
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


def _one_of(value: "str | ParamTree", hints: tuple[Any, ...], path: str) -> Any:
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


def _choice(value: "str | ParamTree", choices: tuple[str, ...], path: str) -> str:
    if isinstance(value, str) and value in choices:
        return value
    allowed = ", ".join(choice for choice in choices if choice)
    raise ApiError(f"Invalid {path}: must be one of {allowed}", param=path)


def _list(value: "str | ParamTree", item: Any, path: str) -> list[Any]:
    if isinstance(value, str) or not all(key.isdecimal() and len(key) < 6 for key in value):
        raise ApiError("Invalid array", param=path)
    return [_value(value[key], item, _join(path, key)) for key in sorted(value, key=int)]


def _scalar(value: "str | ParamTree", hint: Any, path: str) -> Any:
    if not isinstance(value, str):
        raise ApiError(f"Invalid string: {path}", param=path)
    if value == "":
        raise ApiError(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{path}' cannot be unset. Remove it from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=path,
        )
    return SCALAR_PARSERS[hint](value, path)


def _text(value: str, path: str) -> str:
    if len(value) > MAX_TEXT_LENGTH:
        raise ApiError(f"Invalid string: {path} must be at most {MAX_TEXT_LENGTH} characters", param=path)
    return value


def _integer(value: str, path: str) -> int:
    # int() also accepts "2_500", " 25 " and digits of other alphabets
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise invalid_integer(value[:100], path)
    return int(value)


def _boolean(value: str, path: str) -> bool:
    if value not in ("true", "false"):
        raise ApiError(f"Invalid boolean: {value[:100]}", param=path)
    return value == "true"


def _decimal(value: str, path: str) -> Decimal:
    if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,12})?", value):
        raise ApiError(f"Invalid decimal: {value[:100]}", param=path)
    return Decimal(value)


SCALAR_PARSERS: dict[Any, Any] = {str: _text, int: _integer, bool: _boolean, float: _decimal, Decimal: _decimal}


def _metadata(value: "str | ParamTree", path: str) -> dict[str, str]:
    """Validate metadata: https://docs.stripe.com/metadata. An empty value removes all."""
    if value == "":
        return {}
    if isinstance(value, str):
        raise ApiError("Invalid object", param=path)
    return check_metadata(value, path)


def check_metadata(value: Mapping[str, object], path: str = "metadata") -> dict[str, str]:
    """Return the metadata without empty values, which remove their keys. Raise ApiError (400)."""
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
