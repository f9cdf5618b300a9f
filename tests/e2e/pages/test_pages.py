"""Test the card on every page of the collection. `collection.py` says how to add one."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e.pages.collection import PublisherPage, read_pages
from tests.e2e.pages.walk import Walk

PAGES = read_pages()


@pytest.mark.parametrize("declared", PAGES, ids=lambda page: page.name)
def test_page_keeps_its_promise(declared: PublisherPage, walk: Walk):
    problems = walk.problems[declared.name].result()
    assert not problems, "\n".join(problems)


def test_no_two_pages_have_the_same_situation():
    counts = Counter((page.situation, page.package) for page in PAGES)
    assert [situation for situation, count in counts.items() if count > 1] == []
    assert len({page.title for page in PAGES}) == len(PAGES)


@pytest.mark.parametrize(
    "text",
    [
        "<p>No declaration.</p>",
        "<!--\ntitle: A\nsituation: b\npromise: nothing\n-->\n",
        "<!--\ntitle: A\nsituation: b\npromise: gift\ncolour: red\n-->\n",
        "<!--\ntitle: A\ntitle: B\nsituation: b\npromise: gift\n-->\n",
    ],
)
def test_faulty_declaration_of_a_page_is_rejected(text: str):
    with pytest.raises(ValueError, match="a-page"):
        PublisherPage.parse("a-page", text)
