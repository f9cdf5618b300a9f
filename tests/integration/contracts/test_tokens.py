"""The contract of the tokens port."""

from __future__ import annotations

import pytest
from donation_card.application.ports.tokens import SessionHandle, Tokens
from donation_card.errors import Invalid


def test_form_token_round_trip(tokens: Tokens) -> None:
    first, second = (tokens.read_form_token(tokens.issue_form_token("roof", "news.example")) for _ in range(2))
    assert (first.campaign, first.site) == ("roof", "news.example")
    assert first.attempt_id != second.attempt_id


def test_handle_and_return_token_round_trip(tokens: Tokens) -> None:
    handle = SessionHandle("cs_test_1", "roof", "attempt")
    assert tokens.read_handle(tokens.issue_handle(handle)) == handle
    returned = tokens.read_return_token(tokens.issue_return_token("roof", "attempt", "https://news.example/a"))
    assert tuple(returned) == ("roof", "attempt", "https://news.example/a")


@pytest.mark.parametrize(("text", "code"), [("", "token_missing"), ("x", "token_invalid"), ("a.b.c", "token_invalid")])
def test_foreign_text_is_refused_with_a_code(tokens: Tokens, text: str, code: str) -> None:
    for read in (tokens.read_form_token, tokens.read_handle, tokens.read_return_token):
        with pytest.raises(Invalid) as refused:
            read(text)
        assert refused.value.code == code


def test_token_of_another_kind_is_refused(tokens: Tokens) -> None:
    handle = tokens.issue_handle(SessionHandle("cs_test_1", "roof", "attempt"))
    with pytest.raises(Invalid):
        tokens.read_form_token(handle)


def test_text_is_readable_with_its_attempt_only(tokens: Tokens) -> None:
    encrypted = tokens.encrypt("attempt", "cs_test_1")
    assert tokens.decrypt("attempt", encrypted) == "cs_test_1"
    assert tokens.decrypt("another", encrypted) == ""
    assert tokens.decrypt("attempt", "") == ""


def test_idempotency_key_depends_on_every_parameter(tokens: Tokens) -> None:
    key = tokens.idempotency_key("attempt", 25_00, "EUR")
    assert key == tokens.idempotency_key("attempt", 25_00, "EUR")
    assert key != tokens.idempotency_key("another", 25_00, "EUR")
    assert key != tokens.idempotency_key("attempt", 25_00, "USD")
