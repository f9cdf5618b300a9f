"""Proofs of work in ALTCHA's format, version 2 (https://altcha.org), made and checked here: nobody else is asked.

A browser finds the one counter whose key, derived with PBKDF2, begins as the challenge says. The library checks that a
solution is right and in time, as often as it is shown: that each is used once is for `ports.Limits` to see to.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Final

import altcha

from donation_card.domain.attack_detection import MAX_LEVEL

PBKDF2_ITERATIONS: Final = 5_000
"""Rounds of PBKDF2 a try: a browser's own overhead is small beside it, and one is about 2 ms of work for us."""

MEAN_ATTEMPTS: Final = 300
"""Tries that the first level takes on average, never more than half as many again: a second for a laptop."""

CHALLENGE_LIFETIME: Final = 10 * 60
"""Seconds in which a challenge can be solved and used."""


class ProofOfWork:
    """Implements `donation_card.application.ports.Challenges`. `keys` as in `SECRET_KEYS`, newest first."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [_derived(key) for key in keys]

    def issue(self, form_hash: str, level: int) -> dict[str, object]:
        """The work doubles with each level from 1 on; 0 is asked as little as 1."""
        tries = MEAN_ATTEMPTS << (min(max(level, 1), MAX_LEVEL) - 1)
        challenge, solution = self._keys[0]
        made: dict[str, object] = altcha.create_challenge(
            "PBKDF2/SHA-256",
            PBKDF2_ITERATIONS,
            counter=tries // 2 + secrets.randbelow(tries),
            expires_at=int(time.time()) + CHALLENGE_LIFETIME,
            data={"form_hash": form_hash},
            hmac_secret=challenge,
            hmac_key_secret=solution,
        ).to_dict()
        return made

    def verify(self, proof: str, form_hash: str) -> str | None:
        try:
            payload = altcha.Payload.from_base64(proof)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        parameters = payload.challenge.parameters
        for challenge, solution in self._keys:
            if altcha.verify_solution(payload, challenge, hmac_key_secret=solution).verified:
                ours = parameters.data == {"form_hash": form_hash}  # signed, like everything in it
                return parameters.nonce if ours else None
        return None


def _derived(key: str) -> tuple[bytes, bytes]:
    """Two keys, one for what we ask and one for its answer."""
    ask, answer = (hmac.digest(key.encode(), b"donation-card/" + use, hashlib.sha256) for use in (b"ask", b"answer"))
    return ask, answer
