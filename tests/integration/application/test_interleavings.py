"""Check that the totals equal Stripe's after any order of steps, faults and jumping clocks.

`SEED=… COUNT=…` repeats or extends a run. `python -m tests.soak.interleavings` tries two million scenarios.
"""

from __future__ import annotations

import os

import pytest

from tests.support.interleavings import DIMENSIONS, run_scenarios
from tests.support.oracle import Sums, expected_totals

COUNT = int(os.environ.get("COUNT", "4000"))
SEED = int(os.environ.get("SEED", "20261126"))


def test_random_interleavings_end_with_stripes_totals() -> None:
    print(f"{run_scenarios(SEED, COUNT)} interleavings with {', '.join(DIMENSIONS)}")


ADA = {
    "status": "complete",
    "payment_status": "paid",
    "currency": "eur",
    "amount_total": 100_00,
    "payment_intent": "pi_ada",
    "metadata": {"campaign": "one"},
}
REFUND = {"payment_intent": "pi_ada", "currency": "eur", "amount": 30_00, "status": None}


def usd(amount: int, category: str = "dispute", created: int = 1) -> dict[str, object]:
    return {"amount": amount, "currency": "usd", "created": created, "reporting_category": category}


def dispute(*moves: dict[str, object]) -> dict[str, object]:
    return {"payment_intent": "pi_ada", "currency": "eur", "amount": 100_00, "balance_transactions": list(moves)}


@pytest.mark.parametrize(
    ("raised", "session", "objects"),
    [
        (100_00, {}, {}),
        (60_00, {}, {"payments": {"pi_ada": {"currency": "eur", "amount_received": 60_00}}}),
        (70_00, {}, {"refunds": [REFUND]}),
        (100_00, {}, {"refunds": [REFUND | {"status": "failed"}]}),
        (0, {"payment_status": "processing"}, {"refunds": [REFUND]}),
        (0, {"metadata": {"campaign": "two"}}, {"refunds": [REFUND]}),
        (0, {"amount_total": -5_00}, {}),
        (0, {"payment_intent": None}, {"refunds": [REFUND]}),
        (50_00, {}, {"disputes": [dispute(usd(-110_00), usd(55_00, "dispute_reversal", 2))]}),
        (0, {}, {"disputes": [dispute(usd(-110_00), usd(3_00, "other_adjustment"))]}),
        (0, {}, {"disputes": [dispute(usd(-110_00), usd(110_00, "dispute_reversal"), usd(-110_00))]}),
    ],
)
def test_oracle_has_the_totals_of_the_examples(
    raised: int, session: dict[str, object], objects: dict[str, list[dict[str, object]]]
) -> None:
    given = {"payments": {}, "refunds": [], "disputes": []} | objects
    assert expected_totals({"one": "eur"}, sessions=[ADA | session], **given)["one"] == Sums(
        raised, int(raised > 0 or "disputes" in objects)
    )
