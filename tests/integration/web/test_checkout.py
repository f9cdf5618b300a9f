"""Test that one attempt to donate is one checkout session, and that errors lose no input."""

import re
import time
from html import unescape

import httpx
import pytest
from donation_card.adapters.tokens import SignedTokens
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME
from donation_card.domain.money import Money
from donation_card.web.presentation.translations import translations_for
from itsdangerous import TimestampSigner

from tests.support.installation import DECLINED, PAYS, SETTLES_LATER, eventually, running


def session_of(answer):
    assert answer.status_code == 201, answer.text
    return answer.json()["client_secret"].partition("_secret_")[0]


def code(answer):
    return answer.status_code, answer.json()["code"]


def test_repeated_submit_is_one_session_changed_amount_another(installation):
    token = installation.token()
    first, again = installation.order("25", token=token), installation.order("25", token=token)
    assert session_of(first) == session_of(again)
    changed = installation.order("30", token=token, replaces_session=first.json()["session_token"])
    assert session_of(changed) != session_of(first)
    assert status(installation, first) == "expired"
    assert status(installation, changed) == "open"


def test_returning_to_first_amount_opens_a_new_session(installation):
    token = installation.token()
    first = installation.order("25", token=token)
    second = installation.order("30", token=token, replaces_session=first.json()["session_token"])
    third = installation.order("25", token=token, replaces_session=second.json()["session_token"])
    assert len({session_of(first), session_of(second), session_of(third)}) == 3
    assert status(installation, third) == "open"


def test_changed_amount_expires_session_of_the_new_tab(installation):
    token = installation.token()
    inline = installation.order("25", token=token)
    hosted = installation.submit(token=token, amount="25", replaces_session=inline.json()["session_token"]).headers[
        "location"
    ]
    changed = installation.order("30", token=token, replaces_session=inline.json()["session_token"])
    assert status(installation, changed) == "open"
    assert "<form" not in httpx.get(hosted).text, "the tab's page can no longer be paid"


def test_form_token_allows_five_amounts(installation):
    token = installation.token()
    for amount in ("11", "12", "13", "14", "15"):
        session_of(installation.order(amount, token=token))
    assert code(installation.order("16", token=token)) == (429, "too_many_changes")
    assert session_of(installation.order("11", token=token))  # what was started can still be finished


def test_paid_session_is_not_replaced(installation):
    token = installation.token()
    inline = installation.order("25", token=token, ui_mode="hosted")
    assert installation.pay(inline.json()["url"]).status_code == 303
    assert code(installation.order("30", token=token, replaces_session=inline.json()["session_token"])) == (
        409,
        "already_paid",
    )
    assert code(installation.order("25", token=token, ui_mode="hosted")) == (409, "already_paid")


def test_session_of_another_form_is_not_expired(installation):
    theirs = installation.order("25").json()["session_token"]
    assert code(installation.order("30", replaces_session=theirs)) == (400, "token_invalid")


@pytest.mark.parametrize(("instances", "answers"), [(1, [200, 200]), (100, [200, 503])])
def test_instances_share_the_reads_of_stripe(redis_url, tmp_path, instances, answers):
    options = {"stripe_rate_limit": 25, "workers": 5, "instances": instances}
    with running(redis_url, tmp_path, settings_options=options) as installation:
        started = [installation.order().json()["session_token"] for _ in range(2)]
        read = [installation.client.get(f"/v1/checkout-sessions/{token}") for token in started]
        assert [each.status_code for each in read] == answers


def test_reading_a_paid_session_counts_it_without_webhook(redis_url, tmp_path):
    with running(redis_url, tmp_path, webhooks=False) as quiet:
        quiet.until_ready()
        started = quiet.order("25", ui_mode="hosted").json()
        assert quiet.pay(started["url"]).status_code == 303
        state = quiet.client.get(f"/v1/checkout-sessions/{started['session_token']}").json()
        assert state["status"] == "paid"
        assert "€25" in state["paragraphs"][0]
        eventually(lambda: quiet.progress()["raised"] == 2500, "the gift is counted")


