"""The port to signed and encrypted texts."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FormToken:
    """The signed content of a donation form: campaign, site and one attempt to donate. Valid for 60 minutes."""

    campaign: str
    site: str
    attempt_id: str
    issued_at: int
    """UTC seconds."""


@dataclass(frozen=True, slots=True)
class SessionHandle:
    """The signed reference to a checkout session that the donor's browser keeps. Valid for 24 hours."""

    session_id: str
    campaign: str
    attempt_id: str


class Tokens(Protocol):
    """Issue signed tokens, which are not secret, and read them.

    Every `read_` method raises Invalid: `token_missing`, `token_expired`, `token_invalid`.
    """

    def issue_form_token(self, campaign: str, site: str) -> str: ...

    def read_form_token(self, token: str) -> FormToken: ...

    def issue_handle(self, handle: SessionHandle) -> str: ...

    def read_handle(self, text: str) -> SessionHandle: ...

    def issue_return_token(self, campaign: str, attempt_id: str, return_url: str) -> str:
        """Sign the way back from the hosted page. It proves only that we sent the donor there.

        `return_url` is the article that the donor came from, or empty.
        """

    def read_return_token(self, text: str) -> tuple[str, str, str]: ...

    def encrypt(self, attempt_id: str, text: str) -> str:
        """Encrypt a text under a key that is derived from `attempt_id`."""

    def decrypt(self, attempt_id: str, encrypted: str) -> str:
        """Return the text, or an empty string if it is not valid for this `attempt_id`."""

    def idempotency_key(self, attempt_id: str, *parameters: object) -> str:
        """Return an HMAC of `attempt_id` and the parameters. It contains nothing personal."""
