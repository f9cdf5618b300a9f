"""Test the card of several campaigns: its rows, what it leaves out, its size and its caching."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES

from tests.support.campaign_states import write_states
from tests.support.installation import eventually, running

LENGTHS = (24, 31, 38, 45, 52, 59, 66, 73, 80, 60)
"""Characters of the titles of ten campaigns, from short to long."""


def write_ten(folder: Path) -> None:
    """Write ten campaigns. Their titles are parts of the story, so that no two are alike."""
    text = (folder / "begun.toml").read_text("utf-8")
    stories = {lang: " ".join(each.story) for lang, each in read_campaign(folder / "begun.toml").text.items()}
    for number, length in enumerate(LENGTHS):
        other = text
        for lang in LANGUAGES:
            head, section, rest = other.partition(f"[text.{lang}]")
            words = stories[lang][80 * number :].partition(" ")[2][:length].rpartition(" ")[0].replace('"', "")
            other = head + section + re.sub(r'^title = ".*"$', f'title = "{words}"', rest, count=1, flags=re.M)
        (folder / f"long-campaign-{number}.toml").write_text(other, "utf-8")


TEN = " ".join(f"long-campaign-{number}" for number in range(10))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_states(tmp_path_factory.mktemp("campaigns"))
    write_ten(folder)
    return folder


@pytest.fixture(scope="module")
def installed(redis_url, folder, tmp_path_factory):
    sandbox = tmp_path_factory.mktemp("sandbox")
    with running(redis_url, sandbox, campaigns=folder, demo_publication_interval=None) as found:
        found.until_ready()
        eventually(lambda: found.progress("begun")["raised"] > 0, "the totals are published")
        yield found


def get(installed, ids, lang="en", **options):
    return installed.client.get(f"/v1/campaigns/{quote(ids)}?lang={lang}", **options)


def rows(installed, ids, lang="en"):
    return get(installed, ids, lang).raise_for_status().json()["campaigns"]


def test_each_campaign_has_a_row_in_the_given_order(installed):
    found = rows(installed, "paused begun funded")
    assert [row["id"] for row in found] == ["paused", "begun", "funded"]
    assert found[1]["title"] == get(installed, "begun").json()["title"]
    assert found[1]["amount"] == "€1,400 of €3,000"
    assert found[1]["donate_url"] == "/c/begun/give"
    assert found[0]["donate_url"] is None
    assert (found[2]["funded_fraction"], found[2]["status_text"]) == (1, "funded")


@pytest.mark.parametrize(
    ("state", "amount", "told"),
    [
        ("begun", "€1,400 of €3,000", ""),
        ("started", "Goal: €3,000", ""),
        ("paused", "€1,400 of €3,000", "Paused"),
        ("closed", "€2,600 of €3,000", "Ended"),
        ("funded", "€3,200 of €3,000", "funded"),
        ("full", "€3,000 of €3,000", "Goal reached"),
    ],
)
def test_row_says_its_state_in_place_of_donate(installed, state, amount, told):
    row = rows(installed, f"vitaly {state}")[1]
    assert (row["amount"], row["status_text"], row["note"]) == (amount, told, "")
    assert (row["donate_url"] is None) == (state in ("paused", "closed", "full"))


def test_spaces_commas_and_repetitions_are_the_same_list(installed):
    expected = get(installed, "begun funded").content
    for ids in ("begun,funded", " begun  funded begun ", "begun, funded"):
        assert get(installed, ids).content == expected
    assert "needs" in get(installed, " begun ").json(), "one campaign has its whole card"


@pytest.mark.parametrize("others", ["hidden", "nobody", "hidden nobody", "UPPER ..", "?&=%"])
def test_hidden_and_unknown_campaigns_leave_the_others(installed, others):
    found = get(installed, f"begun {others} funded")
    assert [row["id"] for row in found.json()["campaigns"]] == ["begun", "funded"]
    assert "hidden" not in found.text


def test_only_hidden_campaigns_show_one_neutral_line(installed):
    card = get(installed, "hidden nobody").json()
    assert (card["status"], card["campaigns"]) == ("hidden", [])
    assert card["notice"] == get(installed, "hidden").json()["notice"]
    title = get(installed, "begun").json()["title"]
    assert title not in str(card)


def test_no_known_campaign_is_not_found(installed):
    answer = get(installed, "nobody nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "campaign_unknown")


def test_more_than_ten_campaigns_are_refused_clearly(installed):
    assert len(rows(installed, TEN)) == 10
    answer = get(installed, f"{TEN} begun")
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_campaigns")
    assert "10" in answer.json()["detail"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(rows(installed, f"{TEN} long-campaign-3")) == 10, "a repetition does not count"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_ten_campaigns_fit_into_six_kilobytes(installed, lang):
    answer = get(installed, TEN, lang, headers={"accept-encoding": "br"})
    assert answer.headers["content-encoding"] == "br"
    assert int(answer.headers["content-length"]) <= 6_000
    assert len(answer.json()["campaigns"]) == 10


def test_list_is_cached_as_the_card_of_one_campaign(installed):
    one, several = get(installed, "begun"), get(installed, "begun funded")
    for name in ("cache-control", "access-control-allow-origin", "vary", "content-type"):
        assert several.headers[name] == one.headers[name]
    again = get(installed, "begun funded", headers={"if-none-match": several.headers["etag"]})
    assert again.status_code == 304


def test_hidden_campaign_disappears_and_returns(installed, folder):
    file = folder / "started.toml"
    text = file.read_text("utf-8")
    assert len(rows(installed, "begun started")) == 2
    try:
        file.write_text(text.replace('status = "open"', 'status = "hidden"', 1), "utf-8")
        eventually(lambda: [row["id"] for row in rows(installed, "begun started")] == ["begun"], "it is hidden")
    finally:
        file.write_text(text, "utf-8")
    eventually(lambda: len(rows(installed, "begun started")) == 2, "it is shown")


def test_new_campaign_appears_in_a_list_that_named_it(installed, folder):
    assert len(rows(installed, "begun new")) == 1
    file = folder / "new.toml"
    try:
        file.write_text((folder / "begun.toml").read_text("utf-8"), "utf-8")
        eventually(lambda: len(rows(installed, "begun new")) == 2, "it is shown")
    finally:
        file.unlink()


def test_row_without_the_language_of_the_card_has_its_own(installed, folder):
    file = folder / "roof.toml"
    try:
        file.write_text(Path("tests/support/roof.toml").read_text("utf-8"), "utf-8")
        eventually(lambda: get(installed, "roof").status_code == 200, "it is read")
        own = get(installed, "roof", "be").json()["lang"]
        assert own != "be"
        card = get(installed, "roof begun", "be").json()
        assert (card["lang"], [row["lang"] for row in card["campaigns"]]) == ("be", [own, "be"])
        assert (card["eyebrow"], len({row["note"] for row in card["campaigns"]})) == ("", 2), "two recipients"
    finally:
        file.unlink()


JSON = {"accept": "application/json"}


def test_generator_prints_several_campaigns_and_any_site_may_read_it(installed):
    answer = installed.client.get("/c/begun/embed?with=funded&with=hidden&with=nobody&with=begun", headers=JSON)
    code = answer.json()["code"]
    assert 'campaign="begun funded"' in code
    assert re.findall(r'href="[^"]*/c/(\w+)"', code) == ["begun", "funded"]
    assert "Vitaly" not in code, "the code stays on other people's servers"
    assert answer.json()["preview"].endswith("with=funded")
    assert answer.headers["access-control-allow-origin"] == "*"
    link = installed.client.get("/c/begun/embed?kind=link&with=funded", headers=JSON).json()["code"]
    assert len(re.findall("<a ", link)) == 2


def test_generator_offers_the_other_campaigns(installed):
    page = installed.client.get("/c/begun/embed?with=funded")
    boxes = re.findall(r'name="with" value="(\w+)"( checked)?', page.text)
    assert ("funded", " checked") in boxes
    assert {"hidden", "begun"}.isdisjoint(name for name, _ in boxes)
    assert "max-age=30" in page.headers["cache-control"], "it names campaigns that can be hidden"


@pytest.mark.parametrize("path", ["embed", "frame"])
def test_generator_and_frame_refuse_more_than_ten(installed, path):
    query = "&".join(f"with=long-campaign-{number}" for number in range(10))
    answer = installed.client.get(f"/c/begun/{path}?{query}", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_campaigns")


def test_list_leads_to_the_code_of_at_most_ten(installed):
    link = re.search(r'href="(/c/[\w-]+/embed\?[^"]*)"', installed.client.get("/?lang=en").text)[1]
    assert 1 <= link.count("with=") <= 9
    assert installed.client.get(link.replace("&amp;", "&")).status_code == 200


def test_frame_of_several_needs_the_permission_of_each(installed, folder):
    text = (folder / "begun.toml").read_text("utf-8")
    listing = {"first": '["a.example", "b.example"]', "second": '["b.example", "c.example"]'}
    try:
        for name, sites in listing.items():
            listed = text.replace('status = "open"', f'status = "open"\nsites = {sites}', 1)
            (folder / f"{name}.toml").write_text(listed, "utf-8")
        eventually(lambda: len(get(installed, "first second").json().get("campaigns", [])) == 2, "both are read")
        policy = installed.client.get("/c/first/frame?with=second").headers["content-security-policy"]
        ancestors = re.search(r"frame-ancestors ([^;]*)", policy)[1].split()
        assert "https://b.example" in ancestors
        assert {"https://a.example", "https://c.example", "https:"}.isdisjoint(ancestors)
    finally:
        for name in listing:
            (folder / f"{name}.toml").unlink()
