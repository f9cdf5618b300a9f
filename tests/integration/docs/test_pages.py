"""The pages of the documentation agree with the code, with each other and with the tests that they name."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from random import Random

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.analysis.disclosure_risk import advantages, joint_advantages, transfer_advantages
from donation_card.analysis.giving_observer import GivingObserver, giving_advantages, joint_giving_advantages
from donation_card.analysis.hidden_total import DonationProcess
from donation_card.analysis.joint_totals import JointSeries
from donation_card.domain.campaign import LANGUAGES
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME, SESSION_HANDLE_LIFETIME
from donation_card.web.presentation.snippet import LAYOUTS, iframe_snippet, placeholder_style, script_snippet
from donation_card.web.presentation.translations import translations_for

from tests.integration.docs.test_reference import table

ROOT = Path(__file__).parents[3]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8") for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
}
VITALY = read_campaign(ROOT / "campaigns" / "vitaly.toml")


def test_names() -> set[str]:
    """Return the names of all test functions."""
    trees = [ast.parse(path.read_text("utf-8")) for path in (ROOT / "tests").rglob("test_*.py")]
    functions = [
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {function.name for function in functions if function.name.startswith("test_")}


test_names.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "page", ["docs/privacy.md", "docs/failure-model.md", "docs/threat-model.md", "docs/asvs.md", "docs/embed.md"]
)
def test_every_named_test_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGES[page]))
    assert len(named) > 10
    assert named - test_names() == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", PAGES[page]):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        if anchor and path.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, anchor


def test_the_snippet_is_the_printed_one() -> None:
    t = translations_for("en")
    printed = script_snippet("https://HOST", VITALY, t)
    assert printed in PAGES["README.md"]
    assert printed in PAGES["docs/embed.md"]
    assert iframe_snippet("https://HOST", VITALY, t) in PAGES["docs/embed.md"]
    assert all(placeholder_style(VITALY, t, layout) in PAGES["docs/embed.md"] for layout in LAYOUTS[1:])


def test_every_picture_and_example_is_shown() -> None:
    pages = PAGES["docs/embed.md"] + PAGES["README.md"]
    assert all(f"widget/examples/{path.name}" in pages for path in (ROOT / "widget/examples").glob("*.html"))
    assert all(f"images/{picture.name}" in pages for picture in (ROOT / "docs/images").glob("*.png"))


def test_the_advantage_table_is_what_the_command_prints() -> None:
    page, _, giving = PAGES["docs/privacy.md"].partition("### An observer who gives")
    suggested = {money.amount: 1 / len(VITALY.giving.suggested) for money in VITALY.giving.suggested}
    rows = re.findall(r"^\| EUR (\d+) \| ([\d.]+) \| ([\d.]+) \|", page, re.M)
    amounts = [int(amount) * 100 for amount, _, _ in rows]
    process = DonationProcess(0.25, suggested)
    policy = replace(VITALY.publication, threshold_key=b"any")
    found = advantages(policy, process, amounts, Random(2).random, samples=150)
    for (_, bound, documented), advantage in zip(rows, found, strict=True):
        assert float(bound) == advantage.bound
        assert abs(float(documented) - advantage.value) < 3 * advantage.error + 0.02
    assert len(rows) == 4
    transfers = re.findall(r"^\| (\d+) EUR \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \|", page, re.M)
    assert len(transfers) == 3
    amounts = [int(amount) * 100 for amount, *_ in transfers]
    for others, documented in ((0, [row[2] for row in transfers]), (4, [row[3] for row in transfers])):
        found = transfer_advantages(policy, process, amounts, others, Random(2).random, samples=100)
        for expected, advantage in zip(documented, found, strict=True):
            assert abs(float(expected) - advantage.value) < 3 * advantage.error + 0.02
    tabled = [float(found) for found in re.findall(r"^\| EUR 25[^|]*\| [\d.]+ \| ([\d.]+) \|", giving, re.M)]
    observer = GivingObserver(500_00, 12)
    series = giving_advantages(policy, process, 25_00, observer, Random(2).random, samples=30)
    for expected, certainties in zip(tabled, series, strict=True):
        assert abs(statistics.fmean(certainties) - expected) < 0.02 + 3 * statistics.stdev(certainties) / 30**0.5
    assert f'every = "{policy.interval_seconds // 86_400}d"' in page
    assert f"`step = {policy.step // 100}`, `min_donations = {policy.min_donations}`" in page


def test_the_table_of_both_totals_is_what_the_command_prints() -> None:
    """Compare one column of the first table, and one cell of the table of an observer who gives."""
    page = PAGES["docs/privacy.md"]
    rows = re.findall(r"^\| EUR (\d+)\.00 \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| [\d.]+ \| [\d.]+ \|$", page, re.M)
    policy = replace(VITALY.publication, step=200_00, threshold_key=b"any")
    joint = JointSeries(policy, 500_00, 1.0)
    process = DonationProcess(
        0.25, {money.amount: 1 / len(VITALY.giving.suggested) for money in VITALY.giving.suggested}
    )
    found = joint_advantages(joint, process, Random(2).random, samples=40)
    assert len(rows) == len(found) == 3
    for (amount, bound, documented), advantage in zip(rows, found, strict=True):
        assert (int(amount) * 100, bound) == (advantage.donation, f"{advantage.bound:.2f}")
        assert abs(float(documented) - advantage.value) < 3 * advantage.error + 0.03
    giving = re.findall(r"^\| EUR 50\.00 \| [\d.]+ \| ([\d.]+) \| [\d.]+ \|$", page, re.M)
    series = joint_giving_advantages(joint, process, 2, GivingObserver(500_00, 12), Random(2).random, samples=8)
    assert abs(statistics.fmean(series) - float(giving[0])) < 0.05 + 3 * statistics.stdev(series) / 8**0.5


def test_privacy_states_the_lifetimes_of_tokens() -> None:
    assert f"token {FORM_TOKEN_LIFETIME // 60} min" in PAGES["docs/privacy.md"]
    assert f"its handle, {SESSION_HANDLE_LIFETIME // 3600} h" in PAGES["docs/privacy.md"]


def test_the_publishers_paragraph_is_the_same_on_both_pages() -> None:
    quoted = [re.findall(r"(?:^> .*\n)+", PAGES[page], re.M)[-1] for page in ("docs/embed.md", "docs/privacy.md")]
    assert quoted[0] == quoted[1]
    assert "IP address" in quoted[0]


def test_the_publishers_policy_is_proved_line_by_line() -> None:
    page = PAGES["docs/data-protection.md"]
    paragraphs = re.findall(r"^### (.+)\n\n((?:> .*\n)+)", page, re.M)
    assert len(paragraphs) == len(LANGUAGES)
    lines = {language: [line.removeprefix("> ") for line in text.splitlines()] for language, text in paragraphs}
    rows = table("docs/data-protection.md", "line | test")
    assert [line for line, _ in rows] == lines["English"]
    proved = [re.findall(r"`(test_\w+)`", tests) for _, tests in rows]
    assert all(proved[:-2]), "only the two lines about law have no test"
    assert {name for names in proved for name in names} <= test_names()
    for language, translated in lines.items():
        places = [re.findall("HOST|RECIPIENT|Stripe|IP", line) for line in translated]
        expected = [re.findall("HOST|RECIPIENT|Stripe|IP", line) for line in lines["English"]]
        assert list(map(sorted, places)) == list(map(sorted, expected)), language


def test_the_publishers_pack_says_first_that_it_is_a_draft() -> None:
    first = PAGES["docs/data-protection.md"].splitlines()[2]
    assert first.startswith("**This page is a draft for the publisher's lawyer.")


def test_every_decision_is_listed() -> None:
    listed = PAGES["docs/decisions/README.md"]
    assert [path.name for path in (ROOT / "docs/decisions").glob("0*.md") if path.name not in listed] == []


def test_every_decision_has_the_same_sections() -> None:
    for path in (ROOT / "docs/decisions").glob("0*.md"):
        text = path.read_text("utf-8")
        assert re.findall(r"^## (.*)$", text, re.M) == ["Context", "Decision", "Consequences"], path.name
        assert re.search(r"^- Status: \w+\n- Date: \d{4}-\d\d-\d\d$", text, re.M), path.name


def test_every_row_of_the_failure_model_names_a_test() -> None:
    rows = re.findall(r"^\| (\d+)[a-c]? \|(.*)$", PAGES["docs/failure-model.md"], re.M)
    assert {int(number) for number, _ in rows} == set(range(1, 27))
    assert all("`test_" in row for _, row in rows)


def test_embed_lists_every_attribute_event_property_and_part() -> None:
    names = ("donation-card.js", "palette.css", "donation-card.css")
    script, *style_sheets = ((ROOT / "widget" / name).read_text("utf-8") for name in names)
    named = {
        *re.findall(r"[gh][ea][ts]Attribute\('([a-z-]+)'", script),
        *(f"donation-card-{event}" for event in re.findall(r"#emit\('([a-z]+)'\)", script)),
        *re.findall(r"var\((--donation-card-[a-z-]+)", "".join(style_sheets)),
        *re.findall(r"part: '([a-z]+)'", script),
    }
    assert {"campaign", "api-origin", "debug", "donation-card-open", "--donation-card-accent", "title"} <= named
    assert {name for name in named if f"`{name}`" not in PAGES["docs/embed.md"]} == set()


def test_no_tracked_file_is_a_symbolic_link() -> None:
    """A tracked link with the name of an ignored folder replaces that folder in every checkout."""
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True)  # empty in a copy
    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []


def test_embed_names_every_publishers_page() -> None:
    proof = PAGES["docs/embed.md"].partition("## Proof")[2]
    named = [name for row in re.findall(r"^\|[^|]*\|([^|]*)\|", proof, re.M) for name in re.findall(r"`([^`]+)`", row)]
    pages = [path.stem for path in (ROOT / "tests/e2e/pages").glob("*.html")]
    assert [page for page in pages if not any(fnmatch(page, name) for name in named)] == []
    assert [name for name in named if not any(fnmatch(page, name) for page in pages)] == []