def test_declined_card_leaves_the_session_open(installation):
    started = installation.order("25", ui_mode="hosted").json()
    before = installation.paid()
    declined = installation.pay(started["url"], DECLINED)
    assert "declined" in httpx.get(httpx.URL(started["url"]).join(declined.headers["location"])).text
    assert installation.paid() == before
    assert installation.pay(started["url"], PAYS).status_code == 303


def test_debit_is_processing_and_counts_when_settled(installation):
    before = installation.totals().raised
    started = installation.order("25", ui_mode="hosted").json()
    assert installation.pay(started["url"], SETTLES_LATER).status_code == 303
    path = f"/v1/checkout-sessions/{started['session_token']}"
    state = installation.client.get(path).json()
    assert state["status"] == "processing"
    assert "on its way" in state["paragraphs"][0]
    assert installation.totals().raised == before
    installation.operate("settle")
    eventually(lambda: installation.totals().raised == before + 2500, "the debit is counted")
    eventually(lambda: installation.client.get(path).json()["status"] == "paid", "and the donor told")


@pytest.mark.parametrize(
    ("amount", "problem"),
    [
        ("4", "amount_below_minimum"),
        ("1001", "amount_above_maximum"),
        ("25.50", "amount_whole_units"),
        ("1,000", "amount_ambiguous"),
        ("1.000,00", "amount_ambiguous"),
        ("-5", "amount_not_a_number"),
        ("NaN", "amount_not_a_number"),
        ("1e3", "amount_not_a_number"),
        ("٢٥", "amount_not_a_number"),
        ("9" * 16, "amount_too_large"),
    ],
)
def test_refused_amount_has_a_reason(installation, amount, problem):
    answer = installation.order(amount)
    assert code(answer) == (400, problem)
    assert answer.json()["detail"]


@pytest.mark.parametrize("lang", ["be", "de"])
def test_error_uses_the_language_of_the_page(installation, lang):
    words, address, english = (
        translations_for(lang),
        "/v1/checkout-sessions",
        {"accept": "text/html", "accept-language": "en"},
    )
    order = {"form_token": installation.token(), "amount": "4", "lang": lang}
    told = installation.client.post(address, json=order, headers=english).json()["detail"]
    assert told == words.translate("problem.amount_below_minimum", minimum=words.format_money(Money(500, "EUR")))
    page = installation.client.post(address, data=order | {"form_token": "forged"}, headers=english)
    assert words.translate("problem.token_invalid") in unescape(page.text)
    malformed = installation.client.post(address, json=order | {"form_token": "forged", "lang": "<b>"}, headers=english)
    assert malformed.json()["detail"] == translations_for("en").translate("problem.token_invalid")


