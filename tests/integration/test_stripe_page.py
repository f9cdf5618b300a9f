"""The page about Stripe agrees with the recorded messages, with the parsers and with the steps of the live check."""

import re
from collections.abc import Iterator

from stripe_sandbox.form_encoding import ParamTree

from tests.integration.docs.test_reference import table
from tests.live_check.steps import STEPS
from tests.support.stripe_journeys import recorded
from tests.support.stripe_reads import fields_read
from tests.support.stripe_specification import template_of

PAGE = "docs/stripe.md"
LOCAL_STEPS = {"keys", "service", "cleanup"}
"""Steps that prove nothing about Stripe."""


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def parameters(params: ParamTree, path: str = "") -> Iterator[str]:
    """Yield the names as `line_items[].price_data.currency`."""
    for name, value in params.items():
        here = f"{path}[]" if name.isdecimal() else f"{path}.{name}" if path else name
        if isinstance(value, dict):
            yield from parameters(value, here)
        else:
            yield here


def test_the_page_lists_every_parameter_that_is_sent() -> None:
    sent: dict[str, set[str]] = {}
    for each in recorded().exchanges:
        if each.from_product:
            sent.setdefault(f"{each.method} {template_of(each.path)}", set()).update(parameters(each.params))
    documented: dict[str, set[str]] = {}
    for operation, names, *_ in table(PAGE, "Operation | Parameters"):
        listed = {name for name in words(names.partition(":")[0]) if "{" not in name}
        documented.setdefault(operation.strip("`"), set()).update(listed)
    assert documented == sent


def test_the_page_lists_every_field_that_is_read() -> None:
    documented = {f"{row[0].strip('`')}.{name}" for row in table(PAGE, "Object | Fields") for name in words(row[1])}
    read = {name for name in fields_read(recorded()) if name.count(".") == 1 + name.startswith("checkout.session.")}
    lookups = {"payment_intent.created"}  # `StripePayments.attribution` reads it when no session is listed
    assert documented == {name for name in read if not name.startswith(".")} | lookups


def test_the_page_names_the_steps_of_the_live_check() -> None:
    rows = table(PAGE, "Operation | Parameters") + table(PAGE, "Assumption | Confirmed by")
    named = set.union(*(words(row[-1].partition("by hand")[0]) for row in rows))
    assert named == {step.name for step in STEPS} - LOCAL_STEPS


def test_every_row_of_the_page_has_a_source_and_a_proof() -> None:
    rows = table(PAGE, "Operation | Parameters") + table(PAGE, "Assumption | Confirmed by")
    assert [row for row in rows if not (row[-2].strip() and row[-1].strip())] == []
