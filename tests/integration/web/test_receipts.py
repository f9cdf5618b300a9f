"""Test what readers get of receipts: page, card, feed and API, until the organiser takes one back."""

from __future__ import annotations

import re
from html import unescape
from xml.etree import ElementTree

import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.translations import translations_for

from tests.integration.web.test_spending import ATOM, TEXT, spent
from tests.support.image_files import MARKER, WITH_METADATA, decode, photo
from tests.support.installation import eventually

BOX = (100, 200, 300, 400)
ONE = f'receipt = {{ file = "one.jpg", cover = [{list(BOX)}], checked = true }}'
TWO = 'receipt = { file = "two.webp", checked = true }'
SPENT = spent("rent", '"2026-09"', "400", "Rent & <b>", ONE) + spent("rent", "2026-10-05", "400.50", "Oil", TWO)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaigns")
    statuses = {"open": "open", "taken": "open", "hidden": "open", "closed": "closed"}
    for seed, (name, status) in enumerate(statuses.items()):  # each campaign has receipts of its own
        text = TEXT.replace('status = "open"', f'status = "{status}"', 1) + SPENT
        number = {"one.jpg": f"{name}.jpg", "two.webp": f"{name}.webp"}
        for old, new in number.items():
            text = text.replace(old, new)
        (folder / f"{name}.toml").write_text(text, "utf-8")
        (folder / f"{name}.jpg").write_bytes(WITH_METADATA["jpg"](photo(800, 1000, seed=seed)))
        (folder / f"{name}.webp").write_bytes(WITH_METADATA["webp"](photo(1000, 900, seed=seed)))
    return folder


def receipts(installed, campaign, lang="en"):
    answer = installed.client.get(f"/v1/campaigns/{campaign}/spending?lang={lang}").raise_for_status()
    return [each["receipt"] for each in answer.json()["spendings"]]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_receipts_are_on_page_card_feed_and_api(installed, lang):
    t, found = translations_for(lang), receipts(installed, "open", lang)
    html = unescape(installed.client.get(f"/c/open?lang={lang}").text)
    count, name = t.translate("page.receipts", n=2), t.translate("page.receipt")
    assert f'<a href="#spent">{count}</a></small>' in html
    for each, text in zip(found, ("Oil", "Rent & <b>"), strict=True):
        assert f'<a href="{each["url"]}">{name}<span class="visually-hidden">: {text} ({lang})</span></a>' in html
        assert each["alt"].startswith(f"{name}: {text} ({lang}), ")
    card = installed.client.get(f"/v1/campaigns/open?lang={lang}").json()
    assert [each["receipts_text"] for each in card["needs"]] == [count, "", "", ""]
    feed = ElementTree.fromstring(installed.client.get(f"/c/open/updates.atom?lang={lang}").content)
    links = [link.attrib for link in feed.iter(f"{ATOM}link") if link.get("rel") == "enclosure"]
    assert [(each["href"], each["title"]) for each in links] == [
        (installed.settings.public_url + each["url"], each["alt"]) for each in found
    ]
    assert {each["type"] for each in links} == {"image/jpeg"}


def test_receipt_has_no_metadata_and_no_covered_pixel(installed):
    oil, rent = receipts(installed, "open")
    assert (oil["width"], oil["height"], rent["width"], rent["height"]) == (1000, 900, 800, 1000)
    for each in (oil, rent):
        answer = installed.client.get(each["url"]).raise_for_status()
        assert answer.headers["cache-control"] == "public, max-age=30, stale-while-revalidate=30"
        assert MARKER.encode() not in answer.content
        assert decode(answer.content).size == (each["width"], each["height"])
    left, top, width, height = BOX
    shown = decode(answer.content).crop((left, top, left + width, top + height))
    assert shown.getextrema() == ((0, 0),) * 3
    stored = list(installed.settings.picture_cache_dir.rglob("*.*"))
    assert stored
    assert not any(MARKER.encode() in path.read_bytes() for path in stored if path.is_file())


def test_one_receipt_can_be_taken_back(installed, folder):
    kept, taken = (each["url"] for each in receipts(installed, "taken"))
    assert installed.client.get(taken).status_code == installed.client.get(kept).status_code == 200
    path = folder / "taken.toml"
    path.write_text(re.sub(r"receipt = .*taken\.jpg.*", "", path.read_text("utf-8")), "utf-8")
    eventually(lambda: receipts(installed, "taken")[1] is None, "the receipt is taken back")
    assert installed.client.get(taken).status_code == 404
    assert installed.client.get(kept).status_code == 200
    assert "1\u00a0receipt<" in installed.client.get("/c/taken?lang=en").text
    made = taken.rpartition("/")[2].partition("-")[0]
    eventually(lambda: not list(installed.settings.picture_cache_dir.glob(f"{made}*")), "its images are deleted")


def test_hidden_campaign_shows_no_receipt(installed, folder):
    urls = [each["url"] for each in receipts(installed, "hidden")]
    assert {installed.client.get(url).status_code for url in urls} == {200}
    path = folder / "hidden.toml"
    path.write_text(path.read_text("utf-8").replace('status = "open"', 'status = "hidden"', 1), "utf-8")
    eventually(lambda: installed.client.get(urls[0]).status_code == 404, "the campaign is hidden")
    assert installed.client.get(urls[1]).status_code == 404
    assert installed.client.get("/v1/campaigns/hidden/spending").status_code == 404


def test_closed_campaign_shows_its_receipts_below_the_report(installed):
    html = installed.client.get("/c/closed?lang=en").text
    assert html.index('id="report"') < html.index('id="spent"') < html.index(receipts(installed, "closed")[0]["url"])
