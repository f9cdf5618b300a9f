"""Test that the bank warning appears before every way to pay."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.translations import translations_for

from tests.support.installation import running
from tests.support.shipped import VITALY_TEXT

ANOTHER_WAY = "https://donate.example.org/vitaly"
WAYS_TO_PAY = r'<a class="button" href="/c/vitaly/give|<button|<div id="payment"|target="_blank"|' + re.escape(
    ANOTHER_WAY
)
HTML = {"accept": "text/html"}


def warning(lang):
    words = translations_for(lang)
    return words.translate("bank_warning.title", countries=words.country_list(("BY", "RU"))), words.translate(
        "bank_warning.text"
    )


def stands_before_every_way_to_pay(html, lang, *, any_way=True):
    """`any_way`: the page is one where a donor chooses, so it also says that each way can be punished."""
    texts = [*warning(lang), *[translations_for(lang).translate("bank_warning.any_way")] * any_way]
    body = unescape(html.partition("<main")[2])
    assert [text for text in texts if text not in body] == [], lang
    first = re.search(WAYS_TO_PAY, body)
    assert first is None or max(map(body.index, texts)) < first.start(), lang
    return first is not None


@pytest.fixture(scope="module")
def linked(redis_url, tmp_path_factory):
    """The first campaign, with another way to give."""
    folder = tmp_path_factory.mktemp("campaigns")
    text = VITALY_TEXT
    (folder / "vitaly.toml").write_text(f'fallback_url = "{ANOTHER_WAY}"\n{text}', "utf-8")
    with running(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=folder) as found:
        found.until_ready()
        yield found


@pytest.mark.parametrize("lang", LANGUAGES)
def test_warning_on_campaign_page_and_giving_page(linked, lang):
    for path in ("/c/vitaly", "/c/vitaly/give"):
        page = linked.client.get(f"{path}?lang={lang}", headers=HTML).text
        assert stands_before_every_way_to_pay(page, lang, any_way=path.endswith("give"))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_warning_on_the_form_with_an_error(linked, lang):
    page = linked.submit(token=linked.token(), amount="custom", custom_amount="0", lang=lang)
    assert page.status_code == 400
    assert stands_before_every_way_to_pay(page.text, lang)


@pytest.mark.parametrize("lang", ["en", "be", "ru", "uk"])
def test_warning_beside_fallback_during_stripe_outage(linked, lang):
    token = linked.token()
    linked.operate("faults", api={"kind": "500", "remaining": 50, "executed": False})
    try:
        form = {"form_token": token, "amount": "25", "lang": lang}
        page = linked.client.post("/v1/checkout-sessions", data=form, headers=HTML | {"accept-language": lang})
    finally:
        httpx.delete(f"{linked.sandbox}/sandbox/faults").raise_for_status()
    assert page.status_code == 503
    assert ANOTHER_WAY in page.text
    assert stands_before_every_way_to_pay(page.text, lang)


def test_error_leads_to_the_campaign_and_its_fallback():
    vitaly = read_campaign(Path("campaigns/vitaly.toml"))
    assert vitaly.fallback_params == {"campaign": "vitaly"}
    linked = replace(vitaly, fallback_url=ANOTHER_WAY)
    assert linked.fallback_params == {"campaign": "vitaly", "fallback_url": ANOTHER_WAY}


@pytest.mark.parametrize("lang", ["en", "be", "ru", "uk"])
@pytest.mark.parametrize("ui_mode", ["hosted", "embedded"])
def test_warning_on_stripes_page_in_a_language_it_has(linked, lang, ui_mode):
    made = linked.order("25", lang=lang, ui_mode=ui_mode).json()
    url = made["url"] if ui_mode == "hosted" else f"{linked.sandbox}/embed/{made['client_secret']}"
    page = unescape(httpx.get(url).text)
    assert page.index(" ".join(warning(lang))) < page.index("<button")
    assert len(" ".join(warning(lang))) <= 1200, "Stripe takes no longer text"


def test_no_warning_without_warned_countries(redis_url, tmp_path, sample_campaign):
    with running(redis_url, tmp_path / "s", campaigns=sample_campaign) as installation:
        installation.until_ready()
        made = installation.order("25", token=installation.token("roof")).json()
        session = httpx.get(
            f"{installation.sandbox}/v1/checkout/sessions/{made['client_secret'].partition('_secret_')[0]}",
            auth=("sk_test_x", ""),
        ).json()
        assert session["custom_text"]["submit"] is None
        for path in ("/c/roof", "/c/roof/give"):
            assert warning("en")[1] not in unescape(installation.client.get(path).text)


# ── what the statement shows ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lang", LANGUAGES)
def test_giving_page_names_the_statement_descriptor(linked, lang):
    told = translations_for(lang).translate(
        "give.statement_descriptor",
        descriptor=read_campaign(Path("campaigns/vitaly.toml")).recipient.statement_descriptor,
    )
    assert told in unescape(linked.client.get(f"/c/vitaly/give?lang={lang}").text)
    assert told.count(".") == 2, "that banks may change it stands there, too"
