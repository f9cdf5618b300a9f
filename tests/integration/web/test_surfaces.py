"""Test each surface of a campaign: page, frame, snippet, oEmbed, feed, list."""

import json
import re
from html import unescape
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.campaign_responses import IMAGES
from donation_card.web.presentation.translations import translations_for

from tests.support.installation import eventually, running
from tests.support.shipped import VITALY, VITALY_TEXT

HTML, JSON = {"accept": "text/html"}, {"accept": "application/json"}
ATOM = "{http://www.w3.org/2005/Atom}"


def attributes(html, tag):
    """Return the attributes of every such tag."""
    found = re.findall(rf"<{tag}\b([^>]*)>", html)
    return [{name: unescape(value) for name, value in re.findall(r'([\w:-]+)="([^"]*)"', each)} for each in found]


@pytest.fixture(scope="module")
def told(redis_url, tmp_path_factory):
    """Start an installation whose campaign lists its sites and has two updates. Yield its file too."""
    folder = tmp_path_factory.mktemp("campaigns")
    file = folder / "vitaly.toml"
    text = VITALY_TEXT.replace('status = "open"', 'status = "open"\nsites = ["news.example.org"]', 1)
    for day, line in (("2026-12-01", "The deposit is paid."), ("2027-01-02", "The rent <& more> is paid.")):
        lines = ", ".join(f'{lang} = "{line} ({lang})"' for lang in LANGUAGES)
        text += f"\n[[updates]]\ndate = {day}\ntext = {{ {lines} }}\n"
    file.write_text(text, "utf-8")
    with running(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=folder) as found:
        found.until_ready()
        yield found, file


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", LANGUAGES)
def test_page_has_metadata_for_search_and_messengers(installation, lang):
    url = installation.settings.public_url
    html = installation.client.get(f"/c/vitaly?lang={lang}").text
    metas = {
        each.get("property") or each.get("name"): each["content"]
        for each in attributes(html, "meta")
        if "content" in each
    }
    text = read_campaign(VITALY).text[lang]
    assert (metas["og:title"], metas["og:description"], metas["description"]) == (
        text.title,
        text.summary,
        text.summary,
    )
    assert metas["og:image"] == f"{url}/c/vitaly/share.png?lang={lang}"
    assert metas["og:image:alt"] == translations_for(lang).translate("card.dialog_title", recipient="BYSOL")
    links = attributes(html, "link")
    assert [each["href"] for each in links if each["rel"] == "canonical"] == [f"{url}/c/vitaly?lang={lang}"]
    alternates = {each["hreflang"]: each["href"] for each in links if "hreflang" in each}
    assert alternates == {other: f"{url}/c/vitaly?lang={other}" for other in LANGUAGES} | {
        "x-default": f"{url}/c/vitaly"
    }
    data = json.loads(re.search(r'<script type="application/ld\+json">(.*?)</script>', html, re.S)[1])
    assert data["potentialAction"]["target"] == f"{url}/c/vitaly/give?lang={lang}"
    assert data["publisher"]["name"] == "Belarus Solidarity Foundation"


def test_title_is_escaped_in_structured_data(redis_url, tmp_path):
    evil = "</script><script>alert(1)</script>"
    (tmp_path / "c").mkdir()
    (tmp_path / "c/vitaly.toml").write_text(VITALY_TEXT.replace(read_campaign(VITALY).text["en"].title, evil), "utf-8")
    with running(redis_url, tmp_path / "s", campaigns=tmp_path / "c") as installation:
        installation.until_ready()
        for path in ("/c/vitaly", "/", "/c/vitaly/frame", "/c/vitaly/embed"):
            assert "<script>alert" not in installation.client.get(path).text, path


# ── frames and snippets ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", ["script", "iframe", "link"])
def test_snippet_names_the_recipient_and_no_person(installation, kind, lang):
    title = read_campaign(VITALY).text[lang]
    code = installation.client.get(
        f"/c/vitaly/embed?lang={lang}&kind={kind}", headers={"accept": "application/json"}
    ).json()["code"]
    assert "BYSOL" in code
    assert title.title not in code
    assert title.purpose.split()[-1] not in code
    oembed = installation.client.get(
        "/oembed", params={"url": f"{installation.settings.public_url}/c/vitaly?lang={lang}"}
    ).text
    assert title.purpose.split()[-1] not in oembed


def test_generator_page_and_oembed_return_the_same_code(installation):
    query = "?kind=iframe&theme=dark&layout=compact&lang=de"
    printed = installation.client.get(f"/c/vitaly/embed{query}", headers=JSON).json()
    html = unescape(installation.client.get(f"/c/vitaly/embed{query}", headers=HTML).text)
    assert printed["code"] in html
    assert printed["policy"] == f"frame-src {installation.settings.public_url}"
    assert "theme=dark" in printed["preview"]
    assert "layout=compact" in printed["code"]


