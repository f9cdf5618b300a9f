"""The documentation and the docstrings keep the rules of plain English, and nobody uses a replaced name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])
MODULES = sorted(path for folder in ("service", "tests", "bench", "tools") for path in (ROOT / folder).rglob("*.py"))
GLOSSARY = ROOT / "docs" / "glossary.md"
MAX_WORDS = 25
TEXT_SUFFIXES = {".py", ".js", ".css", ".html", ".md", ".toml", ".lua", ".json", ".ts", ".patch", ".txt", ".yaml"}


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
        yield from filter(None, re.split(r"(?<=[.!?])[\"”)*_]*\s+(?=[A-ZÀ-ŽА-ЯЁІЇЄЎ„“`\"(*\[])", text))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_sentence_is_longer_than_25_words(page: Path) -> None:
    long = [text for text in sentences(page.read_text("utf-8")) if len(text.split()) > MAX_WORDS]
    assert long == []


def test_a_long_sentence_is_found() -> None:
    page = "One two. Three.\n\n" + "word " * 26 + "\n\n- " + "item " * 30
    assert [len(text.split()) for text in sentences(page)] == [2, 1, 26]


def test_no_docstring_begins_as_a_riddle() -> None:
    riddles = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                if re.match(r"(Whether|What|Who)\b", text):
                    riddles.append(f"{name_of(path)}: {text.splitlines()[0]}")
    assert riddles == []


def replaced_names() -> list[str]:
    """Return the words in code style in the last column of the glossary's table."""
    rows = [line for line in GLOSSARY.read_text("utf-8").splitlines() if line.startswith("| ")][2:]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row.rstrip(" |").rpartition("|")[2])]


def test_no_file_uses_a_replaced_name() -> None:
    names = replaced_names()
    assert len(names) > 60
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names))
    found = []
    for folder in ("service", "widget", "tests", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in TEXT_SUFFIXES and path != GLOSSARY and path.is_file():
                for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                    found += [f"{name_of(path)}:{number}: {match[0]}" for match in pattern.finditer(line)]
    assert found == []
