"""Run named steps one after another, give each a verdict, and print them as a table."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.live_check.check import LiveCheck

Say = Callable[[str], None]


class Outcome(StrEnum):
    OK = "ok"
    DIFFERS = "differs"
    NOT_POSSIBLE = "not possible here"
    NOT_RUN = "not run"
    NOT_FINISHED = "not finished"


PASSING = (Outcome.OK, Outcome.NOT_POSSIBLE)


class NotPossibleError(Exception):
    """Raise this in a step that this machine or this account cannot prove. Its text says how to prove it instead."""


@dataclass(frozen=True)
class Step:
    """One step. `run` yields every difference that it finds.

    `after`: steps that must be ok before. `rights`: rights of the key without which the step is not run.
    """

    name: str
    title: str
    run: Callable[[LiveCheck], Iterable[str]]
    after: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    step: Step
    verdict: Outcome
    details: tuple[str, ...] = ()


def run_steps(check: LiveCheck, steps: Sequence[Step], say: Say, results: list[Result]) -> None:
    """Run the steps in their order and append their results. An error ends only its own step."""
    interrupted = ""
    for step in steps:
        try:
            result = _blocked(step, check, results, interrupted) or _run(step, check)
        except KeyboardInterrupt:
            interrupted = "you interrupted the check"
            result = Result(step, Outcome.NOT_FINISHED, (interrupted,))
        results.append(result)
        say(f"{result.verdict:>17}  {step.name}")


def _blocked(step: Step, check: LiveCheck, results: list[Result], interrupted: str) -> Result | None:
    lacking = [check.missing_rights[right] for right in step.rights if right in check.missing_rights]
    failed = [each.step.name for each in results if each.step.name in step.after and each.verdict is not Outcome.OK]
    reasons = [interrupted] if interrupted else list(dict.fromkeys(lacking))
    if failed and not reasons:
        reasons = [f"{', '.join(failed)} must be ok before"]
    return Result(step, Outcome.NOT_RUN, tuple(reasons)) if reasons else None


def _run(step: Step, check: LiveCheck) -> Result:
    try:
        found = tuple(step.run(check))
    except NotPossibleError as reason:
        return Result(step, Outcome.NOT_POSSIBLE, (str(reason),))
    except Exception as error:
        return Result(step, Outcome.NOT_FINISHED, (describe(error),))
    return Result(step, Outcome.DIFFERS if found else Outcome.OK, (*found, *check.take_notes()))


def describe(error: BaseException) -> str:
    """Return the kind and the first line of an error."""
    text = next((line for line in str(error).splitlines() if line.strip()), "no details")
    return f"{type(error).__name__}: {text.strip()[:300]}"


def table(results: Sequence[Result]) -> str:
    """Return the table: step, verdict, and the title of the step or what it found."""
    rows = [("step", "verdict", ["what it proves, and what it found"])]
    for result in results:
        lines = [line for text in (result.step.title, *result.details) for line in textwrap.wrap(text, 100)]
        rows.append((result.step.name, result.verdict.value, lines))
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = []
    for name, verdict, texts in rows:
        for number, text in enumerate(texts):
            shown = (name, verdict) if number == 0 else ("", "")
            lines.append(f"{shown[0]:{first}}  {shown[1]:{second}}  {'  ' * bool(number)}{text}".rstrip())
    return "\n".join(lines)


def exit_status(results: Sequence[Result]) -> int:
    """Return 0 if every step is ok or not possible here, otherwise 1."""
    return int(not results or any(result.verdict not in PASSING for result in results))
