"""Tokens: what leaves us and comes back unchanged, signed with itsdangerous, so that nothing about it is stored.

`SECRET_KEYS` are tried newest first, so a key can be replaced while forms signed with the old one are still open.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Any

from itsdangerous import BadSignature, SignatureExpired, URLSafeSerializer, URLSafeTimedSerializer

from donation_card.application.ports.tokens import FormToken, SessionHandle
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME, SESSION_HANDLE_LIFETIME
from donation_card.errors import Invalid


class SignedTokens:
    """Implements `ports.Tokens`."""

    def __init__(self, keys: Sequence[str]) -> None:
        oldest_first = list(reversed(keys))  # itsdangerous signs with the last of a list
        kwargs: dict[str, Any] = {"signer_kwargs": {"digest_method": hashlib.sha256, "key_derivation": "hmac"}}
        self._form = URLSafeTimedSerializer(oldest_first, salt="donation-card/form", **kwargs)
        self._handle = URLSafeTimedSerializer(oldest_first, salt="donation-card/handle", **kwargs)
        self._return = URLSafeSerializer(oldest_first, salt="donation-card/return", **kwargs)

    def issue_form_token(self, campaign: str, site: str) -> str:
        return _text(self._form.dumps([campaign, site, secrets.token_urlsafe(16)]))

    def read_form_token(self, token: str) -> FormToken:
        """Raises `token_expired` with the campaign it was for, so that the donor can be led back."""
        (campaign, site, nonce), issued = _read(lambda: self._form.loads(token, return_timestamp=True), token, 3)
        if time.time() - issued.timestamp() > FORM_TOKEN_LIFETIME:
            raise Invalid("token_expired", campaign=campaign)
        return FormToken(campaign, site, nonce, int(issued.timestamp()))

    def issue_handle(self, handle: SessionHandle) -> str:
        return _text(self._handle.dumps([handle.session_id, handle.campaign, handle.attempt_id]))

    def read_handle(self, text: str) -> SessionHandle:
        (session_id, campaign, nonce), _ = _read(
            lambda: self._handle.loads(text, max_age=SESSION_HANDLE_LIFETIME, return_timestamp=True), text, 3
        )
        return SessionHandle(session_id, campaign, nonce)

    def issue_return_token(self, campaign: str, attempt_id: str, return_url: str) -> str:
        return _text(self._return.dumps([campaign, attempt_id, return_url]))

    def read_return_token(self, text: str) -> tuple[str, str, str]:
        (campaign, nonce, back), _ = _read(lambda: (self._return.loads(text), None), text, 3)
        return campaign, nonce, back

    def encrypt(self, attempt_id: str, text: str) -> str:
        salt, plain = secrets.token_bytes(16), text.encode()
        return (salt + _mask(attempt_id, salt, plain)).hex()

    def decrypt(self, attempt_id: str, encrypted: str) -> str:
        try:
            held = bytes.fromhex(encrypted)
            return _mask(attempt_id, held[:16], held[16:]).decode("ascii")
        except ValueError:
            return ""

    def idempotency_key(self, attempt_id: str, *parameters: object) -> str:
        message = "\x1f".join(str(parameter) for parameter in parameters)
        return hmac.new(attempt_id.encode(), message.encode(), hashlib.sha256).hexdigest()


def _mask(attempt_id: str, salt: bytes, text: bytes) -> bytes:
    """XOR with what HMAC makes of the nonce, a salt used once and a counter (SP 800-108, 4.1): its own inverse."""
    blocks = (hmac.digest(attempt_id.encode(), salt + bytes([n]), "sha256") for n in range(len(text) // 32 + 1))
    return bytes(a ^ b for a, b in zip(text, b"".join(blocks), strict=False))


def _text(signed: str | bytes) -> str:
    return signed.decode() if isinstance(signed, bytes) else signed


def _read(load: Any, given: str, length: int) -> tuple[list[str], Any]:
    """The one place where itsdangerous' errors become ours."""
    if not given:
        raise Invalid("token_missing")
    try:
        values, stamp = load()
    except SignatureExpired as error:
        raise Invalid("token_expired") from error
    except (BadSignature, ValueError) as error:  # ValueError: text that is not ASCII
        raise Invalid("token_invalid") from error
    if not (isinstance(values, list) and len(values) == length and all(isinstance(v, str) for v in values)):
        raise Invalid("token_invalid")
    return values, stamp
