"""Test the security headers of every route against one table."""

import re
from urllib.parse import urlsplit

import httpx
import pytest
from donation_card.app import create_app
from donation_card.settings import STRIPE_ORIGINS
from donation_card.web.campaign_responses import IMAGES

from tests.support.application import starlette_app
from tests.support.site_totals import CLOSED, OPEN, TOKEN, campaign_with_site_totals
from tests.support.ways import running_with_ways

HTML = {"accept": "text/html"}
DATA = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
PICTURE = f"{DATA}; style-src 'unsafe-inline'"
ANYONE = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
OURS_ALONE = {"access-control-allow-origin": None, "cross-origin-resource-policy": "same-origin"}
OPENER, FROM_A_SANDBOX = "same-origin", "unsafe-none"


def page(scripts=(), opener=OPENER, cached="public", ancestors="'none'", trusted="'none'", **headers):
    return {
        **OURS_ALONE,
        "script-src": scripts,
        "trusted-types": trusted,
        "frame-ancestors": ancestors,
        "cross-origin-opener-policy": opener,
        "cache-control": cached,
        **headers,
    }


def data(sharing=OURS_ALONE, cached="no-store", policy=DATA):
    return {**sharing, "policy": policy, "cross-origin-opener-policy": OPENER, "cache-control": cached}


FRAMED = {"ancestors": "'self' https:", "cross-origin-resource-policy": "cross-origin"}
TABLE = {
    "GET /": ("/", page(opener=FROM_A_SANDBOX)),
    "GET /c/{id}": ("/c/vitaly", page(opener=FROM_A_SANDBOX)),
    "GET /c/{id}/give": (
        "/c/vitaly/give",
        page(
            ("give.js", "solve.js", "copy.js", "stripe"),
            "same-origin-allow-popups",
            "no-store",
            trusted="default",
            **FRAMED,
        ),
    ),
    "GET /c/{id}/transfer": ("/c/ways/transfer?amount=25", page(("copy.js",), cached="no-store")),
    "GET /c/{id}/transfer.svg": ("/c/ways/transfer.svg?amount=25", data(policy=PICTURE)),
    "GET /c/{id}/thanks": ("{thanks}", page(cached="no-store")),
    "GET /c/{id}/frame": ("/c/vitaly/frame", page(("donation-card.js", "frame.js"), FROM_A_SANDBOX, **FRAMED)),
    "GET /c/{id}/embed": ("/c/vitaly/embed", page(("embed.js",))),
    "GET /c/{id}/updates.atom": ("/c/vitaly/updates.atom", data(ANYONE, "public")),
    "GET /c/{id}/qr.svg": ("/c/vitaly/qr.svg", data(ANYONE, "public", PICTURE)),
    **{f"GET /c/{{id}}/{name}": (f"/c/vitaly/{name}", data(ANYONE, "public", PICTURE)) for name in IMAGES},
    "GET /pictures/{name}": ("{picture}", data(ANYONE, "public, max-age=30,", PICTURE)),
    "GET /oembed": ("/oembed?url={public}/c/vitaly", data(ANYONE, "public")),
    "GET /v1/campaigns/{id}": ("/v1/campaigns/vitaly", data(ANYONE, "public")),
    "GET /v1/campaigns/{id}/progress": ("/v1/campaigns/vitaly/progress", data(ANYONE, "public")),
    "GET /v1/campaigns/{id}/spending": ("/v1/campaigns/vitaly/spending", data(ANYONE, "public")),
    "GET /v1/campaigns/{id}/sites/{host}": (f"/v1/campaigns/sites/sites/{OPEN}", data(ANYONE, "public")),
    "GET /c/{id}/sites/{host}": (f"/c/sites/sites/{OPEN}", page(opener=FROM_A_SANDBOX)),
    "POST /c/{id}/sites/{host}": ("{opened}", page(opener=FROM_A_SANDBOX, cached="no-store")),
    "GET /c/{id}/sites/{host}/badge.svg": (f"/c/sites/sites/{OPEN}/badge.svg", data(ANYONE, "public", PICTURE)),
    "POST /v1/checkout-sessions": ("{order}", data()),
    "GET /v1/checkout-sessions/{session_token}": ("{session_token}", data()),
    "GET /v1/challenge": (f"/v1/challenge?form_hash={'0' * 64}", data()),
    "POST /v1/stripe/webhook": ("{event}", data()),
    "GET /healthz": ("/healthz", data()),
    "GET /readyz": ("/readyz", data()),
    "GET /metrics": ("/metrics", data()),
    "GET /openapi.yaml": ("/openapi.yaml", data(cached="public")),
    "GET /widget/v1/donation-card.js": ("/widget/v1/donation-card.js?ver=6.7", data(ANYONE, "public, max-age=600")),
    "GET /widget/v1/source/{name}": ("/widget/v1/source/donation-card.js", data(ANYONE, "public, max-age=600")),
    "GET /widget/{hash}/donation-card.js": ("{card}", data(ANYONE, "public, max-age=31536000, immutable")),
    "GET /static/{hash}/{name}": ("{asset}", data(ANYONE, "public, max-age=31536000, immutable")),
}
"""Route → an address of it, and what its answer must say."""


