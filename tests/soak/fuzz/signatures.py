"""Change a byte of a valid signature, body, secret or time."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections import Counter
from datetime import UTC, datetime

from donation_card.adapters.stripe.webhook_signature import TOLERANCE, verify
from donation_card.errors import Invalid

from tests.soak.fuzz.requests import changed

SECRETS = ("whsec_" + "n" * 20, "whsec_" + "o" * 20)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STAMP = int(NOW.timestamp())
KINDS = ("header", "body", "secret", "time", "scheme", "short", "other algorithm", "stamp alone", "many")
BODY = b'{"id":"evt_1","object":"event","type":"checkout.session.completed","data":{"object":{"amount_total":2500}}}'


def digest(body: bytes, secret: str, stamp: object) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def header(body: bytes, secret: str = SECRETS[0], stamp: int = STAMP) -> bytes:
    return f"t={stamp},v1={digest(body, secret, stamp)}".encode()


def forged(dice: random.Random) -> tuple[str, bytes, bytes]:
    """Hold a forgery: its kind, the body and the header."""
    kind = dice.choice(KINDS)
    body, good = BODY, header(BODY, dice.choice(SECRETS))
    if kind == "header":
        good = changed(good, dice, good)
    elif kind == "body":
        body = changed(body, dice, body)
    elif kind == "secret":
        good = header(body, changed(SECRETS[0].encode(), dice).decode("latin-1"))
    elif kind == "time":
        good = header(body, stamp=STAMP + dice.choice((-1, 1)) * dice.randrange(TOLERANCE + 1, 10**9))
    elif kind == "scheme":
        good = good.replace(b"v1=", dice.choice((b"v0=", b"V1=", b"v2=", b"v1 =", b"", b"sha256=")))
    elif kind == "short":
        good = good[: -dice.randrange(1, 64)]
    elif kind == "other algorithm":
        name = dice.choice(("md5", "sha1", "sha384", "sha512"))
        good = f"t={STAMP},v1={hmac.new(SECRETS[0].encode(), BODY, name).hexdigest()[:64]}".encode()
    elif kind == "stamp alone":
        good = good.replace(b"t=%d" % STAMP, b"t=%d" % (STAMP + dice.choice((-1, 1)) * dice.randrange(1, TOLERANCE)))
    else:
        good = f"t={STAMP}".encode() + b"".join(
            b",v1=%064x" % dice.getrandbits(256) for _ in range(dice.randrange(1, 20))
        )
    return kind, body, good


def same(good: bytes, body: bytes) -> bool:
    """Return True if a changed header still has the signed values: spaces and other schemes may differ."""
    parts = [part.strip() for part in good.split(b",")]
    stamps = [part for part in parts if part.startswith(b"t=")]
    true = {b"v1=" + digest(body, secret, STAMP).encode() for secret in SECRETS}
    return body == BODY and len(stamps) == 1 and stamps[0] == b"t=%d" % STAMP and bool(true & set(parts))


def run(count: int, seed: int) -> Counter[str]:
    """Raise AssertionError with a forgery that was accepted."""
    dice, seen = random.Random(seed), Counter[str]()
    verify(BODY, header(BODY), SECRETS, NOW)
    while seen.total() < count:
        kind, body, good = forged(dice)
        if same(good, body):
            continue
        try:
            verify(body, good, SECRETS, NOW)
        except Invalid:
            seen[f"{kind}, refused"] += 1
        else:
            raise AssertionError(f"accepted: {good!r} for {body!r}")
    return seen
