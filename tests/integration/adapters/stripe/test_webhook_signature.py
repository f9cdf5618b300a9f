"""Test that only recent signatures of Stripe are accepted."""

import hmac
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from donation_card.adapters.stripe import webhook_signature
from donation_card.adapters.stripe.webhook_signature import TOLERANCE, verify
from donation_card.errors import Invalid
from hypothesis import given, strategies as st
from stripe import WebhookSignature

SECRET, OTHER = "whsec_" + "a" * 20, "whsec_" + "b" * 20
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BODY = '{"id": "evt_1", "note": "сума 25 €"}'


def signed(body=BODY, secret=SECRET, at=NOW):
    return WebhookSignature.generate_signature_header(body, secret, int(at.timestamp())).encode()


def refused(body, header, secrets=(SECRET,), now=NOW):
    with pytest.raises(Invalid) as caught:
        verify(body, header, secrets, now)
    return caught.value.code == "signature_invalid"


def test_signature_of_the_official_client_is_accepted():
    verify(BODY.encode(), signed(), (SECRET,), NOW)


def test_both_secrets_are_accepted_during_rotation():
    verify(BODY.encode(), signed(secret=OTHER), (SECRET, OTHER), NOW)
    both = signed() + b",v1=" + signed(secret=OTHER).partition(b"v1=")[2]
    verify(BODY.encode(), both, (OTHER,), NOW)


@pytest.mark.parametrize("away", [-TOLERANCE - 1, TOLERANCE + 1])
def test_signature_too_old_or_in_the_future_is_refused(away):
    at = NOW + timedelta(seconds=away)
    assert refused(BODY.encode(), signed(at=at))
    verify(BODY.encode(), signed(at=NOW + timedelta(seconds=away * TOLERANCE // (TOLERANCE + 1))), (SECRET,), NOW)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"t=,v1=",
        b"t=1",
        b"v1=" + b"0" * 64,
        b"t=nan,v1=" + b"0" * 64,
        b"t=-1,v1=" + b"0" * 64,
        "t=١٢٣,v1=é".encode(),
        b"t=1,t=2,v1=" + b"0" * 64,
        b"t=" + b"9" * 31 + b",v1=" + b"0" * 64,
        b"t=1763899200" + b",v1=" + b"0" * 64 + (b",v1=" + b"0" * 64) * 16,
        b"x" * 65_536,
    ],
)
def test_malformed_signature_header_is_refused(header):
    assert refused(BODY.encode(), header)


def test_signature_scheme_v0_is_refused():
    assert refused(BODY.encode(), signed().replace(b"v1=", b"v0="))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_random_signature_header_is_refused(body, header):
    assert refused(body, header)


@given(st.data())
def test_one_changed_byte_is_refused(data):
    body, header = bytearray(BODY.encode()), bytearray(signed())
    changed = data.draw(st.sampled_from([body, header]))
    position = data.draw(st.integers(0, len(changed) - 1))
    changed[position] = data.draw(st.integers(0, 255).filter(lambda byte: byte != changed[position]))
    if bytes(header).replace(b" ", b"") != signed():
        assert refused(bytes(body), bytes(header))


def test_many_candidates_cost_one_digest_for_each_secret(monkeypatch):
    made = []

    def new(*args):
        made.append(args)
        return hmac.HMAC(*args)

    monkeypatch.setattr(webhook_signature, "hmac", SimpleNamespace(new=new, compare_digest=hmac.compare_digest))
    forged = b"t=%d" % int(NOW.timestamp()) + b"".join(b",v1=%064x" % number for number in range(16))
    assert refused(BODY.encode(), forged, (SECRET, OTHER))
    assert len(made) == 2
