"""Run the live check: `python -m tests.live_check [step…]`, with the keys of a test mode in the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import stripe
from donation_card.observability.logs import configure_logs

from tests.live_check.check import STRIPE, live_check
from tests.live_check.report import Outcome, Result, Say, Step, describe, exit_status, run_steps, table
from tests.live_check.steps import STEPS

VARIABLES = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY")


CHECK = Step("check", "the check itself starts and stops", lambda check: ())


def run(
    secret_key: str,
    publishable_key: str,
    url: str = STRIPE,
    account: str | None = None,
    *,
    names: Sequence[str] = (),
    say: Say = print,
    timeout: float = 60,
) -> list[Result]:
    """Run the steps, or those of `names` with the steps that they need, and print the table."""
    results: list[Result] = []
    try:
        with live_check(secret_key, publishable_key, url, account, timeout=timeout) as check:
            run_steps(check, chosen(names), say, results)
    except (Exception, KeyboardInterrupt) as error:  # starting or stopping the check itself failed
        results.append(Result(CHECK, Outcome.NOT_FINISHED, (describe(error),)))
    say("")
    say(table(results))
    return results


def chosen(names: Sequence[str]) -> list[Step]:
    """Return the steps of these names, those that they need, and the cleanup. Without names return all."""
    wanted, by_name = {*names, "cleanup"} if names else set(), {step.name: step for step in STEPS}
    todo = list(wanted)
    while todo:
        needed = {"keys", "rights", *by_name[todo.pop()].after} - wanted
        wanted |= needed
        todo += needed
    return [step for step in STEPS if not names or step.name in wanted]


def main() -> None:
    names = sys.argv[1:]
    if unknown := set(names) - {step.name for step in STEPS}:
        sys.exit(f"unknown steps: {', '.join(sorted(unknown))}; known: {', '.join(step.name for step in STEPS)}")
    if any(name not in os.environ for name in VARIABLES):
        sys.exit(f"set {' and '.join(VARIABLES)}, of a test mode (docs/install.md)")
    configure_logs("error")
    url, account = os.environ.get("STRIPE_API_BASE", STRIPE), os.environ.get("STRIPE_ACCOUNT")
    print(f"Checking {url}, API version {stripe.api_version}. No money moves.", flush=True)
    results = run(*(os.environ[name] for name in VARIABLES), url, account, names=names, say=_say)
    sys.exit(exit_status(results))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