def test_frame_has_framing_policy_and_one_minute_cache(installation):
    frame, give = (installation.client.get(f"/c/vitaly/{path}").headers for path in ("frame", "give"))
    wanted = give["content-security-policy"].partition("frame-ancestors")[2]
    assert frame["content-security-policy"].partition("frame-ancestors")[2] == wanted
    assert frame["cross-origin-resource-policy"] == "cross-origin"
    assert frame["cache-control"] == "public, max-age=30, stale-while-revalidate=30"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/c/vitaly/frame?layout=huge", "parameter_invalid"),
        ("/c/vitaly/frame?theme=<b>", "parameter_invalid"),
        ("/c/vitaly/embed?kind=flash", "parameter_invalid"),
        ("/c/vitaly/embed?pinned=yes", "parameter_invalid"),
        ("/c/vitaly/qr.svg?size=-1", "size_out_of_range"),
        ("/c/vitaly/qr.svg?size=99999999", "size_out_of_range"),
        ("/c/vitaly/qr.svg?size=256.5", "size_out_of_range"),
        ("/c/vitaly/qr.svg?size=٢٥٦", "size_out_of_range"),
        ("/c/vitaly/badge.svg?lang=<b>", "language_malformed"),
    ],
)
def test_invalid_parameter_error_has_the_requested_format(installation, path, code):
    answer = installation.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    page = installation.client.get(path, headers=HTML)
    assert (page.status_code, page.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "<b>" not in page.text.replace("<b>", "", 0).partition("<main")[2]


# ── oEmbed ────────────────────────────────────────────────────────────────────────────────────────────────────────


def oembed(installation, address="/c/vitaly", **more):
    return installation.client.get("/oembed", params={"url": installation.settings.public_url + address, **more})


@pytest.mark.parametrize(
    ("more", "width", "most"),
    [
        ({}, 600, 10_000),
        ({"maxwidth": 500, "maxheight": 750}, 500, 750),
        ({"maxwidth": 320, "maxheight": 300}, 320, 300),
        ({"maxwidth": 10_000, "maxheight": 10_000}, 600, 10_000),
        ({"maxwidth": 100, "maxheight": 100}, 100, 100),
    ],
)
def test_oembed_frame_fits_maxwidth_and_maxheight(installation, more, width, most):
    answer = oembed(installation, **more).json()
    assert (answer["version"], answer["type"], answer["width"]) == ("1.0", "rich", width)
    assert answer["height"] <= most
    (frame,) = attributes(answer["html"], "iframe")
    assert (frame["width"], frame["height"]) == (str(width), str(answer["height"]))
    assert frame["src"].startswith(f"{installation.settings.public_url}/c/vitaly/frame?lang=en&layout=")
    assert answer["html"].startswith("<blockquote hidden><a ")
    assert attributes(answer["html"], "a")[0]["href"] == f"{installation.settings.public_url}/c/vitaly?lang=en"


@pytest.mark.parametrize(
    "address", ["/c/vitaly", "/c/vitaly/", "/c/vitaly?lang=be", "/c/vitaly#card", "/c/vitaly?utm_source=x&lang=be"]
)
def test_oembed_accepts_every_campaign_url(installation, address):
    spoken = "be" if "lang=be" in address else "en"
    assert oembed(installation, address).json()["title"] == translations_for(spoken).translate(
        "card.dialog_title", recipient="BYSOL"
    )


@pytest.mark.parametrize(
    "address",
    ["https://elsewhere.example/c/vitaly", "", "javascript:alert(1)", "//x", "http://[", "/c/vitaly", "x" * 9000],
)
def test_oembed_of_a_foreign_url_is_not_found(installation, address):
    answer = installation.client.get("/oembed", params={"url": address})
    assert (answer.status_code, answer.json()["code"]) == (404, "url_not_recognized")
    elsewhere = installation.settings.public_url.replace("http://", "http://user@")
    assert installation.client.get("/oembed", params={"url": f"{elsewhere}/c/vitaly"}).status_code == 404
    assert oembed(installation, "/c/vitaly/give").status_code == 404
    assert oembed(installation, "/c/nobody").json()["code"] == "campaign_unknown"


@pytest.mark.parametrize("size", ["0", "-5", "99", "10001", "1e3", "wide", " 300", ""])
def test_invalid_size_is_refused(installation, size):
    for name in ("maxwidth", "maxheight"):
        answer = oembed(installation, **{name: size})
        assert (answer.status_code, answer.json()["code"]) == (400, "size_out_of_range")
        assert answer.json()["params"] == {"field": name, "given": size, "minimum": 100, "maximum": 10_000}


def test_page_links_to_oembed_json_only(installation):
    found = [
        each
        for each in attributes(installation.client.get("/c/vitaly").text, "link")
        if each.get("type") == "application/json+oembed"
    ]
    address = urlsplit(found[0]["href"])
    answer = installation.client.get(f"{address.path}?{address.query}")
    assert answer.json()["provider_name"] == "BYSOL"
    assert parse_qs(address.query)["url"] == [f"{installation.settings.public_url}/c/vitaly?lang=en"]
    assert oembed(installation, format="xml").status_code == 501


# ── updates, list, pictures ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", LANGUAGES)
def test_updates_are_on_card_page_and_feed_newest_first(told, lang):
    installation, _ = told
    newest = f"The rent <& more> is paid. ({lang})"
    card = installation.client.get(f"/v1/campaigns/vitaly?lang={lang}").json()
    assert card["update"].endswith(newest)
    page = installation.client.get(f"/c/vitaly?lang={lang}").text
    lines = [unescape(line) for line in re.findall(r'<li id="update-\d">(.*?)</li>', page)]
    assert [line.partition("· ")[2] for line in lines] == [newest, f"The deposit is paid. ({lang})"]
    answer = installation.client.get(f"/c/vitaly/updates.atom?lang={lang}")
    feed = ElementTree.fromstring(answer.content)
    assert [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")] == [
        newest,
        f"The deposit is paid. ({lang})",
    ]
    assert [each.text for each in feed.iter(f"{ATOM}updated")] == ["2027-01-02T00:00:00Z"] * 2 + [
        "2026-12-01T00:00:00Z"
    ]
    ids = [each.text for each in feed.iter(f"{ATOM}id")]
    assert len(set(ids)) == 3
    assert all(f'id="{address.partition("#")[2]}"' in page for address in ids[1:])
    assert feed.findtext(f"{ATOM}title") == "Belarus Solidarity Foundation (BYSOL)"


def test_feed_without_updates_is_valid(installation):
    feed = ElementTree.fromstring(installation.client.get("/c/vitaly/updates.atom").content)
    assert feed.findtext(f"{ATOM}updated")
    assert list(feed.iter(f"{ATOM}entry")) == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_list_links_to_every_open_campaign(installation, lang):
    html = installation.client.get(f"/?lang={lang}").text
    assert f'href="/c/vitaly?lang={lang}"' in html
    assert read_campaign(VITALY).text[lang].title in unescape(html)


@pytest.mark.parametrize("name", IMAGES)
def test_image_is_cached_and_allowed_on_any_site(installation, name):
    first, again = (installation.client.get(f"/c/vitaly/{name}?lang=be") for _ in range(2))
    assert first.content == again.content
    assert first.headers["cross-origin-resource-policy"] == "cross-origin"
    assert (
        installation.client.get(
            f"/c/vitaly/{name}?lang=be", headers={"if-none-match": first.headers["etag"]}
        ).status_code
        == 304
    )


# ── the way back ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_return_url_on_a_listed_site_is_followed(told):
    installation, _ = told
    article = "https://news.example.org/2026/a-story?x=1&y=2"
    html = installation.client.get("/c/vitaly/give", params={"return_url": article}, headers=HTML).text
    assert article in unescape(html)
    token = re.search(r'name="form_token"[^>]*value="([^"]+)"', html)[1]
    wrong = installation.submit(token=token, amount="custom", custom_amount="x", return_url=article)
    assert article in unescape(wrong.text)
    started = installation.submit(token=token, amount="25", return_url=article)
    paid = installation.pay(started.headers["location"])
    thanks = installation.client.get(paid.headers["location"])
    assert {"href": article} in [{"href": each.get("href")} for each in attributes(thanks.text, "a")]
    assert translations_for("en").translate("page.back_to_site", site="news.example.org") in thanks.text


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "http://news.example.org/",
        "//news.example.org/",
        "https://news.example.org.evil.example/",
        "https://news.example.org@evil.example/",
        "https://evil.example\\@news.example.org/",
        "https://news.example.org:8443/",
        "https://evilnews.example.org/",
        "https://user@news.example.org/",
        "javascript:alert(1)//news.example.org",
        "https://news.example.org/" + "x" * 300,
        "https://news.example.org/\x00",
        "https://news.example.org/ы",
        "https://[",
    ],
)
def test_return_url_on_another_site_is_refused(told, elsewhere):
    installation, _ = told
    answer = installation.client.get("/c/vitaly/give", params={"return_url": elsewhere})
    assert (answer.status_code, answer.json()["code"]) == (400, "return_url_not_allowed")
    page = installation.submit(token=installation.token(), amount="25", return_url=elsewhere)
    assert page.status_code == 400
    assert 'href="https://evil' not in page.text


