"""Check that docs/asvs.md lists every requirement of OWASP ASVS 5.0 up to level 2."""

import re
from collections import Counter
from pathlib import Path

PAGES = ("docs/asvs.md", "docs/threat-model.md")

LEVELS_1_AND_2 = """
1.1 2, 1.2 9, 1.3 11, 1.4 3, 1.5 2; 2.1 3, 2.2 3, 2.3 4, 2.4 1;
3.2 2, 3.3 4, 3.4 6, 3.5 5, 3.7 2; 4.1 3, 4.2 1, 4.3 2, 4.4 4;
5.1 1, 5.2 3, 5.3 2, 5.4 3; 6.1 3, 6.2 12, 6.3 4, 6.4 4, 6.5 5, 6.6 3, 6.8 4; 7.1 3, 7.2 4, 7.3 2, 7.4 5, 7.5 2, 7.6 2;
8.1 2, 8.2 3, 8.3 1, 8.4 1; 9.1 3, 9.2 4; 10.1 2, 10.2 2, 10.3 4, 10.4 11, 10.5 5, 10.6 2, 10.7 3;
11.1 2, 11.2 3, 11.3 3, 11.4 4, 11.5 1, 11.6 1; 12.1 3, 12.2 2, 12.3 4; 13.1 1, 13.2 5, 13.3 2, 13.4 5;
14.1 2, 14.2 4, 14.3 3;
15.1 3, 15.2 3, 15.3 7; 16.1 1, 16.2 5, 16.3 4, 16.4 3, 16.5 3; 17.1 1, 17.2 4, 17.3 2
"""
"""Section → how many of its requirements are of these levels; they are the first ones of each."""


def rows():
    found = re.findall(r"^\| (V.+?) \| (.+?) \| (.+?) \|$", Path("docs/asvs.md").read_text("utf-8"), re.M)
    assert found
    return found


def numbers(cell):
    """`V1.2.6–8, V1.4.1` → its four numbers."""
    for section, first, last in re.findall(r"V(\d+\.\d+)\.(\d+)(?:–(\d+))?", cell):
        yield from (f"{section}.{number}" for number in range(int(first), int(last or first) + 1))


def test_asvs_lists_every_requirement_once():
    wanted = {
        f"{section}.{number}"
        for section, count in re.findall(r"(\d+\.\d+) (\d+)", LEVELS_1_AND_2)
        for number in range(1, int(count) + 1)
    }
    assert len(wanted) == 253
    told = Counter(number for cell, _, _ in rows() for number in numbers(cell))
    assert set(told) == wanted
    assert set(told.values()) == {1}


def test_asvs_rows_have_a_status_and_a_reason():
    for cell, standing, where in rows():
        assert standing in {"yes", "n/a", "partly", "operator"}, cell
        assert len(where) > 5, cell


def test_asvs_and_threat_model_name_existing_tests():
    there = set()
    for path in Path("tests").rglob("test_*.py"):
        there |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.M))
    for page in PAGES:
        named = set(re.findall(r"`(test_\w+)`", Path(page).read_text("utf-8")))
        assert len(named) > 10, page
        assert named - there == set(), page


def test_threat_model_names_limits_and_standards():
    adversaries = Path("docs/threat-model.md").read_text("utf-8").partition("## Adversaries")[2].partition("## Keys")[0]
    said = [paragraph for paragraph in adversaries.split("\n\n") if paragraph.startswith("**")]
    assert len(said) >= 7
    assert adversaries.count("*Standard:*") >= 6
    assert all("Stopped by" in each or "opens" in each or "warned" in each for each in said)


def test_each_measure_of_the_threat_model_names_a_test():
    measures = re.findall(r"^- Stopped by: .*(?:\n  .*)*", Path("docs/threat-model.md").read_text("utf-8"), re.M)
    assert len(measures) > 25
    assert [each for each in measures if not re.search(r"`test_\w+`", each)] == []


WITHOUT_TEST = """
V1.2.9 V3.7.1 V8.1.1–2 V11.1.1–2 V11.4.1, V11.4.3 V12.3.2 V13.1.1 V13.2.4–5 V14.1.1–2 V15.1.1, V15.2.1 V15.1.2 V15.1.3
V16.1.1
"""
"""Requirements of documents, and of what the code lacks."""


def test_each_met_requirement_names_a_test_or_is_listed():
    without = [cell for cell, standing, where in rows() if standing == "yes" and not re.search(r"`test_\w+`", where)]
    assert list(numbers(" ".join(without))) == list(numbers(WITHOUT_TEST))
