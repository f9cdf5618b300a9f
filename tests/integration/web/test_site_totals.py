"""Test the page, the document and the badge of a site's total, public and closed, on a real service and Redis."""

import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from donation_card.cli.main import cli
from donation_card.demo.launcher import environment
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.presentation.translations import translations_for
from redis import Redis

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.support.installation import eventually
from tests.support.oracle import public_total
from tests.support.site_totals import CLOSED, LISTED, OPEN, SITE_STEP, TOKEN, campaign_with_site_totals

HTML = {"accept": "text/html"}
BEARER = {"authorization": f"Bearer {TOKEN}"}
PATHS = ("/c/vitaly/sites/{}", "/c/vitaly/sites/{}/badge.svg", "/v1/campaigns/vitaly/sites/{}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("campaigns")
    (folder / "vitaly.toml").write_text(campaign_with_site_totals(), "utf-8")
    hidden = campaign_with_site_totals().replace('status = "open"', 'status = "hidden"')
    (folder / "hidden.toml").write_text(hidden, "utf-8")
    return folder


def give(installed, site, amount):
    before = installed.totals().raised
    metadata = {"campaign": "vitaly", "site": site}
    assert post(installed, session_event(installed, amount=amount, metadata=metadata)).json() == {"outcome": "applied"}
    assert installed.totals().raised == before + amount


def yesterday(installed, site):
    """Let the public total of a site be that of an earlier period, so that it is due."""
    with Redis.from_url(installed.settings.redis_url, decode_responses=True) as raw:
        for key in raw.scan_iter(f"*vitaly/EUR}}:published:{site}"):  # other installations use this server too
            raw.hincrby(key, "period_start", -86_400)


def document(installed, site, **headers):
    return installed.client.get(PATHS[2].format(site), headers=headers).json()


def test_total_of_a_site_moves_in_its_own_steps_and_periods(installed):
    """Read each public total from the service, and calculate it apart from the product."""
    for given, everything in ((249_00, 249_00), (900_00, 1_149_00), (5_00, 1_154_00)):
        before = document(installed, OPEN)["raised"]
        give(installed, OPEN, given)
        give(installed, "other", 700_00)
        time.sleep(0.5)  # five refreshes of a worker
        assert document(installed, OPEN)["raised"] == before, "nothing within a period"
        wanted = public_total(everything, SITE_STEP, campaign=f"vitaly/{OPEN}", goal=0)
        yesterday(installed, OPEN)
        eventually(lambda wanted=wanted: document(installed, OPEN)["raised"] == wanted, "the next period has begun")
    assert wanted > 0
    assert document(installed, CLOSED, **BEARER)["raised"] == 0


def test_document_says_when_the_total_moves(installed):
    found = document(installed, OPEN)
    assert (found["campaign"], found["host"], found["currency"], found["step"]) == ("vitaly", OPEN, "EUR", SITE_STEP)
    as_of, following = (datetime.fromisoformat(found[name]) for name in ("as_of", "next_update_at"))
    assert timedelta(hours=22) < following - as_of < timedelta(hours=26)
    assert not found["stale"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_page_says_what_readers_gave(installed, lang):
    page = installed.client.get(f"/c/vitaly/sites/{OPEN}?lang={lang}")
    raised, t = document(installed, OPEN)["raised"], translations_for(lang)
    title = re.search(r"<h1>(.*?)</h1>", page.text)[1]
    wanted = t.translate("site.nothing", site=OPEN)
    if raised:
        money = re.sub(r"[^\d]", "", str(raised // 100))
        assert re.sub(r"[^\d]", "", title.replace(OPEN, "")) == money
    else:
        assert title == wanted
    assert f'href="/c/vitaly?lang={lang}"' in page.text
    assert f'lang="{lang}"' in page.text
    assert page.headers["cache-control"].startswith("public, max-age=30")


def test_site_without_a_gift_looks_as_one_with_a_small_gift(installed):
    def seen():
        answers = [installed.client.get(path.format(CLOSED), headers=BEARER) for path in PATHS]
        return [(each.status_code, each.content, each.headers["etag"]) for each in answers]

    before = seen()
    give(installed, CLOSED, 249_00)
    yesterday(installed, CLOSED)
    time.sleep(2)  # two decisions
    assert seen() == before
    page = before[0][1].decode()
    assert f"No total for readers of {CLOSED} yet" in page
    assert "€0" not in page


def test_page_badge_and_document_agree(installed):
    raised = document(installed, OPEN)["raised"]
    badge = installed.client.get(f"/c/vitaly/sites/{OPEN}/badge.svg")
    assert badge.headers["content-type"] == "image/svg+xml"
    texts = "".join(ElementTree.fromstring(badge.content).itertext())
    assert (f"€{raised // 100:,}" in texts) == (raised > 0)
    assert OPEN in texts
    assert "default-src 'none'" in badge.headers["content-security-policy"]


def test_organiser_sees_the_exact_sum_of_each_site(installed):
    for site, amount in ((OPEN, 10_01), (CLOSED, 1_23), ("other", 5_07)):
        give(installed, site, amount)
    settings = dict(line.split("=", 1) for line in environment(installed.settings).splitlines())
    output = CliRunner().invoke(cli, ["totals", "vitaly"], env=settings, catch_exceptions=False).output
    sums = re.findall(r"(?m)^site      ([\d.]+) EUR in \d+ from ([^\s,]+)", output)
    assert sum(round(float(amount) * 100) for amount, _ in sums) == installed.totals().raised
    assert {site for _, site in sums} == {OPEN, CLOSED, "other"}
    assert f"from {OPEN}, of which " in output
    assert "from other\n" in output, "it has no public total"


# ── closed totals ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", PATHS)
def test_closed_total_opens_with_its_token_only(installed, path):
    client, address = installed.client, path.format(CLOSED)
    for headers, status in (
        ({}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": f"Bearer {TOKEN[:-1]}"}, 403),
        ({"authorization": f"Bearer {TOKEN}é".encode()}, 403),
        (BEARER, 200),
    ):
        answer = client.get(address, headers=headers)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store"), headers
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert "access-control-allow-origin" not in answer.headers or status != 200
    assert client.get(f"{address}?token={TOKEN}").status_code == 401, "a token is never part of an address"


def test_form_opens_a_closed_total_without_javascript(installed):
    client, address = installed.client, PATHS[0].format(CLOSED)
    form = client.get(address, headers=HTML)
    assert (form.status_code, 'method="post"' in form.text, "<script" in form.text) == (401, True, False)
    wrong = client.post(address, data={"token": "wrong", "lang": "de"}, headers=HTML)
    assert (wrong.status_code, wrong.headers["cache-control"]) == (403, "no-store")
    assert translations_for("de").translate("problem.site_token_wrong") in wrong.text
    assert "wrong" not in wrong.text, "the page does not repeat what was typed"
    right = client.post(address, data={"token": f" {TOKEN} ", "lang": "de"}, headers=HTML)
    assert (right.status_code, right.headers["cache-control"]) == (200, "no-store")
    assert CLOSED in right.text
    assert TOKEN not in right.text
    assert "?lang=de" in right.text


@pytest.mark.parametrize("path", PATHS)
def test_site_is_found_however_its_host_is_written(installed, path):
    wanted = installed.client.get(path.format(OPEN)).content
    for host in (OPEN.upper(), f"{OPEN}.", "%4EEWS.example"):
        answer = installed.client.get(path.format(host))
        assert (answer.status_code, answer.content) == (200, wanted), host
    for host in (f"{OPEN}..", f"{OPEN}:443", f"www.{OPEN}", "a" * 300, "%00", "%F0%9F%92%80."):
        assert installed.client.get(path.format(host)).status_code == 404, host


def test_public_total_needs_no_token_and_ignores_one(installed):
    for path in PATHS:
        answers = [installed.client.get(path.format(OPEN), headers=headers) for headers in ({}, BEARER)]
        assert [each.status_code for each in answers] == [200, 200]
        assert answers[0].content == answers[1].content


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("path", PATHS)
def test_nobody_learns_which_sites_have_no_total(installed, path, accept):
    """An unknown host, a listed site, a site of a hidden campaign and one of no campaign get the same answer."""
    missing = [
        path.format(LISTED),
        path.format("unknown.example"),
        path.format(OPEN).replace("vitaly", "hidden"),
        path.format(CLOSED).replace("vitaly", "hidden"),
        path.format(OPEN).replace("vitaly", "nobody"),
        path.format("other"),
    ]
    answers = [installed.client.get(each, headers={"accept": accept} | BEARER) for each in missing]
    assert {each.status_code for each in answers} == {404}
    bodies = {re.sub(r'"request_id":"[^"]+"', "", each.text) for each in answers}
    assert len(bodies) == 1
    assert len({tuple(name for name in each.headers if name != "date") for each in answers}) == 1


def test_hidden_campaign_takes_its_site_totals_away(installed, folder):
    file = folder / "vitaly.toml"
    text = file.read_text("utf-8")
    try:
        file.write_text(text.replace('status = "open"', 'status = "hidden"'), "utf-8")
        eventually(lambda: installed.client.get(PATHS[0].format(OPEN)).status_code == 404, "hidden within seconds")
        assert [installed.client.get(path.format(OPEN)).status_code for path in PATHS] == [404] * 3
        assert installed.client.get(PATHS[0].format(CLOSED), headers=BEARER).status_code == 404
    finally:
        file.write_text(text, "utf-8")
    eventually(lambda: installed.client.get(PATHS[0].format(OPEN)).status_code == 200, "shown again")


def test_unknown_total_is_unavailable(installed, folder):
    """A campaign whose totals were never built has no total of a site either. It is not zero."""
    with Redis.from_url(installed.settings.redis_url, decode_responses=True) as raw:
        raw.config_set("maxmemory", "1gb")
        try:
            raw.config_set("maxmemory-policy", "allkeys-lru")
            time.sleep(1.5)
            (folder / "new.toml").write_text(campaign_with_site_totals(), "utf-8")
            path = f"/v1/campaigns/new/sites/{OPEN}"
            eventually(lambda: installed.client.get(path).status_code != 404, "the file is read")
            for each in (path, f"/c/new/sites/{OPEN}", f"/c/new/sites/{OPEN}/badge.svg"):
                assert installed.client.get(each).status_code == 503
            assert document(installed, OPEN)["stale"]
        finally:
            raw.config_set("maxmemory-policy", "noeviction")
            raw.config_set("maxmemory", "0")
            (folder / "new.toml").unlink(missing_ok=True)
    eventually(lambda: not document(installed, OPEN)["stale"], "Redis is used again")