def test_limits_are_formatted_as_money_in_the_language(installation):
    token = installation.token()
    page = installation.submit(token=token, amount="custom", custom_amount="4", lang="de")
    assert page.status_code == 400
    assert "5\u00a0€" in page.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"form_token": 1, "amount": "25"}',
        b'{"form_token": "x", "amount": 25}',
        b"\xff",
        b"{" * 4000,
    ],
)
def test_json_without_an_order_is_refused(installation, body):
    answer = installation.client.post(
        "/v1/checkout-sessions", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["code"] in {"request_malformed", "token_invalid"}


def test_unknown_field_is_named(installation):
    assert "campain" in str(installation.order("25", campain="x").json()["params"])


def test_large_body_is_refused_before_it_is_read(installation):
    answer = installation.client.post(
        "/v1/checkout-sessions", content=b"x" * 10_000, headers={"content-type": "application/json"}
    )
    assert code(answer) == (413, "body_too_large")

    def endless():
        for _ in range(100):
            yield b"x" * 1000

    streamed = installation.client.post(
        "/v1/checkout-sessions", content=endless(), headers={"content-type": "application/json"}
    )
    assert code(streamed) == (413, "body_too_large")


def test_unsupported_media_type_is_refused(installation):
    answer = installation.client.post("/v1/checkout-sessions", content=b"x", headers={"content-type": "text/xml"})
    assert code(answer) == (415, "unsupported_media_type")


def test_form_redirects_to_the_hosted_page(installation):
    answer = installation.submit(token=installation.token(), amount="25")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(installation.sandbox)
    assert answer.headers["cache-control"] == "no-store"


def test_invalid_form_returns_with_its_values(installation):
    token = installation.token()
    page = installation.submit(token=token, amount="custom", custom_amount="25,5", lang="en")
    assert page.status_code == 400
    assert 'value="25,5"' in page.text
    assert token in page.text  # the same intention, so the next press is not a second one
    assert "without cents" in page.text


def test_two_different_amounts_are_refused(installation):
    page = installation.submit(token=installation.token(), amount="25", custom_amount="35")
    assert page.status_code == 400
    assert "€25" in page.text
    assert "Which one" in page.text
    assert installation.submit(token=installation.token(), amount="25", custom_amount="25").status_code == 303


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_form_without_token_shows_an_error_page(installation, token):
    page = installation.submit(token=token, amount="25")
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")
    assert "giving page again" in page.text


def test_expired_form_links_to_its_campaign(installation, monkeypatch):
    an_hour_ago = int(time.time()) - FORM_TOKEN_LIFETIME - 1
    with monkeypatch.context() as earlier:
        earlier.setattr(TimestampSigner, "get_timestamp", lambda _: an_hour_ago)
        token = SignedTokens(installation.settings.secret_keys).issue_form_token("vitaly", "other")
    page = installation.submit(token=token, amount="25")
    assert page.status_code == 400
    assert "open for over an hour" in page.text
    assert 'href="/c/vitaly/give' in page.text


def test_only_listed_sites_are_counted_and_may_frame(redis_url, tmp_path, sample_campaign):
    file = sample_campaign / "roof.toml"
    listed = 'sites = ["news.example.org"]\n' + file.read_text("utf-8")
    file.write_text(listed, "utf-8")
    with running(redis_url, tmp_path / "sandbox", campaigns=sample_campaign) as installation:
        for referer, site in (
            ("https://news.example.org/a?b=c", "news.example.org"),
            ("https://else.example", "other"),
        ):
            page = installation.client.get("/c/roof/give", headers={"referer": referer})
            token = re.search(r'name="form_token"[^>]*value="([^"]+)"', page.text)[1]
            session = session_of(installation.order("20", token=token))
            found = httpx.get(f"{installation.sandbox}/v1/checkout/sessions/{session}", auth=("sk_test_x", "")).json()
            assert found["metadata"]["site"] == site
            policy = page.headers["content-security-policy"]
            assert policy.endswith("frame-ancestors 'self' https://news.example.org")


def test_foreign_session_token_is_refused(installation):
    assert code(installation.client.get("/v1/checkout-sessions/nonsense")) == (400, "token_invalid")


def test_thanks_page_confirms_only_paid_sessions(installation):
    started = installation.submit(token=installation.token(), amount="25")
    hosted = started.headers["location"]
    paid = installation.pay(hosted)
    thanks = installation.client.get(paid.headers["location"])
    assert "€25" in thanks.text
    other = installation.order("50").json()
    unpaid = stack_session(other)
    assert installation.client.get(swap(paid.headers["location"], unpaid)).status_code == 404


@pytest.mark.parametrize(("is_paid", "says"), [(True, "Thank you"), (False, "No payment was made")])
def test_thanks_page_tells_what_stripes_ended_page_leaves_open(installation, is_paid, says):
    """Stripe's page only says that the payment is complete or that a timeout occurred."""
    page = installation.submit(token=installation.token(), amount="25").headers["location"]
    session = page.rpartition("/")[2]
    url = f"{installation.sandbox}/v1/checkout/sessions/{session}"
    thanks = httpx.get(url, auth=("sk_test_x", "")).json()["success_url"].replace("{CHECKOUT_SESSION_ID}", session)
    if is_paid:
        installation.pay(page)
    else:
        httpx.post(f"{url}/expire", auth=("sk_test_x", ""))
        assert "or a timeout occurred" in httpx.get(page).text
    for _ in range(2):
        assert says in installation.client.get(thanks).text


def test_thanks_page_of_unfinished_payment_says_so(installation):
    started = installation.submit(token=installation.token(), amount="25")
    session = httpx.URL(started.headers["location"]).path.rsplit("/", 1)[1]
    found = httpx.get(f"{installation.sandbox}/v1/checkout/sessions/{session}", auth=("sk_test_x", "")).json()
    page = installation.client.get(found["success_url"].replace("{CHECKOUT_SESSION_ID}", session))
    assert page.status_code == 200
    assert "not finished" in page.text


@pytest.mark.parametrize(
    "given",
    ["..", "../account", "cs_test_a/../b", "cs_test_a%2Fb", "cs_test_", "pi_1", "cs_test_a b", "cs_test_ä", "x" * 300],
)
def test_text_that_is_no_session_id_is_not_sent_to_stripe(installation, given):
    started = installation.submit(token=installation.token(), amount="25")
    session = httpx.URL(started.headers["location"]).path.rsplit("/", 1)[1]
    found = httpx.get(f"{installation.sandbox}/v1/checkout/sessions/{session}", auth=("sk_test_x", "")).json()
    url = httpx.URL(found["success_url"].replace("{CHECKOUT_SESSION_ID}", "x"))
    page = installation.client.get(url.copy_set_param("session_id", given))
    assert page.status_code == 404
    assert installation.client.get(url.copy_set_param("session_id", session)).status_code == 200


def test_thanks_address_shows_no_donation_after_a_day(installation, monkeypatch):
    started = installation.submit(token=installation.token(), amount="25", lang="be")
    session = httpx.URL(started.headers["location"]).path.rsplit("/", 1)[1]
    paid = installation.pay(started.headers["location"]).headers["location"]
    assert session in paid
    assert "25" in installation.client.get(paid).text
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: int(time.time()) + 24 * 3600 + 1)
    later = installation.client.get(paid)
    assert (later.status_code, later.headers["location"]) == (303, "/c/vitaly?lang=be")
    assert (later.headers["cache-control"], later.content) == ("no-store", b"")


