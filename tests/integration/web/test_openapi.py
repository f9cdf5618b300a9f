"""Test that `openapi.yaml` and the service agree."""

import re
import time
from collections import Counter

import pytest
import schemathesis
from donation_card.app import create_app
from donation_card.application.session_limits import CHALLENGES_PER_NETWORK
from donation_card.errors import UnsupportedFormat
from donation_card.web.assets import current_release
from donation_card.web.campaign_responses import IMAGES
from donation_card.web.presentation.translations import translations_for
from donation_card.web.problems import http_status
from hypothesis import HealthCheck, settings
from itsdangerous import TimestampSigner
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.support import contract
from tests.support.application import starlette_app
from tests.support.scale import short_or_long
from tests.support.site_totals import CLOSED, OPEN, TOKEN, campaign_with_site_totals
from tests.support.ways import running_with_ways

schema = schemathesis.openapi.from_path("openapi.yaml")


@pytest.fixture(scope="module")
def installation(redis_url, tmp_path_factory):
    more = {"sites": campaign_with_site_totals()}
    with running_with_ways(redis_url, tmp_path_factory.mktemp("ways"), more) as found:
        found.client.event_hooks["response"] = [lambda response: (response.read(), contract.check(response))]
        yield found


def test_openapi_is_valid():
    validate(contract.CONTRACT)


def test_openapi_and_routes_agree(installation):
    app = starlette_app(create_app(installation.settings))
    served = {
        (re.sub(r":[a-z]+}", "}", route.path), method.lower()) for route in app.routes for method in route.methods
    }
    documented = {(path, method) for path, item in contract.CONTRACT["paths"].items() for method in item}
    assert {pair for pair in served if pair[1] != "head"} == documented


CASES = short_or_long(900, 3_000)
"""At the least, over all operations; some have too few ways to be asked to take their share."""

thrown: Counter[GenerationMode] = Counter()


@schema.parametrize()
@settings(max_examples=short_or_long(36, 120), deadline=None, suppress_health_check=list(HealthCheck))
def test_any_request_gets_a_documented_response(case, installation):
    thrown[case.meta.generation.mode] += 1
    response = case.call(base_url=installation.service)
    checks = [status_code_conformance, content_type_conformance, response_schema_conformance]
    if response.status_code != http_status(UnsupportedFormat()):  # that one oEmbed asks for
        checks.append(not_a_server_error)
    case.validate_response(response, checks=checks)


def test_enough_valid_and_invalid_requests_were_sent():
    assert thrown, "run the whole module: test_any_request_gets_a_documented_response sends the requests"
    assert thrown.total() >= CASES
    assert min(thrown[mode] for mode in GenerationMode) > CASES / 10


