"""Run the live check against stand-ins for Stripe, and check each verdict: `python -m tests.soak.live_check`.

Stripe itself cannot be reached from a test. Each stand-in is the sandbox with one change.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from donation_card.observability.logs import configure_logs

from tests.live_check.__main__ import run
from tests.live_check.report import Outcome, exit_status
from tests.live_check.steps import REFUND_RIGHT, SERVICE_RIGHTS, STEPS
from tests.support import stand_ins

KEYS = "rk_test_0123456789", "pk_test_0123456789"
BROWSER_STEPS = ("embedded-pay", "3d-secure", "decline")


@dataclass(frozen=True)
class StandIn:
    """Describe one stand-in. `differs` and `not_run` are steps; all others must pass."""

    options: dict[str, Any]
    differs: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    contains: tuple[str, ...] = field(default=())

    def expected(self, name: str) -> Outcome:
        if name in self.differs:
            return Outcome.DIFFERS
        if name in self.not_run:
            return Outcome.NOT_RUN
        return Outcome.NOT_POSSIBLE if name == "webhook" else Outcome.OK


RIGHTS = (*SERVICE_RIGHTS, REFUND_RIGHT)
WITHOUT_RIGHTS = ("keys", "rights", "webhook", "cleanup")
STAND_INS = {
    "the sandbox": StandIn({}),
    "leaves out every optional field": StandIn({"change": stand_ins.without_optional_fields}),
    "the key lacks rights": StandIn(
        {"key": KEYS[0], "lacks": RIGHTS},
        differs=("rights",),
        not_run=tuple(step.name for step in STEPS if step.name not in WITHOUT_RIGHTS),
        contains=RIGHTS,
    ),
    "the card form is in nested frames": StandIn({"change": stand_ins.form_in_nested_frames}),
    "the payment page is empty": StandIn(
        {"change": stand_ins.without_form},
        differs=("embedded-page",),
        not_run=BROWSER_STEPS,
        names=("embedded-page", *BROWSER_STEPS),
        contains=("no visible field for a card number",),
    ),
    "our policy blocks Stripe's script": StandIn(
        {"change": stand_ins.script_that_is_blocked},
        differs=("embedded-page",),
        not_run=BROWSER_STEPS,
        names=("embedded-page", *BROWSER_STEPS),
        contains=("img-src https://blocked.example",),
    ),
}


def failures(stand_in: StandIn) -> list[str]:
    """Run the check against a stand-in and return what was not expected."""
    lines: list[str] = []
    with stand_ins.stripe_stand_in(**stand_in.options) as url:
        results = run(*KEYS, url, names=stand_in.names, say=lines.append, timeout=30)
    found = [
        f"{each.step.name}: {each.verdict}, and not {stand_in.expected(each.step.name)}; {' '.join(each.details)}"
        for each in results
        if each.verdict != stand_in.expected(each.step.name)
    ]
    found += [f"the table lacks {text}" for text in stand_in.contains if text not in lines[-1]]
    if exit_status(results) != int(bool(stand_in.differs)):
        found.append(f"exit status {exit_status(results)}")
    return found


def main() -> None:
    configure_logs("error")
    wrong = 0
    for name, stand_in in STAND_INS.items():
        found = failures(stand_in)
        print(f"{'FAILED' if found else 'ok':>7}  {name}", *found, sep="\n         ", flush=True)
        wrong += bool(found)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
