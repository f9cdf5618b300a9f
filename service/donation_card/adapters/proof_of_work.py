"""Issue and verify proofs of work in the format of ALTCHA 2 (https://altcha.org), without any other server.

The browser searches the counter whose key, derived with PBKDF2, has the prefix of the challenge. The library checks the
solution and its time, not that it is used once. `ports.RateLimiter` consumes each proof.
"""

import hmac
import secrets
import time
from collections.abc import Sequence

import altcha

from donation_card.domain.attack_detection import MAX_LEVEL

PBKDF2_ITERATIONS = 5_000
"""Iterations for one attempt: the overhead of a browser is small beside it, and a verification takes about 2 ms."""

MEAN_ATTEMPTS = 300
"""Average number of attempts at level 1, and at most 1.5 times as many: about a second on a laptop."""

CHALLENGE_LIFETIME = 10 * 60
"""Seconds for which a challenge is valid."""


class ProofOfWork:
    """Implement `ports.Challenges`. `keys`: as in `SECRET_KEYS`, newest first."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [_derive_keys(key) for key in keys]

    def issue(self, form_hash: str, level: int) -> dict[str, object]:
        """Return a challenge. The work doubles with each level; level 0 is as much work as level 1."""
        attempts = MEAN_ATTEMPTS << (min(max(level, 1), MAX_LEVEL) - 1)
        challenge, solution = self._keys[0]
        issued: dict[str, object] = altcha.create_challenge(
            "PBKDF2/SHA-256",
            PBKDF2_ITERATIONS,
            counter=attempts // 2 + secrets.randbelow(attempts),
            expires_at=int(time.time()) + CHALLENGE_LIFETIME,
            data={"form_hash": form_hash},
            hmac_secret=challenge,
            hmac_key_secret=solution,
        ).to_dict()
        return issued

    def verify(self, proof: str, form_hash: str) -> str | None:
        try:
            payload = altcha.Payload.from_base64(proof)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        parameters = payload.challenge.parameters
        for challenge, solution in self._keys:
            if altcha.verify_solution(payload, challenge, hmac_key_secret=solution).verified:
                ours = parameters.data == {"form_hash": form_hash}  # the signature covers it
                return parameters.nonce if ours else None
        return None


def _derive_keys(key: str) -> tuple[bytes, bytes]:
    """Return one key for challenges and one for solutions."""
    challenge, solution = (hmac.digest(key.encode(), b"donation-card/" + use, "sha256") for use in (b"ask", b"answer"))
    return challenge, solution
