"""Send malformed input: raw requests, forged signatures, and foreign bytes for every parser.

`python -m tests.soak.fuzz` runs the same for longer. A failure names its seed.
"""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tests.soak.fuzz import guided, signatures, wire
from tests.soak.fuzz.parsers import PARSERS, SEEDS
from tests.soak.fuzz.requests import changed

SEED = random.SystemRandom().randrange(10**6)
REQUESTS, SIGNATURES = 15_000, 20_000


def test_raw_request_fuzz_gets_only_deliberate_responses():
    seen = wire.run(REQUESTS, SEED)
    print(f"seed {SEED}: {dict(seen.statuses)}")
    assert seen.handled >= REQUESTS
    assert {"200", "201", "400", "404", "405", "413", "415"} <= set(seen.statuses)  # it got everywhere


def test_forged_signatures_are_refused():
    seen = signatures.run(SIGNATURES, SEED)
    assert seen.total() == SIGNATURES
    assert len(seen) == len(signatures.KINDS)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_no_bytes_break_a_parser(name, data):
    """Send any bytes, any text, and good input with a few changes."""
    dice = data.draw(st.randoms(use_true_random=False))
    good = st.sampled_from(SEEDS[name]).map(lambda seed: changed(changed(seed, dice, seed), dice, seed))
    PARSERS[name](data.draw(st.binary(max_size=300) | st.text(max_size=200).map(str.encode) | good))


@pytest.mark.parametrize("name", PARSERS)
def test_parsers_accept_valid_input(name):
    for seed in SEEDS[name]:
        PARSERS[name](seed)


def test_atheris_reaches_code_behind_a_parser():
    """`make stress` runs it for longer. Here it must run, and be guided by coverage."""
    assert guided.execute("lang", seconds=300, seed=1, runs=2_000) == 2_000


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (503, b'{"code":"progress_unknown"}', False),
        (503, b'<section data-code="payments_unavailable">', False),
        (503, b'{"ready":false,"parts":{}}', False),
        (501, b'{"code":"format_not_supported"}', False),
        (503, b'{"code":"internal"}', True),
        (500, b'{"code":"internal"}', True),
        (500, b"Internal Server Error", True),
        (502, b"", True),
    ],
)
def test_fuzzer_distinguishes_refusal_from_failure(status, body, wrong):
    seen = wire.Seen()
    seen.note(status, body, b"GET / HTTP/1.1")
    assert bool(seen.wrong) == wrong


def test_deliberate_codes_exist_in_the_service():
    modules = [Path("service/donation_card/errors.py"), *Path("service/donation_card/application").glob("*.py")]
    errors = "".join(module.read_text() for module in modules)
    assert set(re.findall(r'"([a-z_]+)"', errors)) >= wire.UNAVAILABLE
