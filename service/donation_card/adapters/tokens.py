"""Sign tokens with itsdangerous, so that nothing about them is stored, and encrypt form sessions.

The newest of `SECRET_KEYS` signs and all of them verify, so that a key can be replaced while forms are open.
"""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from donation_card.application.ports.tokens import FormToken, SessionHandle
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME, SESSION_HANDLE_LIFETIME
from donation_card.errors import Invalid


class SignedTokens:
    """Implement `ports.tokens.Tokens`."""

    def __init__(self, keys: Sequence[str]) -> None:
        oldest_first = list(reversed(keys))  # itsdangerous signs with the last of a list
        kwargs: dict[str, Any] = {"signer_kwargs": {"digest_method": hashlib.sha256, "key_derivation": "hmac"}}
        self._form = URLSafeTimedSerializer(oldest_first, salt="donation-card/form", **kwargs)
        self._handle = URLSafeTimedSerializer(oldest_first, salt="donation-card/handle", **kwargs)
        self._return = URLSafeTimedSerializer(oldest_first, salt="donation-card/return", **kwargs)

    def issue_form_token(self, campaign: str, site: str) -> str:
        return _text(self._form.dumps([campaign, site, secrets.token_urlsafe(16)]))

    def read_form_token(self, token: str) -> FormToken:
        """Return the content. A `token_expired` error names the campaign, to lead the donor back."""
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
        (campaign, nonce, back), _ = _read(
            lambda: self._return.loads(text, max_age=SESSION_HANDLE_LIFETIME, return_timestamp=True), text, 3
        )
        return campaign, nonce, back

    def encrypt(self, attempt_id: str, text: str) -> str:
        return _fernet(attempt_id).encrypt(text.encode()).decode()

    def decrypt(self, attempt_id: str, encrypted: str) -> str:
        try:
            return _fernet(attempt_id).decrypt(encrypted).decode()
        except (InvalidToken, ValueError):  # ValueError: text that is not ASCII
            return ""

    def idempotency_key(self, attempt_id: str, *parameters: object) -> str:
        message = "\x1f".join(str(parameter) for parameter in parameters)
        return hmac.new(attempt_id.encode(), message.encode(), hashlib.sha256).hexdigest()


def _fernet(attempt_id: str) -> Fernet:
    """Derive the key from `attempt_id`, which has 128 random bits (RFC 5869, 3.3)."""
    key = hmac.digest(attempt_id.encode(), b"donation-card/form-session", "sha256")
    return Fernet(urlsafe_b64encode(key))


def _text(signed: str | bytes) -> str:
    return signed.decode() if isinstance(signed, bytes) else signed


def _read(load: Any, given: str, length: int) -> tuple[list[str], Any]:
    """Convert errors of itsdangerous to Invalid."""
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
