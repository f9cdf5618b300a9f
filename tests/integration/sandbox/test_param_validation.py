"""Test decoding and validation of parameters."""

from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlencode

import pytest
from hypothesis import given, strategies as st
from stripe import RequestOptions
from stripe._encode import _api_encode
from stripe.params.checkout import SessionCreateParams, SessionListParams
from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.form_encoding import decode
from stripe_sandbox.param_validation import SCALAR_PARSERS, param_types, validate


def kinds(hint: Any, seen: set[Any]) -> set[Any]:
    """Return every leaf type of a generated type."""
    if hasattr(hint, "__required_keys__"):
        if hint in seen:
            return set()
        seen.add(hint)
        return set().union(*(kinds(one, seen) for one in param_types(hint).values()))
    if get_origin(hint) is Literal:
        return set()
    if get_origin(hint) is not None and get_origin(hint) is not dict:
        return set().union(*(kinds(one, seen) for one in get_args(hint)))
    return {get_origin(hint) or hint}


def test_all_generated_types_are_supported() -> None:
    assert kinds(SessionCreateParams, set()) <= {*SCALAR_PARSERS, dict}


def test_request_options_are_not_parameters() -> None:
    assert not set(param_types(SessionCreateParams)) & set(RequestOptions.__annotations__)


@given(
    st.recursive(
        st.text(st.characters(codec="utf-8"), min_size=1),
        lambda inner: st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), inner, min_size=1, max_size=3),
        max_leaves=8,
    )
)
def test_decode_reverses_the_clients_encoding(value: Any) -> None:
    body = urlencode(list(_api_encode({"root": value}))).encode()
    assert decode(body) == {"root": value}


def test_text_is_converted_to_types() -> None:
    body = (
        b"line_items[0][quantity]=2&line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=2500"
    )
    price = {"currency": "eur", "unit_amount": 2500}
    assert validate(decode(body), SessionCreateParams) == {"line_items": [{"quantity": 2, "price_data": price}]}


def test_created_is_a_time_or_a_range() -> None:
    assert validate(decode(b"created=5"), SessionListParams) == {"created": 5}
    assert validate(decode(b"created[gte]=5"), SessionListParams) == {"created": {"gte": 5}}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"colour=red", "parameter_unknown", "colour"),
        (b"line_items[0][colour]=red", "parameter_unknown", "line_items[0][colour]"),
        (b"line_items[0][price_data][unit_amount]=1", "parameter_missing", "line_items[0][price_data][currency]"),
        (b"line_items[0][quantity]=1.5", "parameter_invalid_integer", "line_items[0][quantity]"),
        (b"line_items[0][quantity]=1_000", "parameter_invalid_integer", "line_items[0][quantity]"),
        (b"line_items[0][quantity]=%D9%A3", "parameter_invalid_integer", "line_items[0][quantity]"),
        (b"line_items=all", None, "line_items"),
        (b"line_items[first][quantity]=1", None, "line_items"),
        (b"locale=be", None, "locale"),
        (b"locale[0]=de", None, "locale"),
        (b"ui_mode=embedded", None, "ui_mode"),
        (b"ui_mode=custom", None, "ui_mode"),
        (b"payment_method_types[0]=card", "parameter_unknown", "payment_method_types"),
        (b"allowed_payment_method_types[0]=cheque", None, "allowed_payment_method_types[0]"),
        (b"success_url=", "parameter_invalid_empty", "success_url"),
        (b"adaptive_pricing[enabled]=yes", None, "adaptive_pricing[enabled]"),
        (b"metadata=roof", None, "metadata"),
        (b"metadata[a][b]=roof", None, "metadata[a]"),
        (b"api_key=sk_test_1", "parameter_unknown", "api_key"),
    ],
)
def test_invalid_param_is_refused(body: bytes, code: str | None, param: str) -> None:
    with pytest.raises(ApiError) as refusal:
        validate(decode(body), SessionCreateParams)
    assert (refusal.value.code, refusal.value.param) == (code, param)


@pytest.mark.parametrize(
    "body",
    [b"a=1&a[b]=2", b"a[b]=2&a=1", b"%FF=1", b"\xff", b"[a]=1", b"a[=1", b"a" + 9 * b"[b]" + b"=1", b"a=1&" * 3000],
)
def test_malformed_names_are_refused(body: bytes) -> None:
    with pytest.raises(ApiError):
        decode(body)
