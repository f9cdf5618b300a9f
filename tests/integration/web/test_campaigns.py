"""Test the JSON of a campaign and its caching."""

import json

import httpx
import pytest


def test_card_json_has_texts_and_progress_in_one_language(installation):
    card = installation.client.get("/v1/campaigns/vitaly", params={"lang": "be"}).json()
    assert (card["lang"], card["dir"], card["status"]) == ("be", "ltr", "open")
    assert len(card["needs"]) == 4
    assert round(sum(need["goal_fraction"] for need in card["needs"]), 3) == 1
    assert card["test_mode_text"]  # the sandbox is no real money, and says so


@pytest.mark.parametrize(
    ("lang", "spoken"),
    [
        ("uk-UA", "uk"),
        ("be-tarask", "be"),
        ("fr", "en"),
        ("fr,pl", "pl"),
        ("", "en"),
        ("RU", "ru"),
        ("zz-Latn-XX,lt", "lt"),
    ],
)
def test_first_language_of_the_campaign_wins(installation, lang, spoken):
    assert installation.client.get("/v1/campaigns/vitaly", params={"lang": lang}).json()["lang"] == spoken


@pytest.mark.parametrize("lang", ["b e", "../be", "be,", "<b>", "ы", "x" * 101, "-", "abcdefghi"])
def test_malformed_language_is_refused(installation, lang):
    answer = installation.client.get("/v1/campaigns/vitaly", params={"lang": lang})
    assert answer.status_code == 400
    assert answer.json()["code"] == "language_malformed"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_unknown_campaign_is_not_found(installation):
    for path in ("/v1/campaigns/nobody", "/v1/campaigns/nobody/progress"):
        answer = installation.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "campaign_unknown")


def test_any_origin_may_read_and_response_does_not_vary(installation):
    for path in ("/v1/campaigns/vitaly", "/v1/campaigns/vitaly/progress", "/widget/v1/donation-card.js"):
        answer = installation.client.get(path, headers={"origin": "https://news.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "origin" not in answer.headers["vary"].lower()
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/v1/campaigns/vitaly?lang=de", "/v1/campaigns/vitaly/progress", "/c/vitaly"])
def test_matching_etag_gets_304(installation, path):
    first = installation.client.get(path)
    again = installation.client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert installation.client.get(path, headers={"if-none-match": 'W/"other"'}).status_code == 200


@pytest.mark.parametrize("coding", ["br", "gzip", "identity"])
def test_encodings_hold_the_same_content(installation, coding):
    plain = httpx.get(f"{installation.service}/v1/campaigns/vitaly", headers={"accept-encoding": "identity"})
    coded = httpx.get(f"{installation.service}/v1/campaigns/vitaly", headers={"accept-encoding": coding})
    assert coded.headers.get("content-encoding", "identity") == coding
    assert coded.json() == plain.json()
    assert coded.headers["etag"] == plain.headers["etag"]


def test_card_json_is_small_in_every_language(installation):
    import brotli

    for lang in ("en", "be", "ru", "uk", "lt", "pl", "de"):
        body = installation.client.get("/v1/campaigns/vitaly", params={"lang": lang}).content
        assert len(brotli.compress(body, quality=5)) <= 3_000, lang


def test_card_script_is_within_its_size_budget(installation):
    served = httpx.get(f"{installation.service}/widget/v1/donation-card.js", headers={"accept-encoding": "br"})
    assert served.headers["content-encoding"] == "br"
    assert int(served.headers["content-length"]) <= 6_600


def test_head_and_other_methods_follow_rfc_9110(installation):
    head = installation.client.head("/v1/campaigns/vitaly/progress")
    assert (head.status_code, head.headers["etag"]) == (200, installation.client.get(head.url.path).headers["etag"])
    assert installation.client.head("/widget/v1/donation-card.js").status_code == 200
    refused = installation.client.post("/v1/campaigns/vitaly/progress")
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")


def test_donation_moves_total_and_fills_needs_in_order(installation):
    before, paid_before = installation.progress()["raised"], installation.paid()[0]
    assert before == paid_before
    assert installation.give("50").status_code == 303
    from tests.support.installation import eventually

    eventually(lambda: installation.progress()["raised"] == before + 5000, "the total has moved")
    card = json.loads(installation.client.get("/v1/campaigns/vitaly", params={"lang": "en"}).content)
    assert card["progress"]["stage"] == "under_way"
    assert card["needs"][0]["status"] == "next"
