"""The docs say what the code does: settings, attributes, events, error codes, the snippet, the addresses."""

import json
import re
from pathlib import Path
from random import Random

from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.adapters.stripe.objects import HANDLED_EVENTS
from donation_card.analysis.disclosure_risk import DonationProcess, advantages
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME, SESSION_HANDLE_LIFETIME
from donation_card.observability.metrics import render
from donation_card.web.presentation.snippet import PLACEHOLDER_STYLE, script_snippet
from donation_card.web.presentation.translations import translations_for

CARD = "".join(Path(f"widget/donation-card.{kind}").read_text() for kind in ("js", "css"))


def read(*names):
    return "\n".join(Path(name).read_text() for name in names)


def test_every_setting_is_documented_and_no_other():
    read_by_code = set(re.findall(r'(?:read|listed|get)\(\s*"([A-Z_]+)"', read("service/donation_card/settings.py")))
    documented = set(re.findall(r"`([A-Z][A-Z_]{3,})`", read("docs/operate.md")))
    assert read_by_code - documented == set()
    assert documented - read_by_code == set()


def test_every_attribute_event_property_and_part_of_the_card_is_documented():
    embed = read("docs/embed.md")
    named = {
        *re.findall(r"[gh][ea][ts]Attribute\('([a-z-]+)'", CARD),
        *(f"donation-card-{event}" for event in re.findall(r"#emit\('([a-z]+)'\)", CARD)),
        *re.findall(r"var\((--donation-card-[a-z-]+)", CARD),
        *re.findall(r"part: '([a-z]+)'", CARD),
    }
    assert {"campaign", "api-origin", "debug", "donation-card-open", "--donation-card-accent", "title"} <= named
    assert {name for name in named if f"`{name}`" not in embed} == set()


def test_every_error_code_that_can_be_answered_has_a_sentence():
    told = {key.removeprefix("problem.") for key in json.loads(read("service/donation_card/web/locales/en.json"))}
    sources = [
        *Path("service/donation_card/web").rglob("*.py"),
        *Path("service/donation_card/application").rglob("*.py"),
        *Path("service/donation_card/domain").glob("*.py"),
    ]
    sources += [
        Path("service/donation_card/errors.py"),
        Path("service/donation_card/adapters/tokens.py"),
        Path("service/donation_card/adapters/stripe/payments.py"),
    ]
    raised = set()
    for source in sources:
        raised |= set(re.findall(r'(?:Invalid|NotFound|Conflict|RateLimited)\(\s*"([a-z_]+)"', source.read_text()))
        raised |= set(re.findall(r'^    code = "([a-z_]+)"', source.read_text(), re.M))
    assert len(raised) > 20
    assert raised - told - {"unhandled_type", "misconfigured"} == set()


def test_the_events_an_endpoint_must_send_are_those_we_read():
    documented = set(re.findall(r"`((?:checkout\.session|refund|charge)\.[a-z_.]+)`", read("docs/operate.md")))
    assert documented == set(HANDLED_EVENTS)


