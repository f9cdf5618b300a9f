"""Check rules that concern several fields of a campaign file: sums, order, steps, translations."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from donation_card.adapters.campaign_files.schema import CampaignFile, quote_value
from donation_card.domain.money import Money
from donation_card.errors import ConfigFault

MAX_CHARGE = 99_999_999
"""Minor units: eight digits, the most that Stripe accepts in every currency (https://docs.stripe.com/currencies)."""

MIN_CHARGE = {
    "AED": 200, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500, "JPY": 50, "MXN": 1000, "MYR": 200,
    "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
}  # fmt: skip
"""Minor units, from the same page; half a major unit in all other currencies."""


class Violation(NamedTuple):
    """A broken rule: the field to correct, the value it has, and the values it may have."""

    field: str
    given: str
    allowed: str


Constraint = Callable[[CampaignFile], Iterator[Violation]]
_CONSTRAINTS: list[tuple[frozenset[str], Constraint]] = []
_GRANULARITY_CONSTRAINTS: list[tuple[frozenset[str], Constraint]] = []


def constraint(*sections: str, granularity: bool = False) -> Callable[[Constraint], Constraint]:
    """Register a rule about these sections. It is checked only if all of them are valid.

    `granularity`: the rule is about the publication step, so it does not apply if totals are published at once.
    """

    def register(check: Constraint) -> Constraint:
        (_GRANULARITY_CONSTRAINTS if granularity else _CONSTRAINTS).append((frozenset(sections), check))
        return check

    return register


def violations(
    file: CampaignFile, invalid_sections: Iterable[str], *, immediate: bool, source: str
) -> list[ConfigFault]:
    """Return every broken rule of the valid sections. `immediate`: the total is published exactly and at once."""
    skipped = frozenset(invalid_sections)
    constraints = _CONSTRAINTS if immediate else _CONSTRAINTS + _GRANULARITY_CONSTRAINTS
    return [
        ConfigFault(source, *violation)
        for sections, check in constraints
        if not sections & skipped
        for violation in check(file)
    ]


@constraint("goal", "needs")
def needs_add_up(file: CampaignFile) -> Iterator[Violation]:
    total = sum(need.amount.amount for need in file.needs)
    gap = total - file.goal.amount
    if gap:
        difference = Money(abs(gap), file.goal.currency)
        total_text = f"amounts that add up to {Money(total, file.goal.currency)}"
        yield Violation(
            "needs",
            f"{total_text}, {difference} {'more' if gap > 0 else 'less'} than the goal",
            f"amounts that add up to the goal, {file.goal}",
        )


@constraint("needs")
def need_ids_are_unique(file: CampaignFile) -> Iterator[Violation]:
    seen: set[str] = set()
    for at, need in enumerate(file.needs):
        if need.id in seen:
            yield Violation(f"needs[{at}].id", quote_value(need.id), "an id that no other need has")
        seen.add(need.id)


@constraint("needs", "text", "default_language", "offline", "updates")
def every_language_is_complete(file: CampaignFile) -> Iterator[Violation]:
    languages = dict.fromkeys([file.default_language, *file.text])
    for need in file.needs:
        languages |= dict.fromkeys([*need.title, *need.detail])
    for donation in file.offline:
        languages |= dict.fromkeys(donation.source)
    for update in file.updates:
        languages |= dict.fromkeys(update.text)
    because = f"a text in each language of this campaign: {', '.join(languages)}"
    for language in languages:
        if language not in file.text:
            yield Violation(f"text.{language}", "nothing", because)
        for at, need in enumerate(file.needs):
            if language not in need.title:
                yield Violation(f"needs[{at}].title.{language}", "nothing", because)
            if need.detail and language not in need.detail:
                yield Violation(f"needs[{at}].detail.{language}", "nothing", because)
        for at, donation in enumerate(file.offline):
            if language not in donation.source:
                yield Violation(f"offline[{at}].source.{language}", "nothing", because)
        for at, update in enumerate(file.updates):
            if language not in update.text:
                yield Violation(f"updates[{at}].text.{language}", "nothing", because)


@constraint("offline")
def offline_donations_are_positive(file: CampaignFile) -> Iterator[Violation]:
    for at, donation in enumerate(file.offline):
        if donation.amount.amount <= 0:
            yield Violation(f"offline[{at}].amount", str(donation.amount), "more than nothing")


@constraint("giving")
def limits_are_chargeable(file: CampaignFile) -> Iterator[Violation]:
    low, high = file.giving.minimum, file.giving.maximum
    smallest = Money(MIN_CHARGE.get(low.currency, max(low.minor_per_major // 2, 1)), low.currency)
    if low < smallest:
        yield Violation("giving.minimum", str(low), f"at least {smallest}, the smallest charge in this currency")
    if high.amount > MAX_CHARGE:
        yield Violation("giving.maximum", str(high), f"at most {Money(MAX_CHARGE, high.currency)}")
    if high < low:
        yield Violation("giving.maximum", str(high), f"at least the minimum, {low}")


@constraint("giving")
def suggested_amounts_are_in_order_and_in_limits(file: CampaignFile) -> Iterator[Violation]:
    giving = file.giving
    for at, amount in enumerate(giving.suggested):
        field = f"giving.suggested[{at}]"
        if at and amount <= giving.suggested[at - 1]:
            yield Violation(field, str(amount), f"ascending amounts: more than {giving.suggested[at - 1]}")
        if amount < giving.minimum or giving.maximum < amount:
            yield Violation(field, str(amount), f"from the minimum, {giving.minimum}, to the maximum, {giving.maximum}")


@constraint("giving")
def amounts_are_whole_without_decimals(file: CampaignFile) -> Iterator[Violation]:
    giving = file.giving
    named = {"giving.minimum": giving.minimum, "giving.maximum": giving.maximum}
    named |= {f"giving.suggested[{at}]": amount for at, amount in enumerate(giving.suggested)}
    for field, amount in named.items():
        if not giving.decimals and not amount.is_whole:
            yield Violation(field, str(amount), "a whole amount, because giving.decimals is false")


@constraint("warned_bank_countries")
def countries_are_unique(file: CampaignFile) -> Iterator[Violation]:
    yield from _duplicates("warned_bank_countries", file.warned_bank_countries)


@constraint("sites")
def sites_are_unique(file: CampaignFile) -> Iterator[Violation]:
    yield from _duplicates("sites", file.sites)


def _duplicates(field: str, values: list[str]) -> Iterator[Violation]:
    for at, value in enumerate(values):
        if value in values[:at]:
            yield Violation(f"{field}[{at}]", quote_value(value), "each one once")


@constraint("goal", "needs", "publication", granularity=True)
def amounts_are_multiples_of_the_step(file: CampaignFile) -> Iterator[Violation]:
    step = file.publication.step
    named = {"goal": file.goal} | {f"needs[{at}].amount": need.amount for at, need in enumerate(file.needs)}
    for field, amount in named.items():
        if amount.amount % step.amount:
            yield Violation(field, str(amount), f"a multiple of publication.step, {step}")


@constraint("giving", "publication", granularity=True)
def one_donation_is_less_than_a_step(file: CampaignFile) -> Iterator[Violation]:
    step = file.publication.step
    for at, amount in enumerate(file.giving.suggested):
        if 2 * amount.amount > step.amount:
            yield Violation(f"giving.suggested[{at}]", str(amount), f"at most half of publication.step, {step}")
