"""Test the npm package: its files, its types, and the description of its element."""

import json
import re
import tarfile
from pathlib import Path

import jsonschema
import pytest
from donation_card import __version__
from donation_card.web.assets import current_card

from tests.integration.docs.test_reference import table
from tests.support.npm_project import PACKAGES, npm_project, run_tool
from tools.npm_package import SOURCE, pack

STRICT = ["--strict", "--noEmit", "--target", "es2022", "--module", "preserve", "--jsx", "react-jsx", "--types", ""]

EVERYTHING = """
import 'donation-card';
const card = document.querySelector('donation-card')!;
card.addEventListener('donation-card-open', (event) => event.preventDefault());
document.addEventListener('donation-card-ready', ({ target }) => target);
const written: HTMLElement = document.createElement('donation-card');
"""

IN_JSX = """
import 'donation-card/react';
export const Card = () => (
  <donation-card className="wide" campaign="vitaly" layout="compact" auto-height key="1"
    ondonation-card-open={(event) => event.preventDefault()}><a href="/">Give</a></donation-card>
);
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return npm_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def without_react(tmp_path_factory):
    return npm_project(tmp_path_factory.mktemp("without-react"), without=("@types", "react", "react-dom"))


def types_of(project, name, source):
    (project / name).write_text(source)
    return run_tool(project, "tsc", *STRICT, name)


def element():
    (module,) = json.loads((SOURCE / "custom-elements.json").read_text())["modules"]
    return module["declarations"][0]


def names(members):
    return {member["name"] for member in members}


def test_package_has_the_served_card_and_no_dependency(tmp_path):
    with tarfile.open(pack(tmp_path)) as packed:
        files = {name: packed.extractfile(name).read() for name in packed.getnames()}
    manifest = json.loads(files["package/package.json"])
    assert files["package/donation-card.js"] == current_card()
    assert (manifest["name"], manifest["version"]) == ("donation-card", __version__)
    assert not [key for key in manifest if "ependencies" in key]
    named = re.findall(r'"\./([\w.-]+\.\w+)"', json.dumps(manifest["exports"]))
    assert {f"package/{path}" for path in named} <= set(files)
    assert {"package/LICENSE", "package/README.md"} <= set(files)


def test_types_are_strict_without_react(without_react):
    assert types_of(without_react, "page.ts", EVERYTHING).stdout == ""


@pytest.mark.parametrize(("name", "source"), [("page.ts", EVERYTHING), ("card.tsx", IN_JSX)])
def test_types_are_strict_with_react(project, name, source):
    assert types_of(project, name, source).stdout == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [('layout="compact"', 'layout="wide"'), ("auto-height", 'auto-height="no"'), ("(event)", "(event: string)")],
)
def test_wrong_attribute_in_jsx_is_an_error(project, right, wrong):
    assert "card.tsx" in types_of(project, "card.tsx", IN_JSX.replace(right, wrong)).stdout


def test_manifest_follows_its_schema():
    schema = json.loads((PACKAGES / "custom-elements-manifest/schema.json").read_text())
    jsonschema.validate(json.loads((SOURCE / "custom-elements.json").read_text()), schema)


def test_manifest_types_and_docs_name_the_same_attributes_and_events():
    types, docs = (SOURCE / "donation-card.d.ts").read_text(), "docs/embed.md"
    attributes, events = names(element()["attributes"]), names(element()["events"])
    declared = re.search(r"interface DonationCardAttributes {(.*?)\n}", types, re.S)[1]
    assert set(re.findall(r"^  '?([\w-]+)'?\?:", declared, re.M)) == attributes
    assert set(re.findall(r"^  '(donation-card-\w+)': Event", types, re.M)) == events
    assert {row[0].strip("`") for row in table(docs, "attribute | what")} == attributes
    assert {row[0].strip("`") for row in table(docs, "event | when")} == events


@pytest.mark.parametrize(("heading", "kind"), [("Attributes", "attributes"), ("Events", "events")])
def test_readme_names_each_attribute_and_event(heading, kind):
    section = (SOURCE / "README.md").read_text().partition(f"## {heading}\n")[2].partition("\n##")[0]
    assert set(re.findall(r"`([\w-]+)`", section)) == names(element()[kind])


def test_manifest_and_docs_name_the_same_properties_and_parts():
    docs, style = Path("docs/embed.md").read_text(), current_card().decode()
    sentence = re.search(r"Use these custom properties: (.*?)\n\n", docs, re.S)[1]
    properties, parts = sentence.split("Use `::part()` for")
    assert set(re.findall(r"`(--[\w-]+)`", properties)) == names(element()["cssProperties"])
    assert set(re.findall(r"`(\w+)`", parts)) == names(element()["cssParts"])
    assert names(element()["cssProperties"]) <= set(re.findall(r"--donation-card-[\w-]+", style))
