"""Test the pages of the list of campaigns."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.pages import embed
from donation_card.web.presentation.translations import translations_for

from tests.support.installation import eventually
from tests.support.shipped import VITALY_TEXT

NAMES = [f"c{number:02}" for number in range(53)]
CLOSED, HIDDEN = "c07", "c30"
OPEN = [name for name in NAMES if name not in (CLOSED, HIDDEN)]
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaigns")
    for name in NAMES:
        status = {CLOSED: "closed", HIDDEN: "hidden"}.get(name, "open")
        text = VITALY_TEXT.replace('status = "open"', f'status = "{status}"', 1)
        (folder / f"{name}.toml").write_text(text, "utf-8")
    return folder


def shown(html):
    return re.findall(r'<h2><a href="/c/(\w+)\?', html)


def links(html, tag, rel):
    """Return the addresses of one relation in `<link>` or `<a>`."""
    return [unescape(each) for each in re.findall(rf'<{tag} rel="{rel}" href="([^"]*)"', html)]


def walk(installed, start="/?lang=en"):
    """Follow the links to the next page."""
    while start:
        answer = installed.client.get(start).raise_for_status()
        yield answer.text
        start = next(iter(links(answer.text, "a", "next")), None)


def test_links_lead_through_all_pages_and_back(installed):
    pages = list(walk(installed))
    assert [shown(page) for page in pages] == [OPEN[:24], OPEN[24:48], OPEN[48:]]
    url = installed.settings.public_url
    for number, page in enumerate(pages, 1):
        addresses = {each: "/?lang=en" + (f"&page={each}" if each > 1 else "") for each in (1, 2, 3)}
        for rel, other in (("prev", number - 1), ("next", number + 1)):
            expected = [addresses[other]] if other in addresses else []
            assert links(page, "a", rel) == expected
            assert links(page, "link", rel) == [url + each for each in expected]
        assert links(page, "link", "canonical") == [url + addresses[number]]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_page_says_where_it_is_in_each_language(installed, lang):
    t = translations_for(lang)
    second = installed.client.get(f"/?lang={lang}&page=2").text
    position = t.translate("page.position", number=2, pages=3)
    assert f"<title>{t.translate('page.campaigns')} · {position}</title>" in second
    assert f"<h1>{t.translate('page.campaigns')}</h1>" in second
    others = re.findall(r'hreflang="(\S+)" href="([^"]*)"', second)
    url = installed.settings.public_url
    assert {(other, f"{url}/?lang={other}&amp;page=2") for other in LANGUAGES} <= {*others}
    assert ("x-default", f"{url}/?page=2") in others
    first = installed.client.get(f"/?lang={lang}").text
    assert f"<title>{t.translate('page.campaigns')}</title>" in first


@pytest.mark.parametrize("given", ["0", "-1", "4", "abc", "", "01", "1.0", "+1", "1e0", "１", "9" * 5_000])
@pytest.mark.parametrize("lang", ["en", "be"])
def test_page_that_does_not_exist_gets_404(installed, given, lang):
    query = httpx.QueryParams({"lang": lang, "page": given})
    answer = installed.client.get(f"/?{query}", headers=PAGE)
    assert answer.status_code == 404
    assert translations_for(lang).translate("problem.not_found") in answer.text
    assert f'href="/?lang={lang}"' in answer.text, "it leads to the list"
    assert installed.client.get(f"/?{query}").json()["code"] == "not_found"


def test_hidden_campaign_leaves_its_page_and_the_next_moves_up(installed, folder):
    file = folder / f"{OPEN[3]}.toml"
    text = file.read_text("utf-8")
    assert OPEN[3] in shown(installed.client.get("/").text)
    file.write_text(text.replace('status = "open"', 'status = "hidden"', 1), "utf-8")
    rest = [name for name in OPEN if name != OPEN[3]]
    try:
        eventually(lambda: shown(installed.client.get("/").text) == rest[:24], "the campaign is gone")
        assert [shown(page) for page in walk(installed)] == [rest[:24], rest[24:48], rest[48:]]
    finally:
        file.write_text(text, "utf-8")
    eventually(lambda: shown(installed.client.get("/").text) == OPEN[:24], "it is back")


def test_generator_offers_the_chosen_and_a_hundred_in_all(installed, monkeypatch):
    monkeypatch.setattr(embed, "_MAX_OFFERED", 20)
    html = installed.client.get(f"/c/c00/embed?with={OPEN[-1]}&with={OPEN[-2]}").text
    offered = re.findall(r'name="with" value="(\w+)"', html)
    assert offered == [OPEN[-1], OPEN[-2], *[name for name in NAMES if name != HIDDEN][1:19]]


def test_one_page_has_no_links_to_others(installation):
    page = installation.client.get("/?lang=en").text
    assert 'class="pages"' not in page
    assert not links(page, "a", "next") + links(page, "link", "next")
    assert installation.client.get("/?lang=en&page=1").text == page
    assert installation.client.get("/?lang=en&page=2").status_code == 404
