"""Test the hosted and the embedded page without JavaScript."""

import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.sandbox import Sandbox, embedded

DECLINED, ASKS, IBAN = "4000 0000 0000 0002", "4000-0027-6000-3184", "at61 1904 3002 3457 3201"


def test_paid_session_redirects_to_success_url(sandbox: Sandbox) -> None:
    session = sandbox.create()
    answer = sandbox.pay(session)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"https://card.example/thanks?session_id={session.id}"
    paid = sandbox.session(session.id)
    assert (paid["status"], paid["payment_status"]) == ("complete", "paid")
    assert paid["payment_intent"].startswith("pi_")
    assert paid["customer_details"]["email"] == "ada@example.org"
    assert sandbox.event_types() == ["payment_intent.succeeded", "checkout.session.completed"]


def test_declined_card_leaves_session_open(sandbox: Sandbox) -> None:
    session = sandbox.create()
    answer = sandbox.pay(session, DECLINED)
    assert answer.headers["location"] == f"/pay/{session.id}"
    page = sandbox.http.get(session.url).text
    assert "was declined" in page
    assert "ada@example.org" in page
    assert sandbox.session(session.id)["status"] == "open"
    assert sandbox.event_types() == ["payment_intent.payment_failed"]
    sandbox.pay(session)
    assert sandbox.session(session.id)["payment_status"] == "paid"
    assert len(sandbox.call("GET", "/v1/payment_intents").json()["data"]) == 1


def test_approved_3ds_is_paid(sandbox: Sandbox) -> None:
    session = sandbox.create()
    sandbox.pay(session, ASKS)
    assert 'value="approve"' in sandbox.http.get(session.url).text
    assert sandbox.event_types() == []
    answer = sandbox.http.post(session.url, data={"answer": "approve"})
    assert answer.headers["location"].startswith("https://card.example/thanks")
    assert sandbox.session(session.id)["payment_status"] == "paid"


def test_rejected_3ds_is_declined(sandbox: Sandbox) -> None:
    session = sandbox.create()
    sandbox.pay(session, ASKS)
    sandbox.http.post(session.url, data={"answer": "decline"})
    assert "was declined" in sandbox.http.get(session.url).text
    [event] = sandbox.call("GET", "/v1/events").json()["data"]
    assert event["data"]["object"]["last_payment_error"]["code"] == "payment_intent_authentication_failure"


def test_unexpected_3ds_answer_changes_nothing(sandbox: Sandbox) -> None:
    session = sandbox.create()
    assert sandbox.http.post(session.url, data={"answer": "approve"}).status_code == 303
    assert sandbox.session(session.id)["status"] == "open"


def test_bank_debit_settles_after_delay(sandbox: Sandbox) -> None:
    session = sandbox.create()
    sandbox.pay(session, IBAN)
    state = sandbox.session(session.id)
    assert (state["status"], state["payment_status"]) == ("complete", "unpaid")
    assert sandbox.event_types() == ["checkout.session.completed"]
    sandbox.advance(60)
    assert sandbox.session(session.id)["payment_status"] == "paid"
    assert sandbox.event_types()[1:] == ["payment_intent.succeeded", "checkout.session.async_payment_succeeded"]


@pytest.mark.parametrize(
    ("number", "wish", "end"),
    [
        (IBAN, {}, "succeeded"),
        (IBAN, {"outcome": "failed"}, "failed"),
        ("AT861904300235473202", {}, "failed"),
        ("AT861904300235473202", {"outcome": "succeeded"}, "succeeded"),
    ],
)
def test_control_api_settles_a_debit(sandbox: Sandbox, number: str, wish: dict[str, str], end: str) -> None:
    session = sandbox.create()
    sandbox.pay(session, number)
    payment = sandbox.session(session.id)["payment_intent"]
    assert sandbox.operate("settle", **wish) == {"settled": [payment]}
    assert sandbox.operate("settle", **wish) == {"settled": []}
    assert sandbox.event_types()[-1] == f"checkout.session.async_payment_{end}"
    assert sandbox.session(session.id)["payment_status"] == ("paid" if end == "succeeded" else "unpaid")
    sandbox.advance(600)
    assert len(sandbox.event_types()) == 3


@pytest.mark.parametrize(
    ("number", "email", "message"),
    [
        ("5555 5555 5555 4444", "ada@example.org", "not a test number"),
        ("", "ada@example.org", "not a test number"),
        ("DE75512108001245126199", "ada@example.org", "not a test number"),
        ("4242 4242 4242 4242", "ada", "Enter an email"),
        ("4242 4242 4242 4242", "", "Enter an email"),
    ],
)
def test_unknown_number_or_missing_email_is_refused(sandbox: Sandbox, number: str, email: str, message: str) -> None:
    session = sandbox.create()
    answer = sandbox.pay(session, number, email)
    assert answer.status_code == 422
    assert message in answer.text
    assert not number or number == "4242 4242 4242 4242" or number not in answer.text
    assert sandbox.session(session.id)["status"] == "open"
    assert sandbox.event_types() == []


def test_concurrent_submits_are_one_payment(sandbox: Sandbox) -> None:
    session = sandbox.create()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sandbox.pay(session), range(16)))
    assert {answer.headers["location"] for answer in answers} == {
        f"https://card.example/thanks?session_id={session.id}"
    }
    assert sandbox.event_types() == ["payment_intent.succeeded", "checkout.session.completed"]