def test_without_listed_sites_return_goes_to_the_campaign(installation):
    answer = installation.client.get("/c/vitaly/give", params={"return_url": "https://news.example.org/"})
    assert answer.json()["code"] == "return_url_not_allowed"


# ── the kill switch ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def hidden(redis_url, tmp_path_factory):
    """Hide a campaign while a donor pays. Yield the installation, the donor's form token and page, and all responses
    from before."""
    folder, text = tmp_path_factory.mktemp("campaigns"), VITALY_TEXT
    (folder / "vitaly.toml").write_text(text, "utf-8")
    (folder / "other.toml").write_text(text, "utf-8")
    with running(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=folder) as installation:
        installation.until_ready()
        token = installation.token()
        location = installation.submit(token=token, amount="25").headers["location"]
        before = {path: installation.client.get(path, headers=HTML) for lang in LANGUAGES for path in surfaces(lang)}
        (folder / "vitaly.toml").write_text(text.replace('status = "open"', 'status = "hidden"', 1), "utf-8")
        (folder / "other.toml").unlink()
        eventually(lambda: installation.client.get("/c/vitaly", headers=HTML).status_code == 404, "it is hidden")
        yield installation, token, location, before


@pytest.mark.parametrize("lang", LANGUAGES)
def test_hidden_campaign_is_redacted_on_every_surface(hidden, lang):
    """No response is cached for more than a minute, and none holds a text, picture or total of the person."""
    installation, token, _, before = hidden
    neutral = translations_for(lang).translate("problem.campaign_hidden")
    for path in surfaces(lang):
        assert before[path].status_code == 200, path
        lifetimes = re.findall(r"(?:max-age|stale-while-revalidate)=(\d+)", before[path].headers["cache-control"])
        assert sum(map(int, lifetimes)) <= 60 or not personal(before[path], lang), path
        answer = installation.client.get(path, headers=HTML)
        assert not personal(answer, lang), path
        assert answer.content != before[path].content or "frame" in path, path
        if answer.status_code == 404 and "text/html" in answer.headers["content-type"]:
            assert neutral in answer.text
    card = installation.client.get(f"/v1/campaigns/vitaly?lang={lang}").json()
    assert (card["status"], card["notice"], card["needs"], card["story"]) == ("hidden", neutral, [], [])
    assert installation.client.get("/v1/campaigns/vitaly/progress").json()["code"] == "campaign_hidden"
    assert oembed(installation).json()["code"] == "campaign_hidden"
    assert installation.submit(token=token, amount="30").status_code == 404


