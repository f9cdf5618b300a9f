"""The path of a donation in docs/architecture.md is the path through the code."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import Any, get_args, get_type_hints

import pytest
from donation_card.application.checkout import StartCheckout
from donation_card.application.ports.payments import CheckoutOrder, CheckoutSession, RefundOrDispute
from donation_card.domain.money import Money
from donation_card.domain.totals import ObjectState

MAX_PLACES = 7
"""The number of functions on the path that receive the amount."""

HOLDS_AMOUNT = {Money, StartCheckout, CheckoutOrder, CheckoutSession, RefundOrDispute, ObjectState}

PAGE = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text("utf-8")
SECTION = PAGE.partition("## The path of a donation")[2].partition("\n## ")[0]
LISTS = [re.findall(r"^\d+\. `([\w.]+)`", block, re.M) for block in SECTION.split("\n\n") if block.startswith("1. ")]


def function(name: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(f"donation_card.{module}"), attribute)
    except ModuleNotFoundError:
        module, _, owner = module.rpartition(".")
        found = getattr(getattr(importlib.import_module(f"donation_card.{module}"), owner), attribute)
    assert callable(found)
    return found


def used_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from used_names(each)


def test_the_page_lists_checkout_webhook_and_publication() -> None:
    assert [len(names) >= 4 for names in LISTS] == [True, True, True]


@pytest.mark.parametrize("names", LISTS, ids=["checkout", "webhook", "publication"])
def test_each_function_calls_the_next(names: list[str]) -> None:
    for name, following in pairwise(names):
        assert following.rpartition(".")[2] in set(used_names(function(name).__code__)), name
    assert function(names[-1])


def test_few_functions_receive_the_amount() -> None:
    places = []
    for name in (name for names in LISTS for name in names):
        hints = get_type_hints(function(name))
        types = {kind for key, hint in hints.items() if key != "return" for kind in (hint, *get_args(hint))}
        if types & HOLDS_AMOUNT:
            places.append(name)
    assert 4 <= len(places) <= MAX_PLACES, places