def test_every_metric_is_documented_and_no_other():
    told = re.findall(r"^donation_card_(\w+?)(?:_bucket|_sum|_count)?[{ ]", render([]).decode(), re.M)
    told += re.findall(r"^# TYPE donation_card_(\w+)", render([]).decode(), re.M)
    told += re.findall(r'gauge\(\s*"(\w+)"', read("service/donation_card/background_tasks.py"))
    table = read("docs/operate.md").partition("| metric |")[2].partition("\n\n")[0]
    documented = set(re.findall(r"`(\w+)(?:\{[\w,]+\})?`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))
    assert documented == set(told)


RIGHTS = {
    "accounts": "the account",
    "checkout.sessions": "Checkout Sessions",
    "payment_intents": "PaymentIntents",
    "refunds": "Charges and Refunds",
    "disputes": "Disputes",
    "events": "Events",
}
"""What of Stripe's API we use → how its dashboard calls the right to it."""


def test_the_rights_of_the_restricted_key_are_those_we_use_and_no_other():
    used = set(
        re.findall(r"v1\.((?:checkout\.)?\w+)\.(\w+?)_async", read("service/donation_card/adapters/stripe/payments.py"))
    )
    assert {resource for resource, _ in used} == set(RIGHTS)
    writes = {resource for resource, verb in used if verb in {"create", "expire", "update", "cancel", "delete"}}
    assert writes == {"checkout.sessions"}
    (line,) = re.findall(r"\*\*A restricted key\*\* \([^)]*\): (.*?\*read\*)", read("docs/operate.md"), re.S)
    written, read_only = " ".join(line.split()).split(" *write*; ")
    assert written == RIGHTS["checkout.sessions"]
    rights = [RIGHTS[resource] for resource in sorted(set(RIGHTS) - writes)]
    assert all(right in read_only for right in rights)
    left = re.sub("|".join(rights), "", read_only)
    assert re.sub(r"[\s,]|and|\*read\*", "", left) == ""


def test_the_snippet_in_the_docs_is_the_one_that_is_printed():
    printed = script_snippet("https://HOST", read_campaign(Path("campaigns/vitaly.toml")), translations_for("en"))
    for page in ("README.md", "docs/embed.md"):
        assert printed in read(page), page
    assert PLACEHOLDER_STYLE["card"] in printed
    assert all(room in read("docs/embed.md") for room in PLACEHOLDER_STYLE.values())


def test_the_docs_show_every_contact_sheet_and_name_every_example():
    pages = read("docs/embed.md", "README.md")
    assert all(f"../{path}" in pages for path in Path("widget/examples").glob("*.html"))
    assert all(f"images/{picture.name}" in pages for picture in Path("docs/images").glob("*.png"))


def test_every_link_between_the_docs_leads_somewhere():
    for page in [*Path().glob("*.md"), *Path("docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page} links to {target}"


def test_every_make_target_that_the_docs_name_exists():
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.M))
    named = set(re.findall(r"`make ([a-z-]+)`", read("README.md", "CONTRIBUTING.md", "docs/operate.md")))
    assert named <= targets


def test_the_table_of_what_a_watcher_gains_is_what_the_command_prints():
    page, campaign = read("docs/privacy.md"), read_campaign(Path("campaigns/vitaly.toml"))
    mixed = {money.amount: 1 / len(campaign.giving.suggested) for money in campaign.giving.suggested}
    rows = re.findall(r"^\| EUR (\d+) \| ([\d.]+) \| ([\d.]+) \|", page, re.M)
    found = advantages(
        campaign.publication,
        DonationProcess(0.25, mixed),
        [int(gift) * 100 for gift, _, _ in rows],
        Random(2).random,
        samples=150,
    )
    for (_, bound, told), gain in zip(rows, found, strict=True):
        assert float(bound) == gain.bound
        assert abs(float(told) - gain.value) < 3 * gain.error + 0.02
    assert len(rows) == 4
    assert f'every = "{campaign.publication.interval_seconds // 86_400}d"' in page
    step, donations = campaign.publication.step // 100, campaign.publication.min_donations
    assert f"`step = {step}`, `min_donations = {donations}`" in page


def test_privacy_names_tests_that_there_are_and_lives_that_things_have():
    page, there = read("docs/privacy.md"), set()
    for path in Path("tests").rglob("test_*.py"):
        there |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.M))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 10
    assert named - there == set()
    assert f"token {FORM_TOKEN_LIFETIME // 60} min" in page
    assert f"its handle, {SESSION_HANDLE_LIFETIME // 3600} h" in page


def test_privacy_names_every_log_line_with_an_id_of_stripe_s():
    """Whatever is logged under one of these names came from Stripe as an id."""
    modules = sorted(Path("service/donation_card").rglob("*.py"))
    calls = re.findall(r'log\.\w+\(\s*"(\w+)"([^\n]*)', read(*modules))
    with_id = {event for event, rest in calls if re.search(r"\b(object|refund|session|payment|dispute|charge)=", rest)}
    paragraph = re.search(r"A log line names an object.*?\n\n", read("docs/privacy.md"), re.S)[0]
    assert len(calls) > 15
    assert with_id == set(re.findall(r"`(\w+)`", paragraph))


def test_the_paragraph_to_quote_is_the_same_for_publishers_and_in_privacy():
    quoted = [re.findall(r"(?:^> .*\n)+", read(page), re.M)[-1] for page in ("docs/embed.md", "docs/privacy.md")]
    assert quoted[0] == quoted[1]
    assert "IP address" in quoted[0]


def test_every_decision_is_in_the_list():
    listed = read("docs/decisions/README.md")
    for decision in Path("docs/decisions").glob("0*.md"):
        assert decision.name in listed


def test_every_test_that_the_failure_model_names_exists_and_every_row_names_one():
    page = read("docs/failure-model.md")
    there = set()
    for path in Path("tests").rglob("test_*.py"):
        there |= set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.M))
    assert set(re.findall(r"`(test_\w+)`", page)) - there == set()
    rows = re.findall(r"^\| (\d+)[a-c]? \|.*$", page, re.M)
    assert {int(row) for row in rows} == set(range(1, 27))
    assert all("`test_" in line for line in page.splitlines() if re.match(r"\| \d", line))
