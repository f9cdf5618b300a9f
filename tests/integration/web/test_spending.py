"""Test what readers see of the money that was spent: page, closing report, feed and API."""

from __future__ import annotations

import re
import time
from html import unescape
from xml.etree import ElementTree

import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.translations import translations_for

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.support.installation import eventually, running
from tests.support.shipped import VITALY_TEXT

TEXT = VITALY_TEXT
ATOM = "{http://www.w3.org/2005/Atom}"


def each_language(text):
    return "{ " + ", ".join(f'{lang} = "{text} ({lang})"' for lang in LANGUAGES) + " }"


def spent(need, date, amount, text, more=""):
    return f'\n[[spent]]\nneed = "{need}"\ndate = {date}\namount = "{amount}"\ntext = {each_language(text)}\n{more}\n'


RENT = spent("rent", '"2026-09"', "400", "Rent <b> for September") + spent("rent", '"2026-10"', "400.50", "Rent & oil")
LICENCE = spent("driving-licence", "2026-10-05", "900", "A course", f"over = {each_language('Fees rose')}")
UPDATE = f"\n[[updates]]\ndate = 2026-10-03\ntext = {each_language('He moved in')}\n"
FAIR = f'\n[[offline]]\ndate = 2026-09-01\namount = "1599.99"\nsource = {each_language("A fair")}\n'


@pytest.fixture(scope="module")
def installed(redis_url, tmp_path_factory):
    """Start an installation with public totals of EUR 1,500, which move at midnight."""
    folder = tmp_path_factory.mktemp("campaigns")
    files = {
        "open": TEXT + RENT + LICENCE + UPDATE + FAIR,
        "closed": TEXT.replace('"open"', '"closed"', 1) + RENT + FAIR,
        "ended": TEXT.replace('"open"', '"open"\nends = 2026-10-31', 1) + FAIR,
        "paused": TEXT.replace('"open"', '"paused"\nends = 2026-10-31', 1) + RENT + FAIR,
        "hidden": TEXT.replace('"open"', '"hidden"', 1) + RENT,
    }
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, "utf-8")
    with running(
        redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=folder, demo_publication_interval=None
    ) as found:
        found.until_ready()
        eventually(lambda: found.progress("closed")["raised"] == 150_000, "the total is published")
        yield found


def page(installed, campaign, lang="en"):
    return unescape(installed.client.get(f"/c/{campaign}?lang={lang}").raise_for_status().text)


def spending(installed, campaign, lang="en"):
    return installed.client.get(f"/v1/campaigns/{campaign}/spending?lang={lang}").raise_for_status().json()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_spending_is_under_its_need_and_in_a_section(installed, lang):
    t, document = translations_for(lang), spending(installed, "open", lang)
    html = page(installed, "open", lang)
    needs = {each["id"]: each for each in document["needs"]}
    line = needs["rent"]["spent_text"]
    assert line.count(f"({lang})") == 2
    assert f"<small>{line}</small>" in html
    assert f"<small>Fees rose ({lang})</small>" in html
    assert (needs["medical"]["spent"], needs["medical"]["spent_text"]) == (0, "")
    assert f'<h2 id="spent">{t.translate("page.spent")}</h2>' in html
    for entry in document["spendings"]:
        assert f'<li id="{entry["id"]}"><b>{entry["text"]}</b><span>{entry["amount_text"]}</span>' in html
    assert "<b> for" not in installed.client.get(f"/c/open?lang={lang}").text, "the text is escaped"


def test_spending_document_lists_newest_first_with_sums(installed):
    document = spending(installed, "open")
    assert [(each["need"], each["date"], each["date_text"], each["amount"]) for each in document["spendings"]] == [
        ("driving-licence", "2026-10-05", "Oct 5, 2026", 900_00),
        ("rent", "2026-10", "October 2026", 400_50),
        ("rent", "2026-09", "September 2026", 400_00),
    ]
    assert (document["spent"], document["spent_text"], document["currency"]) == (1700_50, "€1,700.50", "EUR")
    assert document["needs"][0]["spent_text"] == "€800.50 spent: Rent <b> for September (en); Rent & oil (en)"
    assert document["needs"][1]["over_text"] == "Fees rose (en)"


