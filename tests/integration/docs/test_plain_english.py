"""The documentation and the docstrings keep the rules of plain English, and nobody uses a replaced name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])
MAX_WORDS = 25


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sentences(markdown: str) -> Iterator[str]:
    """Yield the sentences outside front matter, code, tables, lists, headings, HTML and rows of links."""
    prose = re.sub(r"\A---\n.*?\n---\n|^ *```.*?^ *```", "", markdown, flags=re.S | re.M)
    for block in re.split(r"\n\s*\n", prose):
        if re.match(r"\s*[#|<]|    ", block) or " · [" in block:
            continue
        before_list = re.split(r"^\s*(?:[-*+]|\d+\.) ", block, maxsplit=1, flags=re.M)[0]
        text = " ".join(line.lstrip("> ") for line in before_list.splitlines())
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
        yield from filter(None, re.split(r"(?<=[.!?])[\"”)*_]*\s+(?=[A-Z“`\"(*\[])", text))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_sentence_is_longer_than_25_words(page: Path) -> None:
    long = [text for text in sentences(page.read_text("utf-8")) if len(text.split()) > MAX_WORDS]
    assert long == []


def test_a_long_sentence_is_found() -> None:
    page = "One two. Three.\n\n" + "word " * 26 + "\n\n- " + "item " * 30
    assert [len(text.split()) for text in sentences(page)] == [2, 1, 26]
