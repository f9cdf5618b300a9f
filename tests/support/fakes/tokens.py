"""In-memory fake of the port to signed and encrypted texts."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime

from donation_card.application.ports.tokens import FormToken, SessionHandle
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME
from donation_card.errors import Invalid


class FakeTokens:
    """Write tokens as readable JSON. They are not secret, and anybody could forge them."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self._attempts = itertools.count(1)

    def issue_form_token(self, campaign: str, site: str) -> str:
        return json.dumps(["form", campaign, site, f"attempt-{next(self._attempts)}", self._now()])

    def read_form_token(self, token: str) -> FormToken:
        campaign, site, attempt_id, issued_at = self._read(token, "form", 4)
        if self._now() - int(issued_at) > FORM_TOKEN_LIFETIME:
            raise Invalid("token_expired", campaign=str(campaign))
        return FormToken(str(campaign), str(site), str(attempt_id), int(issued_at))

    def issue_handle(self, handle: SessionHandle) -> str:
        return json.dumps(["handle", handle.session_id, handle.campaign, handle.attempt_id])

    def read_handle(self, text: str) -> SessionHandle:
        return SessionHandle(*self._read(text, "handle", 3))

    def issue_return_token(self, campaign: str, attempt_id: str, return_url: str) -> str:
        return json.dumps(["return", campaign, attempt_id, return_url])

    def read_return_token(self, text: str) -> tuple[str, str, str]:
        campaign, attempt_id, return_url = self._read(text, "return", 3)
        return campaign, attempt_id, return_url

    def encrypt(self, attempt_id: str, text: str) -> str:
        return json.dumps([attempt_id, text])

    def decrypt(self, attempt_id: str, encrypted: str) -> str:
        try:
            owner, text = json.loads(encrypted)
        except ValueError:
            return ""
        return str(text) if owner == attempt_id else ""

    def idempotency_key(self, attempt_id: str, *parameters: object) -> str:
        return hashlib.sha256(repr((attempt_id, *parameters)).encode()).hexdigest()

    def _now(self) -> int:
        return int(self.clock().timestamp())

    def _read(self, token: str, kind: str, length: int) -> list[str]:
        if not token:
            raise Invalid("token_missing")
        try:
            found_kind, *values = json.loads(token)
        except (ValueError, TypeError):
            raise Invalid("token_invalid") from None
        if found_kind != kind or len(values) != length:
            raise Invalid("token_invalid")
        return list(values)
