"""What the fields of a campaign file must be to each other: sums, order, steps, translations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from donation_card.adapters.campaign_files.schema import CampaignFile, given
from donation_card.domain.money import Money
from donation_card.errors import Fault

LARGEST_CHARGE: Final = 99_999_999
"""Minor units: eight digits, which Stripe takes in every currency (https://docs.stripe.com/currencies)."""

SMALLEST_CHARGE: Final = {
    "AED": 200, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500, "JPY": 50, "MXN": 1000, "MYR": 200,
    "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
}  # fmt: skip
"""Minor units, from the same page; half a unit in the others. Stripe holds what it settles in to these, too."""


class Broken(NamedTuple):
    """A rule that does not hold: the field to mend, what it is, what it may be."""

    field: str
    given: str
    allowed: str


Rule = Callable[[CampaignFile], Iterator[Broken]]
_RULES: list[tuple[frozenset[str], Rule]] = []
_STEP_RULES: list[tuple[frozenset[str], Rule]] = []


def rule(*sections: str, step: bool = False) -> Callable[[Rule], Rule]:
    """Register a rule about these sections; it is asked only if all of them are sound."""

    def register(check: Rule) -> Rule:
        (_STEP_RULES if step else _RULES).append((frozenset(sections), check))
        return check

    return register


def broken_rules(file: CampaignFile, unsound: Iterable[str], *, live: bool, source: str) -> list[Fault]:
    """`live`: published at once, so that the step protects nobody and is not enforced."""
    out = frozenset(unsound)
    rules = _RULES if live else _RULES + _STEP_RULES
    return [Fault(source, *broken) for wants, check in rules if not wants & out for broken in check(file)]


@rule("goal", "needs")
def needs_add_up(file: CampaignFile) -> Iterator[Broken]:
    total = sum(need.amount.amount for need in file.needs)
    gap = total - file.goal.amount
    if gap:
        more = Money(abs(gap), file.goal.currency)
        total_text = f"amounts that add up to {Money(total, file.goal.currency)}"
        yield Broken(
            "needs",
            f"{total_text}, {more} {'more' if gap > 0 else 'less'} than the goal",
            f"amounts that add up to the goal, {file.goal}",
        )


@rule("needs")
def needs_differ(file: CampaignFile) -> Iterator[Broken]:
    seen: set[str] = set()
    for at, need in enumerate(file.needs):
        if need.id in seen:
            yield Broken(f"needs[{at}].id", given(need.id), "an id that no other need has")
        seen.add(need.id)


@rule("needs", "text", "default_language", "offline", "updates")
def every_language_is_complete(file: CampaignFile) -> Iterator[Broken]:
    spoken = dict.fromkeys([file.default_language, *file.text])
    for need in file.needs:
        spoken |= dict.fromkeys([*need.title, *need.detail])
    for donation in file.offline:
        spoken |= dict.fromkeys(donation.source)
    for update in file.updates:
        spoken |= dict.fromkeys(update.text)
    because = f"a text in each language of this campaign: {', '.join(spoken)}"
    for language in spoken:
        if language not in file.text:
            yield Broken(f"text.{language}", "nothing", because)
        for at, need in enumerate(file.needs):
            if language not in need.title:
                yield Broken(f"needs[{at}].title.{language}", "nothing", because)
            if need.detail and language not in need.detail:
                yield Broken(f"needs[{at}].detail.{language}", "nothing", because)
        for at, donation in enumerate(file.offline):
            if language not in donation.source:
                yield Broken(f"offline[{at}].source.{language}", "nothing", because)
        for at, update in enumerate(file.updates):
            if language not in update.text:
                yield Broken(f"updates[{at}].text.{language}", "nothing", because)


@rule("offline")
def offline_donations_are_something(file: CampaignFile) -> Iterator[Broken]:
    for at, donation in enumerate(file.offline):
        if donation.amount.amount <= 0:
            yield Broken(f"offline[{at}].amount", str(donation.amount), "more than nothing")


@rule("giving")
def limits_can_be_charged(file: CampaignFile) -> Iterator[Broken]:
    low, high = file.giving.minimum, file.giving.maximum
    smallest = Money(SMALLEST_CHARGE.get(low.currency, max(low.unit // 2, 1)), low.currency)
    if low < smallest:
        yield Broken("giving.minimum", str(low), f"at least {smallest}, the smallest charge in this currency")
    if high.amount > LARGEST_CHARGE:
        yield Broken("giving.maximum", str(high), f"at most {Money(LARGEST_CHARGE, high.currency)}")
    if high < low:
        yield Broken("giving.maximum", str(high), f"at least the minimum, {low}")


@rule("giving")
def suggestions_fit(file: CampaignFile) -> Iterator[Broken]:
    giving = file.giving
    for at, amount in enumerate(giving.suggested):
        field = f"giving.suggested[{at}]"
        if at and amount <= giving.suggested[at - 1]:
            yield Broken(field, str(amount), f"ascending amounts: more than {giving.suggested[at - 1]}")
        if amount < giving.minimum or giving.maximum < amount:
            yield Broken(field, str(amount), f"from the minimum, {giving.minimum}, to the maximum, {giving.maximum}")


@rule("giving")
def whole_units_where_no_decimals(file: CampaignFile) -> Iterator[Broken]:
    giving = file.giving
    named = {"giving.minimum": giving.minimum, "giving.maximum": giving.maximum}
    named |= {f"giving.suggested[{at}]": amount for at, amount in enumerate(giving.suggested)}
    for field, amount in named.items():
        if not giving.decimals and not amount.whole:
            yield Broken(field, str(amount), "a whole amount, because giving.decimals is false")


@rule("warn_banks_of")
def countries_once(file: CampaignFile) -> Iterator[Broken]:
    yield from _once("warn_banks_of", file.warn_banks_of)


@rule("sites")
def sites_once(file: CampaignFile) -> Iterator[Broken]:
    yield from _once("sites", file.sites)


def _once(field: str, values: list[str]) -> Iterator[Broken]:
    for at, value in enumerate(values):
        if value in values[:at]:
            yield Broken(f"{field}[{at}]", given(value), "each one once")


@rule("goal", "needs", "publication", step=True)
def steps_reach_everything(file: CampaignFile) -> Iterator[Broken]:
    step = file.publication.step
    named = {"goal": file.goal} | {f"needs[{at}].amount": need.amount for at, need in enumerate(file.needs)}
    for field, amount in named.items():
        if amount.amount % step.amount:
            yield Broken(field, str(amount), f"a multiple of publication.step, {step}")


@rule("giving", "publication", step=True)
def one_gift_moves_no_step(file: CampaignFile) -> Iterator[Broken]:
    step = file.publication.step
    for at, amount in enumerate(file.giving.suggested):
        if 2 * amount.amount > step.amount:
            yield Broken(f"giving.suggested[{at}]", str(amount), f"at most half of publication.step, {step}")
