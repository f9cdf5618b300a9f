"""Test that a donation within a publication period changes no byte of a public response."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from donation_card.domain.campaign import LANGUAGES
from donation_card.web.campaign_responses import IMAGES
from redis import Redis

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.support.installation import eventually, running
from tests.support.shipped import VITALY_TEXT

WITHIN_AN_EPOCH = 'every = "1d"'
VOLATILE = {"date", "x-request-id"}  # of one answer, and random
READER = httpx.Client(timeout=60, headers={"accept-encoding": "gzip"})
TOKEN = re.compile(rb'(name="form_token" value=")[^"]+')


@pytest.fixture(scope="module")
def kept(redis_url, tmp_path_factory):
    """Start an installation whose total moves at midnight. On the giving page only the token may differ."""
    folder = tmp_path_factory.mktemp("campaigns")
    text = VITALY_TEXT.replace('every = "1d"', WITHIN_AN_EPOCH)
    (folder / "vitaly.toml").write_text(text, "utf-8")
    with running(
        redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=folder, demo_publication_interval=None
    ) as found:
        found.until_ready()
        yield found


def surfaces(installation):
    """Every public address about the campaign, in two languages and as readers of several kinds ask."""
    paths = ["/v1/campaigns/vitaly/progress", "/", "/oembed?url=" + installation.settings.public_url + "/c/vitaly"]
    for lang in LANGUAGES[:2]:
        paths += [f"/v1/campaigns/vitaly?lang={lang}", f"/v1/campaigns/vitaly/spending?lang={lang}"]
        paths += [
            f"/c/vitaly{path}?lang={lang}" for path in ("", "/give", "/frame", "/embed", "/updates.atom", "/qr.svg")
        ]
        paths += [f"/c/vitaly/{picture}?lang={lang}" for picture in IMAGES]
    return paths


def told(installation, path, **headers):
    """Return status, headers and the bytes of the body as sent."""
    with READER.stream("GET", installation.service + path, headers=headers) as answer:
        body = b"".join(answer.iter_raw())
        plain = {name: value for name, value in answer.headers.items() if name not in VOLATILE}
    if "/give" in path:
        body = TOKEN.sub(rb"\1", body)
    return answer.status_code, plain, body


def snapshot(installation):
    return {path: told(installation, path) for path in surfaces(installation)}


def give(installation, amount):
    before = installation.totals()
    answer = post(installation, session_event(installation, amount=amount))
    assert answer.json() == {"outcome": "applied"}
    assert installation.totals().raised == before.raised + amount
    time.sleep(0.5)  # five looks of a worker


def test_donation_within_period_changes_no_public_response(kept):
    before = snapshot(kept)
    assert all(status == 200 for status, _, _ in before.values())
    for amount in (5_00, 250_00):  # under the step, and far over it
        give(kept, amount)
    after = snapshot(kept)
    assert [path for path in before if after[path] != before[path]] == []
    etag = before["/v1/campaigns/vitaly/progress"][1]["etag"]
    assert told(kept, "/v1/campaigns/vitaly/progress", **{"if-none-match": etag})[0] == 304


def test_compared_responses_change_with_the_total(installation):
    """Compare where the total is immediate. The comparison detects a donation."""
    before, raised = snapshot(installation), installation.progress()["raised"]
    give(installation, 150_00)
    eventually(lambda: installation.progress()["raised"] != raised, "the total has moved")
    after = snapshot(installation)
    changed = {path.partition("?")[0] for path in before if after[path] != before[path]}
    assert {"/v1/campaigns/vitaly", "/c/vitaly", "/c/vitaly/give", "/c/vitaly/badge.svg", "/"} <= changed


@pytest.mark.parametrize(("amount", "listed"), [("37.50", "false"), ("437.50", "false"), ("437.50", "true")])
def test_offline_donation_within_period_changes_no_public_response(kept, amount, listed):
    file, before = kept.settings.campaigns_dir / "vitaly.toml", snapshot(kept)
    marker, without = file.with_name("zz.toml"), file.read_text("utf-8")
    source = ", ".join(f'{lang} = "A fair"' for lang in LANGUAGES)
    entry = f'\n[[offline]]\ndate = 2026-11-20\namount = "{amount}"\nlist = {listed}\nsource = {{ {source} }}\n'
    try:
        file.write_text(without + entry, "utf-8")
        marker.write_text(without.replace('status = "open"', 'status = "hidden"'), "utf-8")
        hidden = {"code": "campaign_hidden"}
        eventually(lambda: hidden.items() <= kept.client.get("/v1/campaigns/zz/progress").json().items(), "all is read")
        time.sleep(0.5)  # five looks of a worker
        after = snapshot(kept)
    finally:
        file.write_text(without, "utf-8")
        marker.unlink(missing_ok=True)
    assert [path for path in before if after[path] != before[path]] == []


def test_thanks_show_only_the_donors_own_donation(kept):
    def thanked(amount):
        made = kept.order(amount).json()
        kept.pay(f"{kept.sandbox}/embed/{made['client_secret']}")
        return kept.client.get(f"/v1/checkout-sessions/{made['session_token']}").json()

    first, second = thanked("25"), thanked("25")
    assert first == second
    assert first["status"] == "paid"


def test_no_route_shows_exact_or_site_totals(kept):
    give(kept, 123_45)
    exact = kept.totals().raised
    written = {str(exact), f"{exact // 100}.{exact % 100:02}", f"{exact // 100:,}", f"{exact // 100}"}
    for path in [*surfaces(kept), "/healthz", "/readyz", "/metrics"]:
        text = kept.client.get(path).text
        text = re.sub(r'name="form_token" value="[^"]+"', "", text)
        numbers = set(re.findall(r"\d[\d,.]*\d", text))
        assert not written & numbers, path


def test_no_public_response_reads_redis(kept):
    """So that its time, too, says nothing of what is in there: every figure is read by the worker's own clock."""
    with Redis.from_url(kept.settings.redis_url) as raw:

        def asked(work):
            raw.config_resetstat()
            started = time.monotonic()
            work()
            calls = sum(each["calls"] for name, each in raw.info("commandstats").items() if "eval" in name)
            return calls, time.monotonic() - started

        rest, resting = asked(lambda: time.sleep(2))
        paths = surfaces(kept) * 4
        busy, working = asked(lambda: [kept.client.get(path) for path in paths])
    assert rest > 0, "the worker asks by its own clock"
    assert busy - 2 * rest * working / resting < len(paths) / 4