def test_every_documented_response_was_seen(installation, monkeypatch):
    """Drives each status once; what cannot be provoked from outside stands in `UNSEEN` with its reason."""
    client, token = installation.client, installation.token()
    unknown_hash = "0" * 16
    page = {"accept": "text/html"}
    pictures = [f"/c/vitaly/{name}" for name in IMAGES]
    cached = [f"/v1/campaigns/vitaly{path}" for path in ("", "/progress", "/spending")]
    cached.append(client.get("/v1/campaigns/ways").json()["picture"]["url"])
    cached += ["/c/vitaly", "/", "/c/vitaly/updates.atom"]
    for path in (*cached, *pictures, "/widget/v1/donation-card.js"):
        client.get(path, headers={"if-none-match": client.get(path).headers["etag"]})
    for path in (
        "/v1/campaigns/nobody",
        "/v1/campaigns/nobody/progress",
        "/v1/campaigns/vitaly?lang=!",
        "/v1/campaigns/nobody/spending",
        "/v1/campaigns/vitaly/spending?lang=!",
        "/c/nobody",
        "/pictures/none.jpg",
        "/c/vitaly?lang=!",
        "/c/vitaly/give",
        "/c/nobody/give",
        "/c/vitaly/give?lang=!",
        "/c/vitaly/thanks?session_id=x&return_token=y",
        "/c/nobody/thanks?session_id=x&return_token=y",
        f"/widget/{unknown_hash}/donation-card.js",
        "/widget/v1/source/donation-card.css",
        "/widget/v1/source/donation-card.py",
        f"/static/{unknown_hash}/site.css",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.yaml",
        "/v1/checkout-sessions/forged",
        f"/v1/challenge?form_hash={'0' * 64}",
        "/v1/challenge?form_hash=x",
        "/?lang=!",
        "/?page=0",
        "/c/vitaly/qr.svg",
        "/c/nobody/qr.svg",
        "/c/vitaly/qr.svg?size=0",
        f"/oembed?url={installation.settings.public_url}/c/vitaly",
        f"/oembed?url={installation.settings.public_url}/c/vitaly&maxwidth=-1",
        "/oembed?url=https://elsewhere.example/c/vitaly",
        "/oembed?format=xml",
        *(f"/c/nobody/{name}" for name in (*IMAGES, "frame", "embed", "updates.atom")),
        *(f"/c/vitaly/{name}?lang=!" for name in (*IMAGES, "frame", "embed", "updates.atom")),
        "/c/vitaly/frame",
        "/c/vitaly/embed",
        *(
            f"/c/{campaign}/transfer{kind}?amount={amount}"
            for kind in ("", ".svg")
            for campaign, amount in (("ways", "25"), ("ways", "x"), ("vitaly", "25"))
        ),
    ):
        client.get(path, headers=page)
    for path in ("/v1/campaigns/sites/sites/{}", "/c/sites/sites/{}", "/c/sites/sites/{}/badge.svg"):
        address = path.format(OPEN)
        client.get(address, headers={"if-none-match": client.get(address).headers["etag"]})
        client.get(f"{address}?lang=!", headers=page)
        client.get(path.format("none.example"))
        for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {TOKEN}"}):
            client.get(path.format(CLOSED), headers=given)
    for form in ({}, {"token": "wrong"}, {"token": TOKEN}, {"lang": "!"}, {"token": "x" * 9000}):
        client.post(f"/c/sites/sites/{CLOSED}", data=form)
    client.post("/c/sites/sites/none.example", data={"token": TOKEN})
    client.get(re.search(r"/static/[0-9a-f]{16}/site\.css", client.get("/c/vitaly").text)[0])
    installation.metrics()
    client.get(current_release()[0])

    hosted = installation.order("25", token=token, ui_mode="hosted").json()
    client.get(f"/v1/checkout-sessions/{hosted['session_token']}")
    installation.order("1", token=token)
    paid = installation.pay(hosted["url"])
    client.get(paid.headers["location"])
    with monkeypatch.context() as a_day_later:
        a_day_later.setattr(TimestampSigner, "get_timestamp", lambda _: int(time.time()) + 24 * 3600 + 1)
        client.get(paid.headers["location"])
    installation.order("25", token=token)
    installation.order("25", token=token, ui_mode="hosted")  # 409: it is paid
    installation.submit(token=installation.token(), amount="25")
    installation.submit(token=installation.token("ways"), way="link-2")
    crowded = installation.token()
    for amount in range(10, 16):
        installation.order(str(amount), token=crowded)
    for _ in range(CHALLENGES_PER_NETWORK.burst * 2):
        client.get("/v1/challenge", params={"form_hash": "0" * 64}, headers={"x-forwarded-for": "11.97.1.1"})
    client.post("/v1/checkout-sessions", content=b"x" * 9000, headers={"content-type": "application/json"})
    client.post("/v1/checkout-sessions", content=b"x", headers={"content-type": "text/plain"})
    post(installation, session_event(installation))
    post(installation, session_event(installation), secret="whsec_other")
    post(installation, None, body="x" * 600_000)

    documented = {
        (path, method, int(status))
        for path, item in contract.CONTRACT["paths"].items()
        for method, operation in item.items()
        for status in operation["responses"]
    }
    assert documented - contract.seen <= UNSEEN


UNSEEN = {
    # An unknown figure: test_webhook.test_empty_redis_is_rebuilt_and_never_shown_as_zero
    ("/v1/campaigns/{id}", "get", 503),
    ("/v1/campaigns/{id}/progress", "get", 503),
    # An unknown total of a site: test_site_totals.test_unknown_total_is_unavailable
    *(
        (path, method, 503)
        for path, method in (
            ("/v1/campaigns/{id}/sites/{host}", "get"),
            ("/c/{id}/sites/{host}", "get"),
            ("/c/{id}/sites/{host}", "post"),
            ("/c/{id}/sites/{host}/badge.svg", "get"),
        )
    ),
    # Stripe or Redis is unavailable: test_stripe_outage and test_stripe_webhook
    ("/v1/checkout-sessions", "post", 503),
    ("/v1/checkout-sessions/{session_token}", "get", 503),
    ("/v1/stripe/webhook", "post", 503),
    ("/c/{id}/thanks", "get", 503),
    ("/readyz", "get", 503),
    # A campaign that went away between the form and its answer: test_outage
    ("/v1/checkout-sessions", "post", 404),
    ("/v1/checkout-sessions/{session_token}", "get", 404),
}


@pytest.mark.parametrize("path", ["/v1/campaigns/vitaly", "/healthz", "/nowhere", "/c/vitaly"])
def test_no_response_sets_cookie_or_server_header(installation, path):
    answer = installation.client.get(path)
    assert "set-cookie" not in answer.headers
    assert "server" not in answer.headers


def test_error_page_uses_the_readers_language(installation):
    page = installation.client.get("/c/nobody", headers={"accept": "text/html", "accept-language": "be, en;q=0.5"})
    assert page.status_code == 404
    assert 'lang="be"' in page.text
    assert translations_for("be").translate("problem.campaign_unknown") in page.text
    assert "Not Found" not in page.text
