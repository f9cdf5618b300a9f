"""The reference tables of the documentation agree with the live objects: settings, commands, metrics, events, codes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from donation_card import errors
from donation_card.adapters.stripe.payments import HANDLED_EVENTS
from donation_card.adapters.stripe.permissions import RIGHTS
from donation_card.adapters.stripe.provisioning import LISTED_RESOURCES
from donation_card.cli.main import PROGRAM, cli
from donation_card.observability.log_events import LogEvent
from donation_card.settings import SETTINGS
from prometheus_client.parser import text_string_to_metric_families

from tests.support.installation import METRICS_TOKEN, Installation

ROOT = Path(__file__).parents[3]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8") for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
}

PROSE = sorted(PAGES.keys() - {"docs/glossary.md"})
"""The pages without the list of replaced names."""


def table(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table whose header row begins with `heading`."""
    rows = PAGES[page].partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


def code_words(cells: list[list[str]]) -> set[str]:
    """Return the words in code style in the first column, without labels in braces."""
    return {word for row in cells for word in re.findall(r"`(\w+)(?:\{[\w,]+\})?`", row[0])}


def commands(group: click.Group = cli, path: str = PROGRAM) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands())
HEADINGS = {"title", "title_page", "title_campaign", "retry", "fallback", "other_ways"}
"""The texts of an error page that belong to no code."""
STRIPE_IDS = {"object", "refund", "session", "payment", "dispute", "charge"}
"""The fields of a log line that hold an id of Stripe."""


def test_the_settings_page_lists_every_setting() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z_]{3,})`", PAGES["docs/configure.md"]))
    assert documented == {setting.name for setting in SETTINGS}


def test_the_monitor_page_lists_every_log_event() -> None:
    assert code_words(table("docs/monitor.md", "Event | Level")) == set(LogEvent)


def test_the_monitor_page_lists_every_metric(installation: Installation) -> None:
    headers = {"authorization": f"Bearer {METRICS_TOKEN}"}
    text = installation.client.get("/metrics", headers=headers).text
    names = set()
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix("donation_card_")
        names.add(f"{name}_total" if family.type == "counter" else name)
    documented = code_words(table("docs/monitor.md", "metric"))
    # this one is absent for campaigns that publish at once, as all of the fixture's do
    assert documented - names <= {"publication_next_timestamp_seconds"}
    assert names - documented == set()


def test_the_install_page_lists_every_webhook_event() -> None:
    documented = set(re.findall(r"`((?:checkout\.session|refund|charge)\.[a-z_.]+)`", PAGES["docs/install.md"]))
    assert documented == set(HANDLED_EVENTS)


@pytest.mark.parametrize("page", PROSE)
def test_every_named_command_exists(page: str) -> None:
    for line in re.findall(rf"(?:^|`){PROGRAM}((?: [a-z][a-z-]*)+)", PAGES[page], re.M):
        first, *rest = line.split()
        assert f"{PROGRAM} {first}" in COMMANDS, line
        if isinstance(COMMANDS[f"{PROGRAM} {first}"], click.Group) and rest:
            assert f"{PROGRAM} {first} {rest[0]}" in COMMANDS, line


@pytest.mark.parametrize("page", PROSE)
def test_every_named_option_exists(page: str) -> None:
    options = {text for command in COMMANDS.values() for param in command.params for text in param.opts}
    for line in re.findall(rf"(?:^|`){PROGRAM} [^`\n]*", PAGES[page], re.M):
        named = set(re.findall(r"(?<= )--[a-z-]+", line))
        assert named - options == set(), line


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_text_of_a_command_is_cut(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert command.get_short_help_str(limit=45).rstrip(".") == command.help.splitlines()[0].rstrip(".")
    listing = CliRunner().invoke(cli, [*name.split()[1:-1], "--help"]).output.partition("Commands:")[2]
    assert "..." not in listing


def error_classes(
    base: type[errors.DonationCardError] = errors.DonationCardError,
) -> Iterator[type[errors.DonationCardError]]:
    yield base
    for each in base.__subclasses__():
        yield from error_classes(each)


def test_every_error_code_has_a_sentence() -> None:
    codes = {code for each in error_classes(errors.ClientError) for code in each.codes}
    codes |= {code for each in error_classes(errors.Unavailable) for code in each.codes}
    catalogue = json.loads((ROOT / "service/donation_card/web/locales/en.json").read_text("utf-8"))
    assert {f"problem.{code}" for code in codes | {"internal"}} == {
        key for key in catalogue if key.startswith("problem.") and key.removeprefix("problem.") not in HEADINGS
    }


def test_every_make_target_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {target for page in PROSE for target in re.findall(r"`make ([a-z-]+)", PAGES[page])}
    assert named - targets == set()


def test_the_install_page_lists_every_permission() -> None:
    (line,) = re.findall(r"\*\*A restricted key\*\* \([^)]*\): (.*?\*read\*)", PAGES["docs/install.md"], re.S)
    written, read = " ".join(line.split()).split(" *write*; ")
    assert written == RIGHTS["checkout/sessions"][1]
    names = read.removesuffix(" *read*").replace(", and the account", "").split(", ")
    joined = ", ".join(RIGHTS[resource][1] for resource in LISTED_RESOURCES if resource != "checkout/sessions")
    assert ", ".join(names) == joined


def test_privacy_lists_every_log_event_with_an_id_of_stripe() -> None:
    named = set()
    for path in (ROOT / "service/donation_card").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and {word.arg for word in node.keywords} & STRIPE_IDS:
                named |= {each.attr.lower() for each in node.args if isinstance(each, ast.Attribute)} & set(LogEvent)
    paragraph = re.search(r"A log line names an object.*?\n\n", PAGES["docs/privacy.md"], re.S)
    assert paragraph
    assert named == set(re.findall(r"`(\w+)`", paragraph[0]))
