"""Test that a donor is told that the total is being rebuilt in a new currency, and can give meanwhile."""

from pathlib import Path

import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.translations import translations_for

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.support import contract
from tests.support.installation import eventually, running

EUR = Path("tests/support/roof.toml").read_text("utf-8")
JPY = EUR
for in_eur, in_jpy in {
    'currency = "EUR"': 'currency = "JPY"',
    "goal = 900": "goal = 90000",
    "suggested = [10, 50]": "suggested = [1000, 5000]",
    "minimum = 2": "minimum = 100",
    "maximum = 300": "maximum = 30000",
    "amount = 600": "amount = 60000",
    "amount = 300": "amount = 30000",
    "decimals = true": "decimals = false",
}.items():
    assert in_eur in JPY, in_eur
    JPY = JPY.replace(in_eur, in_jpy)


class NoLists:
    """Stand between the service and the sandbox. While `closed`, nothing can be listed, so no rebuild ends."""

    closed = False

    def __call__(self, stripe):
        async def app(scope, receive, send):
            listing = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/v1/checkout/sessions"
            if not (self.closed and listing):
                await stripe(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        return app


@pytest.fixture
def lists():
    return NoLists()


@pytest.fixture
def roof(redis_url, tmp_path, lists):
    folder = tmp_path / "campaigns"
    folder.mkdir()
    (folder / "roof.toml").write_text(EUR, "utf-8")
    with running(redis_url, tmp_path / "sandbox", campaigns=folder, between=lists) as installation:
        installation.until_ready()
        installation.client.event_hooks["response"] = [lambda response: (response.read(), contract.check(response))]
        yield installation


def give(installation, amount):
    token = installation.token("roof")
    started = installation.submit(token=token, amount="custom", custom_amount=amount)
    assert started.status_code == 303, started.text
    assert installation.pay(started.headers["location"]).status_code == 303


def write(installation, text):
    (installation.settings.campaigns_dir / "roof.toml").write_text(text, "utf-8")


def figures(installation):
    return installation.client.get("/readyz").json()["components"]["figures"].get("reason", "")


def test_donor_gives_while_the_total_is_rebuilt_in_a_new_currency(roof, lists):
    give(roof, "25")
    eventually(lambda: roof.progress("roof")["raised"] == 25_00, "the gift in EUR is counted")
    lists.closed = True
    write(roof, JPY)
    eventually(lambda: "roof: unknown (JPY)" in figures(roof), "/readyz names it")
    unknown = roof.client.get("/v1/campaigns/roof/progress")
    assert (unknown.status_code, unknown.json()["code"]) == (503, "progress_unknown")
    assert unknown.json()["params"] == {"reason": "rebuilding"}
    for lang in ("en", "de"):
        t = translations_for(lang)
        said, note = t.translate("card.rebuilding"), t.translate("card.rebuilding_note")
        card = roof.client.get("/v1/campaigns/roof", params={"lang": lang}).json()
        assert (card["progress"]["raised_text"], card["progress"]["as_of_text"]) == (said, note)
        assert card["progress"]["stale"]
        assert card["status"] == "open"
        for path in ("/c/roof", "/c/roof/give"):
            page = roof.client.get(path, params={"lang": lang}).text
            assert f"{said}. {note}" in page, path
            assert "progressbar" not in page
        assert roof.client.get("/c/roof/badge.svg", params={"lang": lang}).status_code == 200
    assert translations_for("en").translate("card.rebuilding") in roof.client.get("/").text
    give(roof, "5000")
    assert "roof: unknown (JPY)" in figures(roof)
    lists.closed = False
    eventually(lambda: roof.client.get("/v1/campaigns/roof/progress").status_code == 200, "the total is rebuilt")
    eventually(lambda: roof.progress("roof")["raised"] == 5000, "the gift in JPY is counted, that in EUR is not")
    roof.until_ready()
    assert roof.totals("roof", "EUR").raised == 25_00
    write(roof, EUR)
    eventually(lambda: roof.progress("roof")["currency"] == "EUR", "the file is read")
    assert roof.progress("roof")["raised"] == 25_00


def test_webhook_in_the_old_currency_is_ignored_with_an_alarm(roof):
    write(roof, JPY)
    eventually(lambda: roof.client.get("/v1/campaigns/roof/progress").json().get("currency") == "JPY", "it is read")
    before = roof.metrics()['not_counted_total{reason="wrong_currency"}']
    event = session_event(roof, amount=25_00, metadata={"campaign": "roof", "site": "other", "nonce": "n"})
    assert post(roof, event).json()["reason"] == "wrong_currency"
    assert roof.metrics()['not_counted_total{reason="wrong_currency"}'] == before + 1
    assert roof.progress("roof")["raised"] == 0
    write(roof, EUR)
    eventually(lambda: roof.progress("roof")["currency"] == "EUR", "the file is read")
    eventually(lambda: roof.progress("roof")["raised"] == 25_00, "it counts in its own currency")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_language_says_that_the_total_is_rebuilt(lang):
    said = {translations_for(lang).translate(key) for key in ("card.rebuilding", "card.rebuilding_note")}
    assert len(said) == 2
    assert lang == "en" or not said & {translations_for("en").translate("card.rebuilding")}
