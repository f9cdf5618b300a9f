"""Test the ways to give: on the giving page, on the page of a transfer and on error pages."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import httpx
import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.domain.money import Money
from donation_card.web.presentation.translations import translations_for
from donation_card.web.presentation.ways import plain_amount

from tests.support import contract
from tests.support.installation import running
from tests.support.ways import ACCOUNT, BIC, HOLDER, IBAN, LINKS, REFERENCE, campaign_with_ways, write_campaigns

HTML = {"accept": "text/html"}
FALLBACK = "https://donate.stripe.com/vitaly"
UNNAMED = ACCOUNT.replace("accept_named_statement = true", "")
SECRETS = (IBAN, REFERENCE, "LT60 1010", "RF56 5390", BIC)


@pytest.fixture(scope="module")
def installed(redis_url, tmp_path_factory):
    """Run campaigns with all ways, in each state. The campaign `unnamed` does not accept that statements name it."""
    campaigns = write_campaigns(
        tmp_path_factory.mktemp("campaigns"),
        paused=campaign_with_ways(status="paused"),
        unnamed=campaign_with_ways(head=f'fallback_url = "{FALLBACK}"', account=UNNAMED),
        closed=campaign_with_ways(status="closed"),
        ended=campaign_with_ways(head="ends = 2026-01-31"),
        hidden=campaign_with_ways(status="hidden"),
    )
    with running(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=campaigns) as found:
        found.until_ready()
        found.client.event_hooks["response"] = [lambda response: (response.read(), contract.check(response))]
        yield found


def text_of(installed, path, **query):
    return unescape(installed.client.get(path, params=query, headers=HTML).text)


def ways_on(page):
    return re.findall(r'name="way" value="([^"]+)"', page)


# ── the list on the giving page ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", LANGUAGES)
def test_giving_page_lists_each_way_with_its_own_button(installed, lang):
    page, t = text_of(installed, "/c/ways/give", lang=lang), translations_for(lang).translate
    assert ways_on(page) == ["card", "bank_transfer", "link-2", "link-3"]
    insides = page.partition('<fieldset class="ways"')[2].partition("</fieldset>")[0].split('<div class="way">')[1:]
    for inside, title in zip(
        insides, [t("give.way.card"), t("give.way.bank_transfer"), f"Way 1 ({lang})", f"Way 2 ({lang})"], strict=True
    ):
        assert f"<b>{title}</b>" in inside
        assert len(re.findall(r'<button (?:id="submit" )?class="button|<a class="button', inside)) == 1
    assert all(f'href="{url}"' in page for url in LINKS)


def test_campaign_with_one_way_shows_no_list(installed):
    page = text_of(installed, "/c/vitaly/give", lang="en")
    assert ways_on(page) == []
    assert "How would you like to pay?" not in page
    assert page.count('id="submit"') == 1


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("path", ["/c/ways/give", "/c/vitaly/give", "/c/ways/transfer"])
def test_one_sentence_stands_above_all_ways(installed, path, lang):
    page, t = text_of(installed, path, lang=lang), translations_for(lang).translate
    body = page.partition("<main")[2]
    first = min(body.index(mark) for mark in ('name="way"', 'id="transfer"', "<button") if mark in body)
    assert body.index(t("bank_warning.any_way")) < first


@pytest.mark.parametrize("lang", LANGUAGES)
def test_link_says_what_remains_and_when_it_counts(installed, lang):
    page, t = text_of(installed, "/c/ways/give", lang=lang), translations_for(lang).translate
    assert f"What way 1 leaves behind. ({lang})" in page
    assert t("give.link.counts", recipient="BYSOL") in page
    assert t("give.real_money") in page


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_calls_a_way_safe_or_anonymous(lang):
    """The list has the stems of "safe", "secure" and "anonymous" in each language."""
    words = (
        r"\bsafe|secure|anonym|sicher|anonim|ананім|аноним|анонім|бяспеч|безопасн|безпечн"
        "|абаронен|защищ|захищ|saug|bezpiecz"
    )
    texts = json.loads(Path(f"service/donation_card/web/locales/{lang}.json").read_text("utf-8"))
    found = {key for key, text in texts.items() if re.search(words, str(text).replace("nesaugome", ""), re.IGNORECASE)}
    assert {key for key in found if not key.startswith(("card.as_of", "site.steps"))} == set(), "these are about totals"


# ── where an account is not shown ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("campaign", ["paused", "closed", "ended", "hidden", "unnamed"])
def test_account_is_shown_nowhere_unless_gifts_are_taken(installed, campaign):
    for path in ("", "/give", "/transfer?amount=25", "/transfer.svg?amount=25"):
        answer = installed.client.get(f"/c/{campaign}{path}", headers=HTML)
        assert not any(secret in unescape(answer.text) for secret in SECRETS), path
        assert "transfer" not in path or answer.status_code == 404


def test_feed_embed_and_api_never_contain_the_account(installed):
    public = installed.settings.public_url
    paths = [
        *("/v1/campaigns/ways", "/v1/campaigns/ways/progress", "/c/ways", "/c/ways/frame", "/c/ways/embed", "/"),
        *("/c/ways/updates.atom", "/c/ways/qr.svg", "/c/ways/badge.svg", f"/oembed?url={public}/c/ways"),
    ]
    answers = [installed.client.get(path, headers=HTML).text for path in paths]
    answers.append(installed.client.get("/c/ways/transfer?amount=x").text)
    answers.append(installed.order("0", token=installed.token("ways")).text)
    answers.append(installed.order("25", token=installed.token("ways")).text)
    for answer in answers:
        assert not any(secret in unescape(answer) for secret in (*SECRETS, *LINKS))


# ── the page of a transfer ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", LANGUAGES)
def test_transfer_page_has_each_field_and_who_sees_what(installed, lang):
    page, t = text_of(installed, "/c/ways/transfer", lang=lang, amount="25"), translations_for(lang)
    fields = re.findall(r'<dt>([^<]+)</dt><dd id="[^"]+">([^<]*)</dd><dd><button [^>]*value="([^"]*)"', page)
    amount = t.format_money(Money(2500, "EUR"))
    assert fields == [
        (t.translate("give.transfer.holder"), HOLDER, HOLDER),
        ("IBAN", "LT60 1010 0123 4567 8901", IBAN),
        ("BIC", BIC, BIC),
        (t.translate("give.transfer.reference"), "RF56 5390 0754 70", REFERENCE),
        (t.translate("give.transfer.amount"), amount, "25"),
    ]
    assert t.translate("give.transfer.records", holder=HOLDER, recipient="BYSOL") in page
    assert t.translate("give.transfer.counts", recipient="BYSOL") in page
    assert "/c/ways/transfer.svg?amount=25" in page
    assert "<form" not in page


def test_transfer_without_an_amount_leaves_it_to_the_bank(installed):
    page = text_of(installed, "/c/ways/transfer", lang="en")
    assert IBAN in page
    assert "<div hidden><dt>Amount</dt>" in page
    assert 'src="/c/ways/transfer.svg"' in page


@pytest.mark.parametrize(
    ("amount", "says"),
    [("0", "smallest gift"), ("1000000", "largest gift"), ("x", "not an amount"), ("25.50", "without cents")],
)
def test_bad_amount_of_a_transfer_gets_a_clear_answer(installed, amount, says):
    answer = installed.client.get("/c/ways/transfer", params={"amount": amount, "lang": "en"}, headers=HTML)
    assert answer.status_code == 400
    assert says in unescape(answer.text)
    assert 'href="/c/ways/give?lang=en"' in answer.text


@pytest.mark.parametrize("lang", ["be", "de"])
def test_form_without_javascript_leads_to_the_transfer(installed, lang):
    token = installed.token("ways", lang)
    sent = installed.submit(token=token, way="bank_transfer", amount="custom", custom_amount="35", lang=lang)
    assert sent.status_code == 303
    assert sent.headers["location"] == f"{installed.settings.public_url}/c/ways/transfer?lang={lang}&amount=35"
    assert sent.headers["cache-control"] == "no-store"
    assert installed.client.get(sent.headers["location"], headers=HTML).status_code == 200
    assert installed.paid("ways") == (0, 0)


def test_form_with_a_bad_amount_keeps_the_chosen_way(installed):
    page = installed.submit(token=installed.token("ways"), way="bank_transfer", amount="custom", custom_amount="1")
    assert page.status_code == 400
    assert re.findall(r'value="([\w-]+)"[^>]* checked', page.text) == ["custom", "bank_transfer"]


def test_form_with_a_link_shows_it_and_opens_no_session(installed):
    before = sessions(installed)
    page = installed.submit(token=installed.token("ways"), way="link-2", amount="25")
    assert page.status_code == 200
    assert re.findall(r'value="([\w-]+)"[^>]* checked', page.text) == ["25", "link-2"]
    assert sessions(installed) == before


@pytest.mark.parametrize("way", ["card", "", "anything"])
def test_form_with_any_other_way_leads_to_the_card(installed, way):
    sent = installed.submit(token=installed.token("ways"), way=way, amount="25")
    assert sent.status_code == 303
    assert sent.headers["location"].startswith(installed.sandbox)


def sessions(installed):
    found = httpx.get(f"{installed.sandbox}/v1/checkout/sessions", params={"limit": 100}, auth=("sk_test_x", ""))
    return len(found.json()["data"])


# ── error pages ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def outage(installed):
    installed.operate("faults", api={"kind": "500", "remaining": 500, "executed": False})
    yield
    httpx.delete(f"{installed.sandbox}/sandbox/faults").raise_for_status()


@pytest.mark.parametrize("lang", ["en", "be", "de"])
@pytest.mark.usefixtures("outage")
def test_error_page_offers_the_other_ways_after_the_warning(installed, lang):
    page = installed.submit(token=installed.token("ways", lang), amount="25", lang=lang)
    body, t = unescape(page.text.partition("<main")[2]), translations_for(lang).translate
    assert page.status_code == 503
    marks = [t("bank_warning.any_way"), "/c/ways/give", f"/c/ways/transfer?lang={lang}", *LINKS]
    assert sorted(marks, key=body.index) == marks
    assert f"What way 2 leaves behind. ({lang})" in body
    assert not any(secret in body for secret in SECRETS)


@pytest.mark.usefixtures("outage")
def test_fallback_comes_before_all_other_ways(installed):
    page = installed.submit(token=installed.token("unnamed"), amount="25", lang="en")
    body = unescape(page.text.partition("<main")[2])
    assert body.index(FALLBACK) < body.index(LINKS[0])
    assert "/transfer" not in body, "the campaign warns, and does not accept the statement"


@pytest.mark.usefixtures("outage")
def test_error_document_has_the_fallback_and_no_other_way(installed):
    problem = installed.order("25", token=installed.token("unnamed")).json()
    assert problem["fallback_url"] == FALLBACK
    assert "params" not in problem
    plain = installed.order("25", token=installed.token("ways")).text
    assert not any(mark in plain for mark in ("fallback_url", *LINKS, *SECRETS))


def test_plain_amount_has_two_decimals_or_none():
    assert [plain_amount(Money(amount, "EUR")) for amount in (2500, 250, 1)] == ["25", "2.50", "0.01"]
