"""Test that a stranger who polls every public address sees no gift, refund, decline or opened giving page.

The campaign and its sites publish once a day, and no period begins during the test. The gifts come from a site with an
open total. The poller asks the service itself and the shipped proxy, and has the token of a closed total.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
import pytest
from donation_card.adapters.tokens import SignedTokens
from donation_card.app import create_app
from donation_card.web.campaign_responses import IMAGES
from redis import Redis

from tests.support.application import starlette_app
from tests.support.image_files import add_picture
from tests.support.installation import DECLINED, Installation, eventually, free_port, from_another_network, running
from tests.support.proxy import CACHE_STATUS, proxied
from tests.support.site_totals import CLOSED, LISTED, OPEN, TOKEN as SITE_TOKEN, campaign_with_site_totals

PER_REQUEST = {"date", "x-request-id", "connection", CACHE_STATUS.lower()}
"""Header fields of one response or connection. The cache status exists only in this test."""
FROM_THE_SITE = {"referer": f"https://{OPEN}/"}
TOKEN = re.compile(rb'(name="form_token" value=")[^"]+')
"""The random part of the giving page."""
READERS = (
    {"accept-encoding": "br, gzip", "accept-language": "de", "accept": "text/html"},
    {"accept-encoding": "identity", "accept": "application/json", "authorization": f"Bearer {SITE_TOKEN}"},
)


class Polled(NamedTuple):
    """An installation, the origin that the poller asks, and its client."""

    installation: Installation
    origin: str
    client: httpx.Client


@pytest.fixture(scope="module", params=["service", "proxy"])
def polled(
    request: pytest.FixtureRequest, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Polled]:
    here = tmp_path_factory.mktemp("polled")
    (here / "campaigns").mkdir()
    timezone = "UTC" if 3 < datetime.now(UTC).hour < 21 else "Pacific/Honolulu"
    text = campaign_with_site_totals().replace("Europe/Vilnius", timezone)
    (here / "campaigns" / "vitaly.toml").write_text(text, "utf-8")
    add_picture(here / "campaigns", "vitaly")
    port = free_port()
    options = {"public_url": f"https://localhost:{port}"}
    campaigns = here / "campaigns"
    with (
        running(
            redis_url, here / "sandbox", campaigns=campaigns, demo_publication_interval=None, settings_options=options
        ) as installation,
        proxied(here / "nginx", installation.service, port) as proxy,
        httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=60, headers=FROM_THE_SITE) as client,
    ):
        installation.until_ready()
        installation.client = client
        origin = proxy.url if request.param == "proxy" else installation.service
        with httpx.Client(base_url=origin, verify=proxy.trust, timeout=60, headers=from_another_network()) as poller:
            yield Polled(installation, origin, poller)


def addresses(polled: Polled) -> list[str]:
    """Return an address of every GET route, and of the files that the pages load."""
    pages = [polled.client.get(path).text for path in ("/c/vitaly", "/c/vitaly/give", "/c/vitaly/embed?pinned=1")]
    files = sorted({path for page in pages for path in re.findall(r"/(?:static|widget)/[\w./-]+\.\w+", page)})
    campaign = "/c/vitaly"
    pages_of_campaign = ["", "/give", "/thanks", "/frame", "/embed", "/updates.atom", "/qr.svg"]
    return [
        *("/", "/healthz", "/readyz", "/metrics", "/openapi.yaml"),
        *("/widget/v1/donation-card.js", "/widget/v1/source/donation-card.js"),
        f"/oembed?url={polled.installation.settings.public_url}{campaign}",
        *(
            "/v1/campaigns/vitaly",
            "/v1/campaigns/vitaly/progress",
            "/v1/campaigns/none",
            "/v1/campaigns/vitaly,none",
            "/c/none",
            "/nothing",
        ),
        *("/v1/campaigns/vitaly/spending", "/c/vitaly/transfer?amount=25", "/c/vitaly/transfer.svg?amount=25"),
        *("/v1/challenge?form_token=none", "/v1/checkout-sessions/none", f"{campaign}/thanks?session=none"),
        *(f"{campaign}{path}" for path in pages_of_campaign),
        *(f"{page}/vitaly/sites/{site}" for page in ("/c", "/v1/campaigns") for site in (OPEN, CLOSED, LISTED)),
        *(f"{campaign}/sites/{site}/badge.svg" for site in (OPEN, CLOSED)),
        *(f"{campaign}/{picture}" for picture in IMAGES),
        *(file["url"] for file in polled.client.get("/v1/campaigns/vitaly").json()["picture"]["files"]),
        *files,
    ]


def poll(polled: Polled, paths: list[str]) -> dict[tuple[str, str, int], object]:
    """Return status, headers and body of each response, by method, address and reader."""
    seen: dict[tuple[str, str, int], object] = {}
    for path in paths:
        for number, reader in enumerate(READERS):
            for method in ("GET", "HEAD"):
                answer = polled.client.request(method, path, headers=reader)
                headers = {name: value for name, value in answer.headers.items() if name not in PER_REQUEST}
                body = answer.content.replace(answer.headers["x-request-id"].encode(), b"")
                seen[method, path, number] = (answer.status_code, headers, TOKEN.sub(rb"\1", body))
    return seen


def give(installation: Installation) -> None:
    before = installation.totals()
    assert SignedTokens(installation.settings.secret_keys).read_form_token(installation.token()).site == OPEN
    installation.give("250")
    eventually(lambda: installation.totals().raised == before.raised + 250_00, "the webhook came")


def refund(installation: Installation) -> None:
    payment, before = installation.gift("300"), installation.totals()
    installation.operate("refunds", payment_intent=payment)
    eventually(lambda: installation.totals().raised < before.raised, "the refund is counted")


def decline(installation: Installation) -> None:
    installation.give("25", DECLINED)


def open_the_giving_page(installation: Installation) -> None:
    for path in ("/c/vitaly/give", "/c/vitaly/give?lang=de", "/c/vitaly/frame"):
        installation.client.get(path)
    installation.order("25").raise_for_status()


def test_poller_asks_every_route(polled: Polled) -> None:
    paths = [path.partition("?")[0] for path in addresses(polled)]
    routes = [each for each in starlette_app(create_app(polled.installation.settings)).routes if "GET" in each.methods]
    assert [each.path for each in routes if not any(each.path_regex.match(path) for path in paths)] == []


@pytest.mark.parametrize("event", [give, refund, decline, open_the_giving_page])
def test_poller_sees_the_same_before_and_after(polled: Polled, event: Callable[[Installation], None]) -> None:
    paths = addresses(polled)
    before = poll(polled, paths)
    event(polled.installation)
    time.sleep(0.5)  # five refreshes of a worker
    after = poll(polled, paths)
    assert {each: (before[each], after[each]) for each in before if after[each] != before[each]} == {}
    assert sum(answer[0] == 200 for answer in before.values()) > len(before) / 2


def test_poller_sees_the_end_of_a_campaign(polled: Polled) -> None:
    """The comparison finds a change that is meant to be public."""
    paths = addresses(polled)
    before = poll(polled, paths)
    file = polled.installation.settings.campaigns_dir / "vitaly.toml"
    text = file.read_text("utf-8")
    try:
        file.write_text(text.replace('status = "open"', 'status = "closed"'), "utf-8")
        page = "/v1/campaigns/vitaly"
        eventually(lambda: polled.client.get(page, headers=READERS[1]).content != before["GET", page, 1][2], "closed")
        after = poll(polled, paths)
    finally:
        file.write_text(text, "utf-8")
    eventually(lambda: polled.client.get(page, headers=READERS[1]).content == before["GET", page, 1][2], "open again")
    changed = {path for _, path, _ in before if after["GET", path, 0] != before["GET", path, 0]}
    assert {"/c/vitaly", "/c/vitaly/give", "/v1/campaigns/vitaly"} <= changed


def test_poller_sees_the_period_of_a_site_begin(polled: Polled) -> None:
    """The comparison finds a site's total that moves, on each of its addresses, and nothing else moves."""
    give(polled.installation)
    give(polled.installation)  # EUR 500 or more: the first step, whatever its threshold
    paths = addresses(polled)
    before = poll(polled, paths)
    with Redis.from_url(polled.installation.settings.redis_url, decode_responses=True) as raw:
        for key in raw.scan_iter(f"*:published:{OPEN}"):  # other installations use this server too
            raw.hincrby(key, "period_start", -86_400)
    eventually(lambda: polled.client.get(f"/v1/campaigns/vitaly/sites/{OPEN}").json()["raised"] > 0, "it is decided")
    after = poll(polled, paths)
    changed = {path for method, path, _ in before if after[method, path, 0] != before[method, path, 0]}
    addressed = {path for path in paths if f"/sites/{OPEN}" in path}
    assert changed == addressed
