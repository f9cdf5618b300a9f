"""Test the card of several campaigns: its rows, what it leaves out, its size and its caching."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from donation_card.domain.campaign import LANGUAGES

from tests.support.campaign_states import write_states
from tests.support.installation import eventually, running

LENGTHS = (24, 31, 38, 45, 52, 59, 66, 73, 80, 60)
"""Characters of the titles of ten campaigns, from short to long."""

WORDS = {
    "en": "A safe new start for a family that had to leave everything behind in one night and now begins again",
    "be": "Бяспечны новы пачатак для сям'і, якая за адну ноч мусіла пакінуць усё, што мела, і пачынае нанова",
    "ru": "Безопасное новое начало для семьи, которая за одну ночь оставила всё, что имела, и начинает заново",
    "uk": "Безпечний новий початок для родини, яка за одну ніч мусила залишити все, що мала, і починає наново",
    "lt": "Saugi nauja pradžia šeimai, kuri per vieną naktį turėjo palikti viską, ką turėjo, ir pradeda iš naujo",
    "pl": "Bezpieczny nowy początek dla rodziny, która w jedną noc musiała zostawić wszystko i zaczyna od nowa",
    "de": "Ein sicherer Neuanfang für eine Familie, die in einer Nacht alles zurücklassen musste und neu beginnt",
}


def write_ten(folder: Path) -> None:
    """Write ten campaigns with titles of other lengths and words than the shipped one."""
    text = (folder / "begun.toml").read_text("utf-8")
    for number, length in enumerate(LENGTHS):
        other = text
        for lang in LANGUAGES:
            section = other.index(f"[text.{lang}]")
            old = next(line for line in other[section:].splitlines() if line.startswith("title = "))
            words = WORDS[lang][number : number + length].strip()
            other = other[:section] + other[section:].replace(old, f'title = "{words}"', 1)
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
    assert "paused" in found[0]["note"]
    assert (found[2]["funded_fraction"], found[2]["status_text"]) == (1, "funded")


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
