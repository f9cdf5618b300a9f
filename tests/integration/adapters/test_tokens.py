"""Test signed tokens."""

import base64
import time

import pytest
from donation_card.adapters.tokens import SignedTokens
from donation_card.application.ports.tokens import SessionHandle
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME
from donation_card.errors import Invalid
from hypothesis import given, strategies as st
from itsdangerous import TimestampSigner

OLD, NEW = "o" * 32, "n" * 32
tokens = SignedTokens([NEW])


def code_of(call, *args):
    with pytest.raises(Invalid) as caught:
        call(*args)
    return caught.value.code


def test_form_token_round_trip_with_own_nonce():
    first, second = (
        tokens.read_form_token(tokens.issue_form_token("roof", "other")),
        tokens.read_form_token(tokens.issue_form_token("roof", "other")),
    )
    assert (first.campaign, first.site) == ("roof", "other")
    assert first.attempt_id != second.attempt_id
    assert abs(first.issued_at - time.time()) < 60


def test_token_of_the_older_key_is_read_during_rotation():
    before = SignedTokens([OLD]).issue_form_token("roof", "other")
    assert SignedTokens([NEW, OLD]).read_form_token(before).campaign == "roof"
    assert code_of(SignedTokens([NEW]).read_form_token, before) == "token_invalid"


def test_newest_key_signs():
    made = SignedTokens([NEW, OLD]).issue_form_token("roof", "other")
    assert SignedTokens([NEW]).read_form_token(made).campaign == "roof"


def test_expired_form_token_still_names_its_campaign(monkeypatch):
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: int(time.time()) - FORM_TOKEN_LIFETIME - 1)
    old = tokens.issue_form_token("roof", "other")
    with pytest.raises(Invalid) as caught:
        tokens.read_form_token(old)
    assert caught.value.code == "token_expired"
    assert caught.value.params == {"campaign": "roof"}


def test_token_of_another_kind_is_refused():
    handle = tokens.issue_handle(SessionHandle("cs_test_1", "roof", "n"))
    assert code_of(tokens.read_form_token, handle) == "token_invalid"
    assert code_of(tokens.read_handle, tokens.issue_form_token("roof", "other")) == "token_invalid"
    assert code_of(tokens.read_return_token, handle) == "token_invalid"
    assert code_of(tokens.read_form_token, "") == "token_missing"


@given(st.text(max_size=80))
def test_foreign_text_is_no_token(text):
    for read in (tokens.read_form_token, tokens.read_handle, tokens.read_return_token):
        assert code_of(read, text) in {"token_invalid", "token_missing"}


SAME = {"+": "-", "/": "_"}
"""The two alphabets of base64 are read alike, so these spell the same signature."""


@given(position=st.integers(min_value=0), other=st.characters(min_codepoint=33, max_codepoint=126))
def test_changed_token_is_forged(position, other):
    made = tokens.issue_return_token("roof", "nonce", "")
    position %= len(made) - 1  # the last character carries bits that base64 ignores
    if made[position] != SAME.get(other, other):
        assert code_of(tokens.read_return_token, made[:position] + other + made[position + 1 :]) == "token_invalid"


def test_idempotency_key_depends_on_every_parameter():
    assert tokens.idempotency_key("n", "roof", 2500) == SignedTokens([OLD]).idempotency_key("n", "roof", 2500)
    keys = {tokens.idempotency_key(*args) for args in [("n", "a", "b"), ("m", "a", "b"), ("n", "ab", ""), ("n", "a")]}
    assert len(keys) == 4
    assert all(len(key) <= 255 for key in keys)


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789_ ", max_size=200), st.text(min_size=1, max_size=40))
def test_encrypted_text_needs_its_nonce_and_always_differs(text, other):
    tokens = SignedTokens(["k" * 32])
    encrypted = tokens.encrypt("nonce", text)
    assert SignedTokens(["another" * 5]).decrypt("nonce", encrypted) == text
    assert encrypted != tokens.encrypt("nonce", text)
    assert other == "nonce" or tokens.decrypt(other, encrypted) == ""


@given(st.integers(0, 1_000), st.integers(1, 255))
def test_changed_ciphertext_is_ignored(at, change):
    tokens = SignedTokens(["k" * 32])
    data = bytearray(base64.urlsafe_b64decode(tokens.encrypt("nonce", "order cs_test_1")))
    data[at % len(data)] ^= change
    assert tokens.decrypt("nonce", base64.urlsafe_b64encode(data).decode()) == ""


@given(st.text(max_size=80))
def test_foreign_text_is_ignored(text):
    assert SignedTokens(["k" * 32]).decrypt("nonce", text) == ""