def test_hidden_campaign_counts_a_payment_in_progress(hidden):
    installation, _, location, _ = hidden
    thanks = installation.client.get(installation.pay(location).headers["location"])
    assert translations_for("en").translate("thanks.paid.title") in thanks.text
    assert not personal(thanks, "en")
    eventually(lambda: installation.totals().raised == 2500, "what was paid is counted")


def surfaces(lang):
    paths = ["", "/give", "/frame", "/embed", "/updates.atom", *(f"/{name}" for name in IMAGES)]
    return [f"/c/vitaly{path}?lang={lang}" for path in paths] + [
        f"/?lang={lang}",
        f"/v1/campaigns/vitaly?lang={lang}",
        "/v1/campaigns/vitaly/progress",
    ]


def personal(answer, lang):
    """Return the personal texts in a response."""
    text = read_campaign(VITALY).text[lang]
    needs = [need.text[lang].title for need in read_campaign(VITALY).needs]
    return [
        each for each in (text.title, text.summary, text.purpose, *text.story, *needs) if each in unescape(answer.text)
    ]


@pytest.mark.parametrize("kind", ["script", "iframe", "link"])
@pytest.mark.parametrize("pinned", ["", "1"])
def test_every_printed_tag_has_a_referrer_policy(installation, kind, pinned):
    params = {"kind": kind, "pinned": pinned}
    code = installation.client.get("/c/vitaly/embed", params=params, headers=JSON).json()["code"]
    address = f"{installation.service}/c/vitaly"
    oembed = installation.client.get("/oembed", params={"url": address}).json()["html"]
    for html in (code, oembed):
        tags = [tag for name in ("script", "iframe", "a", "img") for tag in attributes(html, name)]
        assert tags
        assert {tag.get("referrerpolicy") for tag in tags} <= {"strict-origin", "no-referrer"}