@pytest.fixture(scope="module")
def installation(redis_url, tmp_path_factory):
    more = {"sites": campaign_with_site_totals()}
    with running_with_ways(redis_url, tmp_path_factory.mktemp("ways"), more) as found:
        yield found


@pytest.fixture(scope="module")
def answers(installation):
    """One good answer of every route."""
    client, token = installation.client, installation.token()
    order = installation.order("25", token=token, ui_mode="hosted")
    thanks = installation.pay(order.json()["url"]).headers["location"]
    made = {
        "{thanks}": lambda: client.get(thanks, headers=HTML),
        "{order}": lambda: order,
        "{session_token}": lambda: client.get(f"/v1/checkout-sessions/{order.json()['session_token']}"),
        "{opened}": lambda: client.post(f"/c/sites/sites/{CLOSED}", data={"token": TOKEN}),
        "{event}": lambda: client.post("/v1/stripe/webhook", content=b"{}"),
        "{picture}": lambda: client.get(client.get("/v1/campaigns/ways").json()["picture"]["url"]),
        "{card}": lambda: client.get(
            re.search(r"/widget/[0-9a-f]{16}/[a-z-]+\.js", client.get("/c/vitaly/frame").text)[0]
        ),
        "{asset}": lambda: client.get(
            re.search(r"/static/[0-9a-f]{16}/give\.js", client.get("/c/vitaly/give").text)[0]
        ),
    }

    def ask(address, wanted):
        if address in made:
            return made[address]()
        accept = HTML if "script-src" in wanted else {}
        return client.get(address.format(public=installation.settings.public_url), headers=accept)

    return {route: ask(*row) for route, row in TABLE.items()}


def test_header_table_has_every_route(installation):
    routes = {
        f"{method} {route.path}"
        for route in starlette_app(create_app(installation.settings)).routes
        for method in route.methods
    }
    assert {route for route in routes if not route.startswith("HEAD")} == set(TABLE)


@pytest.mark.parametrize("route", TABLE)
def test_route_headers_match_the_table(answers, route):
    answer, (_, wanted) = answers[route], TABLE[route]
    headers = answer.headers
    assert answer.status_code in {200, 201} or route in {"POST /v1/stripe/webhook", "GET /metrics"}  # both refuse
    for name in ("access-control-allow-origin", "cross-origin-resource-policy", "cross-origin-opener-policy"):
        assert headers.get(name) == wanted[name], name
    assert headers["cache-control"].startswith(wanted["cache-control"])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    paying = route in {"GET /c/{id}/give", "GET /c/{id}/frame"}  # the latter hands it on to the former
    lent = {"payment=*", "publickey-credentials-get=*"} if paying else set()
    assert {power for power in headers["permissions-policy"].split(", ") if not power.endswith("=()")} == lent
    assert {"payment", "camera", "microphone", "geolocation"} <= set(
        re.findall(r"([a-z-]+)=", headers["permissions-policy"])
    )
    assert "set-cookie" not in headers
    if "policy" in wanted:
        assert headers["content-security-policy"] == wanted["policy"]
        return
    policy = directives(answer)
    assert {name: policy[name] for name in ("default-src", "base-uri", "require-trusted-types-for")} == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert policy["trusted-types"] == wanted["trusted-types"]
    assert policy["frame-ancestors"].startswith(wanted["frame-ancestors"])
    assert not re.search(r"unsafe|\*(?!\.)|data:|blob:", headers["content-security-policy"])