def test_tampered_return_token_is_refused(installation):
    base = "/c/vitaly/thanks"
    for query in ("", "?session_id=cs_test_1", "?session_id=cs_test_1&return_token=x", "?session_id=&return_token="):
        assert installation.client.get(base + query).status_code == 400


def status(installation, answer):
    return installation.client.get(f"/v1/checkout-sessions/{answer.json()['session_token']}").json()["status"]


def stack_session(made):
    return made["client_secret"].partition("_secret_")[0]


def swap(url, session):
    return re.sub(r"session_id=[^&]+", f"session_id={session}", url)


def test_repeated_form_field_is_refused(installation):
    fields = f"form_token={installation.token()}&amount=25&amount=50"
    kind = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}
    page = installation.client.post("/v1/checkout-sessions", content=fields, headers=kind)
    assert page.status_code == 400
    assert 'data-code="request_malformed"' in page.text


def test_script_of_another_site_cannot_start_a_session(installation):
    """Its JSON needs a preflight, which nothing answers. Other types are no JSON. So Sec-Fetch-Site adds nothing."""
    asked = {
        "origin": "https://elsewhere.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    preflight = installation.client.options("/v1/checkout-sessions", headers=asked)
    assert [name for name in preflight.headers if name.startswith("access-control-")] == []
    body = f'{{"form_token": "{installation.token()}", "amount": "25"}}'
    simple = installation.client.post("/v1/checkout-sessions", content=body, headers={"content-type": "text/plain"})
    assert simple.status_code == 415
