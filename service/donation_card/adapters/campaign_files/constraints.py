"""Check rules that concern several fields of a campaign file: sums, order, steps, translations."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

from donation_card.adapters.campaign_files.quoting import quote_value
from donation_card.adapters.campaign_files.schema import CampaignFile
from donation_card.domain.bank_transfer import MAX_EPC_BYTES, BankTransfer
from donation_card.domain.money import Money
from donation_card.domain.site_total import MIN_STEPS, is_at_most_half_of_the_joint_step, least_site_step
from donation_card.domain.spending import iso_date
from donation_card.errors import ConfigFault

MAX_CHARGE = 99_999_999
"""Minor units: eight digits, the most that Stripe accepts in every currency (https://docs.stripe.com/currencies)."""

MIN_CHARGE = {
    "AED": 200, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500, "JPY": 50, "MXN": 1000, "MYR": 200,
    "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
}  # fmt: skip
"""Minor units, from the same page; half a major unit in all other currencies."""


RECEIPT_CHECK = (
    "true. Look at it first: no surname, address, account, face, signature, bar code or QR code. "
    "donation-card check --receipts DIR writes what everybody will see"
)


class Violation(NamedTuple):
    """A broken rule: the field to correct, the value it has, and the values it may have."""

    field: str
    given: str
    allowed: str


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


def need_ids_are_unique(file: CampaignFile) -> Iterator[Violation]:
    ids = [need.id for need in file.needs]
    for at, need_id in enumerate(ids):
        if need_id in ids[:at]:
            yield Violation(f"needs[{at}].id", quote_value(need_id), "an id that no other need has")


def every_language_is_complete(file: CampaignFile) -> Iterator[Violation]:
    tables: list[tuple[str, Mapping[str, object]]] = [("text", file.text)]
    for at, need in enumerate(file.needs):
        tables += [(f"needs[{at}].title", need.title), *([(f"needs[{at}].detail", need.detail)] if need.detail else [])]
    tables += [(f"offline[{at}].source", donation.source) for at, donation in enumerate(file.offline)]
    for at, way in enumerate(file.other_ways):
        texts = {"title": way.title, "text": way.text, "traces": way.traces}
        tables += [(f"other_ways[{at}].{name}", table) for name, table in texts.items()]
    tables += [(f"updates[{at}].text", update.text) for at, update in enumerate(file.updates)]
    for at, spending in enumerate(file.spent):
        over = [(f"spent[{at}].over", spending.over)] if spending.over is not None else []
        tables += [(f"spent[{at}].text", spending.text), *over]
    tables += [("picture.alt", file.picture.alt)] if file.picture else []
    languages = dict.fromkeys([file.default_language, *(language for _, table in tables for language in table)])
    because = f"a text in each language of this campaign: {', '.join(languages)}"
    for language in languages:
        for path, table in tables:
            if language not in table:
                yield Violation(f"{path}.{language}", "nothing", because)


def offline_donations_are_positive(file: CampaignFile) -> Iterator[Violation]:
    for at, donation in enumerate(file.offline):
        if donation.amount.amount <= 0:
            yield Violation(f"offline[{at}].amount", str(donation.amount), "more than nothing")


def spendings_name_a_need(file: CampaignFile) -> Iterator[Violation]:
    ids = [need.id for need in file.needs]
    for at, spending in enumerate(file.spent):
        if spending.need not in ids:
            yield Violation(
                f"spent[{at}].need", quote_value(spending.need), f"a need of this campaign: {', '.join(ids)}"
            )


def spending_above_a_need_is_explained(file: CampaignFile) -> Iterator[Violation]:
    for need in file.needs:
        entries = [(at, spending) for at, spending in enumerate(file.spent) if spending.need == need.id]
        spent = Money(sum(spending.amount.amount for _, spending in entries), need.amount.currency)
        if need.amount < spent and not any(spending.over for _, spending in entries):
            because = f"why {spent} was spent on {need.id} instead of {need.amount}, in each language of this campaign"
            yield Violation(f"spent[{entries[-1][0]}].over", "nothing", because)


def spendings_are_not_in_the_future(file: CampaignFile, now: datetime) -> Iterator[Violation]:
    today = now.astimezone(file.publication.timezone).date()
    for at, spending in enumerate(file.spent):
        if spending.date[0] > today:
            given = iso_date(*spending.date)
            yield Violation(f"spent[{at}].date", given, f"a day or month that has begun, until {today}")


def receipts_were_looked_at(file: CampaignFile) -> Iterator[Violation]:
    for at, spending in enumerate(file.spent):
        if spending.receipt and not spending.receipt.checked:
            yield Violation(f"spent[{at}].receipt.checked", "false", RECEIPT_CHECK)


def limits_are_chargeable(file: CampaignFile) -> Iterator[Violation]:
    low, high = file.giving.minimum, file.giving.maximum
    smallest = Money(MIN_CHARGE.get(low.currency, max(low.minor_per_major // 2, 1)), low.currency)
    if low < smallest:
        yield Violation("giving.minimum", str(low), f"at least {smallest}, the smallest charge in this currency")
    if high.amount > MAX_CHARGE:
        yield Violation("giving.maximum", str(high), f"at most {Money(MAX_CHARGE, high.currency)}")
    if high < low:
        yield Violation("giving.maximum", str(high), f"at least the minimum, {low}")


def fee_is_chargeable(file: CampaignFile) -> Iterator[Violation]:
    fee, high = file.giving.fee, file.giving.maximum
    if fee is None:
        return
    if not fee.percent and not fee.fixed.amount:
        yield Violation("giving.fee", "no fee", "a percentage or a fixed amount above 0")
    whole = high + fee.card_fee.to_add(high)
    if high.amount <= MAX_CHARGE < whole.amount:
        most = Money(MAX_CHARGE, high.currency)
        yield Violation("giving.maximum", f"{high}, with its fee {whole}", f"at most {most} with the fee")


def suggested_amounts_are_in_order_and_in_limits(file: CampaignFile) -> Iterator[Violation]:
    giving = file.giving
    for at, amount in enumerate(giving.suggested):
        field = f"giving.suggested[{at}]"
        if at and amount <= giving.suggested[at - 1]:
            yield Violation(field, str(amount), f"ascending amounts: more than {giving.suggested[at - 1]}")
        if amount < giving.minimum or giving.maximum < amount:
            yield Violation(field, str(amount), f"from the minimum, {giving.minimum}, to the maximum, {giving.maximum}")


def amounts_are_whole_without_decimals(file: CampaignFile) -> Iterator[Violation]:
    giving = file.giving
    named = {"giving.minimum": giving.minimum, "giving.maximum": giving.maximum}
    named |= {f"giving.suggested[{at}]": amount for at, amount in enumerate(giving.suggested)}
    for field, amount in named.items():
        if not giving.decimals and not amount.is_whole:
            yield Violation(field, str(amount), "a whole amount, because giving.decimals is false")


def transfers_are_in_euro(file: CampaignFile) -> Iterator[Violation]:
    if file.bank_transfer and file.currency != "EUR":
        yield Violation("bank_transfer", f"a campaign in {file.currency}", "only in a campaign in EUR")


def epc_text_fits(file: CampaignFile) -> Iterator[Violation]:
    if file.bank_transfer:
        length = len(BankTransfer(**dict(file.bank_transfer)).epc_text(Money(MAX_CHARGE, "EUR")).encode())
        if length > MAX_EPC_BYTES:
            yield Violation("bank_transfer", f"a QR code of {length} bytes", f"at most {MAX_EPC_BYTES} bytes")


def duplicates(field: str, values: list[str]) -> Iterator[Violation]:
    for at, value in enumerate(values):
        if value in values[:at]:
            yield Violation(f"{field}[{at}]", quote_value(value), "each one once")


def amounts_are_multiples_of_the_step(file: CampaignFile) -> Iterator[Violation]:
    step = file.publication.step
    named = {"goal": file.goal} | {f"needs[{at}].amount": need.amount for at, need in enumerate(file.needs)}
    for field, amount in named.items():
        if amount.amount % step.amount:
            yield Violation(field, str(amount), f"a multiple of publication.step, {step}")


def one_donation_is_less_than_a_step(file: CampaignFile) -> Iterator[Violation]:
    step = file.publication.step
    for at, amount in enumerate(file.giving.suggested):
        if 2 * amount.amount > step.amount:
            yield Violation(f"giving.suggested[{at}]", str(amount), f"at most half of publication.step, {step}")


def site_totals_name_a_site(file: CampaignFile) -> Iterator[Violation]:
    yield from duplicates("site_totals", [each.host for each in file.site_totals])
    for at, each in enumerate(file.site_totals):
        if each.host not in file.sites:
            yield Violation(f"site_totals[{at}].host", quote_value(each.host), "a host name of the list sites")


def site_totals_are_public_or_have_a_token(file: CampaignFile) -> Iterator[Violation]:
    for at, each in enumerate(file.site_totals):
        if each.public == (each.token_sha256 is not None):
            given = "public = true and token_sha256" if each.public else "nothing"
            yield Violation(f"site_totals[{at}]", given, "either public = true or token_sha256")


def site_steps_are_large(file: CampaignFile) -> Iterator[Violation]:
    step, largest = file.publication.step, max(file.giving.suggested)
    least = Money(max(math.ceil(step.amount * MIN_STEPS), 2 * largest.amount), step.currency)
    for at, each in enumerate(file.site_totals):
        if each.step < least:
            wanted = f"at least {least}: {MIN_STEPS} times publication.step, and twice the largest suggested amount"
            yield Violation(f"site_totals[{at}].step", str(each.step), wanted)


def donations_hide_in_both_steps(file: CampaignFile) -> Iterator[Violation]:
    step, largest = file.publication.step, max(file.giving.suggested)
    for at, each in enumerate(file.site_totals):
        if not is_at_most_half_of_the_joint_step(largest.amount, step.amount, each.step.amount):
            enough = least_site_step(largest.amount, step.amount)
            wanted = f"at least {Money(enough, step.currency)}, or " if enough else ""
            because = f"so that {largest} ÷ publication.step and {largest} ÷ this step are at most a half together"
            given = f"{each.step}, with publication.step {step}"
            yield Violation(f"site_totals[{at}].step", given, f"{wanted}a larger publication.step, {because}")


Constraint = Callable[[CampaignFile], Iterator[Violation]]

CONSTRAINTS: tuple[tuple[Constraint, set[str]], ...] = (
    (needs_add_up, {"goal", "needs"}),
    (need_ids_are_unique, {"needs"}),
    (
        every_language_is_complete,
        {"needs", "text", "default_language", "offline", "other_ways", "updates", "spent", "picture"},
    ),
    (offline_donations_are_positive, {"offline"}),
    (spendings_name_a_need, {"needs", "spent"}),
    (spending_above_a_need_is_explained, {"needs", "spent"}),
    (receipts_were_looked_at, {"spent"}),
    (transfers_are_in_euro, {"bank_transfer", "currency"}),
    (epc_text_fits, {"bank_transfer"}),
    (limits_are_chargeable, {"giving"}),
    (fee_is_chargeable, {"giving"}),
    (suggested_amounts_are_in_order_and_in_limits, {"giving"}),
    (amounts_are_whole_without_decimals, {"giving"}),
    (lambda file: duplicates("warned_bank_countries", file.warned_bank_countries), {"warned_bank_countries"}),
    (lambda file: duplicates("redirect_methods", file.redirect_methods), {"redirect_methods"}),
    (lambda file: duplicates("sites", file.sites), {"sites"}),
    (site_totals_name_a_site, {"site_totals", "sites"}),
    (site_totals_are_public_or_have_a_token, {"site_totals"}),
    (site_steps_are_large, {"site_totals", "publication", "giving"}),
)
"""Each rule, with the sections that it reads. It is checked only if all of them are valid."""

STEP_CONSTRAINTS: tuple[tuple[Constraint, set[str]], ...] = (
    (amounts_are_multiples_of_the_step, {"goal", "needs", "publication"}),
    (one_donation_is_less_than_a_step, {"giving", "publication"}),
    (donations_hide_in_both_steps, {"site_totals", "publication", "giving"}),
)
"""The rules about the publication step. They do not apply if totals are published at once."""


def violations(
    file: CampaignFile, invalid_sections: Iterable[str], *, immediate: bool, now: datetime, source: str
) -> list[ConfigFault]:
    """Return every broken rule of the valid sections. `immediate`: the total is published exactly and at once."""
    past: Constraint = partial(spendings_are_not_in_the_future, now=now)
    constraints = (*CONSTRAINTS, *(() if immediate else STEP_CONSTRAINTS), (past, {"spent", "publication"}))
    return [
        ConfigFault(source, *violation)
        for check, sections in constraints
        if sections.isdisjoint(invalid_sections)
        for violation in check(file)
    ]