def test_finished_session_shows_its_status(sandbox: Sandbox) -> None:
    paid, waiting, expired = (sandbox.create() for _ in range(3))
    sandbox.pay(paid)
    sandbox.pay(waiting, IBAN)
    sandbox.call("POST", f"/v1/checkout/sessions/{expired.id}/expire")
    pages = [sandbox.http.get(session.url).text for session in (paid, waiting, expired)]
    for page, words in zip(
        pages,
        ["Paid.", "needs a few days", "You did it. You have either completed the payment process, or a timeout"],
        strict=True,
    ):
        assert words in page
        assert "<form" not in page
    assert sandbox.pay(expired).headers["location"] == f"/pay/{expired.id}"
    assert sandbox.session(expired.id)["status"] == "expired"


def test_expired_page_cannot_be_paid(sandbox: Sandbox) -> None:
    session = sandbox.create()
    sandbox.advance(86_400)
    sandbox.pay(session)
    assert sandbox.session(session.id)["status"] == "expired"


def test_page_needs_its_own_address(sandbox: Sandbox) -> None:
    hosted, inline = sandbox.create(), sandbox.create(**embedded())
    for path in (
        f"pay/{inline.id}",
        f"embed/{hosted.id}",
        f"embed/{inline.id}",
        f"embed/{inline.client_secret}x",
        "pay/x",
    ):
        answer = sandbox.http.get(f"/{path}")
        assert answer.status_code == 404
        assert "does not exist" in answer.text


def test_hosted_page_has_strict_headers(sandbox: Sandbox) -> None:
    answer = sandbox.http.get(sandbox.create().url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "form-action 'self' https://card.example;" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text
    assert "Test mode" in answer.text
    assert 'href="https://card.example/c/roof"' in answer.text


def test_embedded_page_may_be_framed(sandbox: Sandbox) -> None:
    session = sandbox.create(**embedded())
    answer = sandbox.http.get(f"/embed/{session.client_secret}")
    assert "frame-ancestors *" in answer.headers["content-security-policy"]
    assert "x-frame-options" not in answer.headers
    assert "data-complete" not in answer.text
    assert sandbox.pay(session).headers["location"] == f"/embed/{session.client_secret}"
    assert 'data-complete data-return-url=""' in sandbox.http.get(f"/embed/{session.client_secret}").text


def test_embedded_page_has_return_url(sandbox: Sandbox) -> None:
    url = "https://card.example/back?s={CHECKOUT_SESSION_ID}"
    session = sandbox.create(**embedded(redirect_on_completion=None, return_url=url))
    sandbox.pay(session)
    page = sandbox.http.get(f"/embed/{session.client_secret}").text
    assert f'data-return-url="https://card.example/back?s={session.id}"' in page


@pytest.mark.parametrize(
    ("locale", "accepted", "button"),
    [
        ("de", "ru", "25,00 € spenden"),
        ("ru", "", "Пожертвовать 25,00 €"),
        ("pl", "", "Wpłać 25,00 €"),
        ("lt", "", "Aukoti 25,00 €"),
        ("auto", "be, lt;q=0.8", "Aukoti 25,00 €"),
        ("fr", "de", "Donate €25.00"),
    ],
)
def test_page_uses_the_sessions_language(sandbox: Sandbox, locale: str, accepted: str, button: str) -> None:
    page = sandbox.http.get(sandbox.create(locale=locale).url, headers={"Accept-Language": accepted}).text
    assert button in page.replace("\u00a0", " ")


def test_texts_are_escaped(sandbox: Sandbox) -> None:
    from tests.support.sandbox import amount

    session = sandbox.create(line_items=amount(2500, product_data={"name": "<b>Roof</b>"}))
    assert "<b>" not in sandbox.pay(session, "1", '"><b>@x.example').text


def test_large_form_is_refused(sandbox: Sandbox) -> None:
    assert sandbox.http.post(sandbox.create().url, data={"number": "4" * 20_000}).status_code == 413


@pytest.mark.parametrize("path", ["/stripe.js", "/endive/stripe.js"])
def test_script_may_be_loaded_cross_origin(shared: Sandbox, path: str) -> None:
    answer = shared.http.get(path)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "createEmbeddedCheckoutPage" in answer.text


def test_script_names_the_package_release() -> None:
    from stripe_sandbox import RELEASE_TRAIN
    from stripe_sandbox.app import ASSETS

    assert f'Stripe.version = "{RELEASE_TRAIN}"' in (ASSETS / "stripe.js").read_text()


def test_every_language_has_every_text() -> None:
    from stripe_sandbox.page_texts import ENGLISH, TRANSLATED

    for words in TRANSLATED.values():
        assert words.keys() == ENGLISH.keys()
        assert all(re.findall(r"{\w+}", words[name]) == re.findall(r"{\w+}", ENGLISH[name]) for name in words)


def test_malformed_form_is_no_server_error(shared: Sandbox) -> None:
    answer = httpx.post(f"{shared.url}/pay/x", content=b"\xff\x00=%FF")
    assert answer.status_code == 404