@pytest.mark.parametrize("route", [route for route, (_, wanted) in TABLE.items() if "script-src" in wanted])
def test_page_runs_only_scripts_hashed_in_its_csp(installation, answers, route):
    answer, (_, wanted) = answers[route], TABLE[route]
    named = directives(answer)["script-src"].split()
    ours = [name for name in wanted["script-src"] if name != "stripe"]
    stripes = [installation.sandbox] if "stripe" in wanted["script-src"] else []
    assert {source for source in named if not source.startswith("'sha384-")} - {*stripes, "'none'"} == {
        source
        for source in named
        if source.startswith(f"{installation.service}/") and source.rpartition("/")[2] in ours
    }
    tags = [tag for tag in re.findall(r"<script\b[^>]*>", answer.text) if "application/ld+json" not in tag]
    imported = {"solve.js", "copy.js"} if "give.js" in ours else set()  # when a donor needs them
    assert len(tags) == len(set(ours) - imported)
    for tag in tags:
        source, integrity = re.search(r'src="([^"]+)"', tag)[1], re.search(r'integrity="([^"]+)"', tag)[1]
        assert f"{installation.service}{source}" in named
        assert f"'{integrity}'" in named
        assert re.search(r"/[0-9a-f]{16}/", source)


def test_only_the_giving_page_allows_stripe_origins(answers, installation):
    for route, answer in answers.items():
        assert (installation.sandbox in answer.headers["content-security-policy"]) == (route == "GET /c/{id}/give"), (
            route
        )
    assert all(
        source.startswith("https://") and ".stripe.com" in source for use in STRIPE_ORIGINS.values() for source in use
    )


@pytest.mark.parametrize(
    "path", ["/nowhere", "/c/nobody", "/c/vitaly?lang=!", "/v1/checkout-sessions/forged", "/c/vitaly/thanks"]
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_error_responses_have_the_same_headers(installation, path, accept):
    answer = installation.client.get(path, headers={"accept": accept})
    assert answer.status_code >= 400
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-opener-policy"] == OPENER
    assert directives(answer)["frame-ancestors"] == "'none'"
    assert directives(answer).get("script-src", "'none'") == "'none'"


def directives(answer):
    pairs = (each.strip().partition(" ") for each in answer.headers["content-security-policy"].split(";"))
    return {name: sources for name, _, sources in pairs}


# ── Host, X-Forwarded-*, proxies ──────────────────────────────────────────────────────────────────────────────────

LIES = {
    "host": "evil.example",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "gopher",
    "forwarded": "host=evil.example",
}


def test_no_response_repeats_a_forged_host(installation, answers):
    with httpx.Client(base_url=installation.service) as stranger:
        for route, (address, _) in TABLE.items():
            if route.startswith("GET") and "{" not in address:
                for path in (address, f"{address}/"):
                    answer = stranger.get(path, headers=LIES | HTML)
                    told = f"{answer.headers} {answer.text}"
                    assert "evil.example" not in told, path
                    assert "gopher" not in told, path


def test_slash_redirect_ignores_the_host_header(installation):
    with httpx.Client(base_url=installation.service) as stranger:
        answer = stranger.get("/c/vitaly/", headers=LIES)
    assert (answer.status_code, answer.headers["location"]) == (307, f"{installation.settings.public_url}/c/vitaly")


def test_stripe_return_url_ignores_the_host_header(installation):
    with httpx.Client(base_url=installation.service) as stranger:
        body = {"form_token": installation.token(), "amount": "25", "ui_mode": "hosted"}
        made = stranger.post("/v1/checkout-sessions", json=body, headers=LIES).json()
    session = urlsplit(made["url"]).path.rpartition("/")[2]
    found = httpx.get(f"{installation.sandbox}/v1/checkout/sessions/{session}", auth=("sk_test_x", "")).json()
    assert found["success_url"].startswith(f"{installation.settings.public_url}/")
    assert found["cancel_url"].startswith(f"{installation.settings.public_url}/")