def test_feed_has_updates_and_spendings_by_date(installed):
    feed = ElementTree.fromstring(installed.client.get("/c/open/updates.atom?lang=de").content)
    entries = [(each.findtext(f"{ATOM}title"), each.findtext(f"{ATOM}updated")) for each in feed.iter(f"{ATOM}entry")]
    assert entries == [
        ("900\u00a0€ ausgegeben: A course (de)", "2026-10-05T00:00:00Z"),
        ("He moved in (de)", "2026-10-03T00:00:00Z"),
        ("400,50\u00a0€ ausgegeben: Rent & oil (de)", "2026-10-01T00:00:00Z"),
        ("400\u00a0€ ausgegeben: Rent <b> for September (de)", "2026-09-01T00:00:00Z"),
    ]
    anchors = [each.text.partition("#")[2] for each in feed.iter(f"{ATOM}id")][1:]
    html = page(installed, "open", "de")
    assert all(f'id="{anchor}"' in html for anchor in anchors)


def report(installed, campaign, lang="en"):
    rows = re.findall(r'<dt>([^<]*)</dt><dd id="detail-report-[^"]*">([^<]*)</dd>', page(installed, campaign, lang))
    return dict(rows)


def test_closed_campaign_has_a_closing_report(installed):
    assert report(installed, "closed") == {
        "Given": "€1,500",
        "Spent: Rent of a flat": "€800.50",
        "Spent: Restoring his driving licence": "€0",
        "Spent: Medical examinations": "€0",
        "Spent: Food, clothing, seasonal footwear": "€0",
        "Left": "€699.50",
        "Below the goal": "The organiser has not decided yet.",
    }
    assert report(installed, "open") == {}


def test_ended_campaign_without_spendings_says_not_reported(installed):
    assert report(installed, "ended") == {
        "Given": "€1,500",
        "Spent": "Not reported yet.",
        "Below the goal": "The organiser has not decided yet.",
    }


def test_paused_campaign_closes_at_its_end_with_a_report(installed):
    assert report(installed, "paused") == report(installed, "closed")
    card = installed.client.get("/v1/campaigns/paused?lang=en").json()
    assert (card["status"], card["notice"]) == ("closed", translations_for("en").translate("status.closed"))
    assert "This fundraiser has ended" in installed.client.get("/c/paused/give?lang=en").text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_closing_report_is_in_every_language(installed, lang):
    t = translations_for(lang)
    rows = report(installed, "closed", lang)
    assert rows.keys() >= {t.translate(f"report.{name}") for name in ("given", "left")}
    assert t.translate("report.note") in page(installed, "closed", lang)


def test_donation_within_period_changes_no_closing_report(installed):
    paths = [f"/c/{name}?lang=en" for name in ("closed", "ended", "open")]
    paths += [f"/v1/campaigns/{name}/spending?lang=en" for name in ("closed", "ended", "open")]
    before = {path: installed.client.get(path).content for path in paths}
    for name in ("closed", "ended"):
        event = session_event(installed, amount=250_00, metadata={"campaign": name, "site": "other", "nonce": "n"})
        assert post(installed, event).json() == {"outcome": "applied"}
        assert installed.totals(name).raised == 250_00
    time.sleep(0.5)  # five looks of a worker
    assert {path: installed.client.get(path).content for path in paths} == before


def test_spending_of_a_hidden_campaign_is_not_shown(installed):
    answer = installed.client.get("/v1/campaigns/hidden/spending")
    assert (answer.status_code, answer.json()["code"]) == (404, "campaign_hidden")


def test_spending_is_cached_as_the_campaign_document(installed):
    document, card = (installed.client.get(f"/v1/campaigns/open{path}?lang=be") for path in ("/spending", ""))
    assert (
        document.headers["cache-control"]
        == card.headers["cache-control"]
        == ("public, max-age=30, stale-while-revalidate=30")
    )
    repeated = installed.client.get(document.request.url, headers={"if-none-match": document.headers["etag"]})
    assert repeated.status_code == 304


def test_more_spent_than_published_is_a_warning_of_readyz(installed):
    answer = installed.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["warnings"] == ["open: 1700.50 EUR spent, 200.50 EUR more than the public total"]
