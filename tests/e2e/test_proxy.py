"""Test the shipped nginx configuration in front of the service."""

import contextlib
import os
import re
import select
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from donation_card.web.assets import current_card

from tests.support.image_files import add_picture
from tests.support.installation import eventually, free_port, processes, running
from tests.support.proxy import command, proxied

CLOSED_WITHIN = 10
"""Seconds that a client may take over a head or a body; on a shared machine the test allows three times as much."""


@pytest.fixture(scope="module")
def behind(redis_url, tmp_path_factory):
    """Return the installation behind the proxy, its campaigns' folder, and the proxy."""
    here = tmp_path_factory.mktemp("proxied")
    campaigns = here / "campaigns"
    campaigns.mkdir()
    sample_campaign = campaigns / "roof.toml"
    sample_campaign.write_bytes(Path("tests/support/roof.toml").read_bytes())
    port = free_port()
    with (
        running(
            redis_url,
            here / "sandbox",
            campaigns=campaigns,
            demo_publication_interval="6h",
            settings_options={"public_url": f"https://localhost:{port}"},
        ) as installation,
        proxied(here / "nginx", installation.service, port) as proxy,
        httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=60) as client,
    ):
        installation.until_ready()
        installation.client = client
        yield installation, sample_campaign, proxy


def test_donation_through_the_proxy(behind):
    installation, _, proxy = behind
    token = installation.token("roof")
    started = installation.submit(token=token, amount="custom", custom_amount="20")
    assert started.status_code == 303, started.text
    paid = installation.pay(started.headers["location"])
    thanks = paid.headers["location"]
    assert thanks.startswith(f"{proxy.url}/c/roof/thanks?")
    assert "€20" in installation.client.get(thanks).text
    eventually(lambda: (found := installation.totals("roof")) and found.raised == 20_00, "the webhook came")


def cache(answer):
    """Return MISS or HIT, or an empty text if the proxy does not look into a cache."""
    assert answer.status_code == 200, answer.text
    return answer.headers.get("x-cache-of-the-test", "")


def hashed_files(installation):
    page = installation.client.get("/c/roof/give").text
    card = installation.client.get("/c/roof/embed?pinned=1").text
    found = {*re.findall(r"/static/[0-9a-f]+/[\w.-]+", page), *re.findall(r"/widget/[0-9a-f]+/[\w.-]+", card)}
    assert len(found) > 2
    return sorted(found)


def test_proxy_keeps_only_files_with_a_hash_and_totals(behind):
    installation, _, proxy = behind
    for path in hashed_files(installation):
        seen = [cache(installation.client.get(f"{path}?fbclid=reader{number}")) for number in range(3)]
        assert set(seen[1:]) == {"HIT"}, path
    assert cache(installation.client.get("/v1/campaigns/roof/progress?fbclid=reader")) in {"MISS", "HIT", "EXPIRED"}
    for path in (
        "/",
        "/c/roof",
        "/c/roof/give",
        "/v1/campaigns/roof?lang=en",
        "/widget/v1/donation-card.js",
        "/c/roof/embed",
    ):
        assert [
            cache(installation.client.get(f"{path}{'&' if '?' in path else '?'}fbclid=reader")) for _ in range(2)
        ] == ["", ""], path
    kept = [file.read_bytes() for file in proxy.folder.glob("cache-*/**/*") if file.is_file()]
    assert len(kept) > 3
    assert not any(b"fbclid" in file or b"reader" in file.partition(b"\r\n\r\n")[0] for file in kept)


def test_proxy_sends_what_the_service_sends(behind):
    installation, _, _ = behind
    for path in ("/v1/campaigns/roof/progress", "/v1/campaigns/roof?lang=en", "/widget/v1/donation-card.js", "/c/roof"):
        direct = httpx.get(f"{installation.service}{path}")
        for answer in [installation.client.get(path) for _ in range(3)]:
            assert answer.content == direct.content
            for name in ("etag", "cache-control", "vary", "content-type", "content-security-policy"):
                assert answer.headers[name] == direct.headers[name], (path, name)
        assert installation.client.get(path, headers={"if-none-match": direct.headers["etag"]}).status_code == 304


def test_no_response_says_if_it_was_cached(behind):
    """The proxy of an operator has no such header, and an opened giving page changes no other one."""
    shipped = Path("deploy/nginx.conf").read_text()
    assert "upstream_cache_status" not in shipped
    installation, _, _ = behind
    varying = {"date", "x-request-id", "x-cache-of-the-test"}

    def headers(path):
        found = installation.client.get(path).headers
        return {name: value for name, value in found.items() if name not in varying}

    paths = [*hashed_files(installation), "/", "/c/roof", "/v1/campaigns/roof?lang=en", "/v1/campaigns/roof/progress"]
    before = {path: headers(path) for path in paths}
    installation.submit(token=installation.token("roof"), amount="custom", custom_amount="20")
    assert {path: headers(path) for path in paths} == before


@pytest.mark.parametrize(
    ("takes", "sent"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "br"),
        ("gzip,br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.0,deflate, gzip;q=0.001", "gzip"),
        ("identity", None),
        ("gzip;q=0", None),
        ("zebra, x-gzip", None),
    ],
)
def test_proxy_caches_one_variant_per_encoding(behind, takes, sent):
    installation, _, _ = behind

    address = next(path for path in hashed_files(installation) if path.startswith("/widget/"))
    for accepted in (sent or "identity", takes):
        answer = installation.client.get(address, headers={"accept-encoding": accepted})
        assert answer.headers.get("content-encoding") == sent
        assert answer.content == current_card()
    assert cache(answer) == "HIT"


def test_proxy_caches_each_language_separately(behind):
    installation, _, _ = behind
    for _ in range(4):
        for lang in ("en", "de"):
            page = installation.client.get("/c/roof", headers={"accept-language": lang}).text
            assert f'lang="{lang}"' in page


def test_proxy_never_caches_a_form(behind):
    installation, _, _ = behind
    answers = [installation.client.get("/c/roof/give") for _ in range(5)]
    assert {cache(answer) for answer in answers} == {""}
    assert len({re.search(r'name="form_token"[^>]*value="([^"]+)"', answer.text)[1] for answer in answers}) == 5


def test_proxy_sets_one_request_id(behind):
    installation, _, _ = behind
    named = installation.client.get("/c/roof", headers={"x-request-id": "a-name-of-mine"})
    assert named.headers["x-request-id"] == "a-name-of-mine"
    others = [installation.client.get("/c/roof", headers={"x-request-id": "no name\tof mine"}) for _ in range(3)]
    assert len({answer.headers["x-request-id"] for answer in others}) == 3


def test_proxy_blocks_operator_routes_and_huge_bodies(behind):
    installation, _, _ = behind
    assert {installation.client.get(path).status_code for path in ("/metrics", "/readyz")} == {404}
    assert installation.client.get("/healthz").status_code == 200
    assert installation.client.post("/v1/stripe/webhook", content=b"x" * 524_289).status_code == 413
    assert installation.client.post("/v1/checkout-sessions", content=b"x" * 65_537).status_code == 413


def test_proxy_passes_an_event_of_512_kib(behind):
    installation, _, _ = behind
    assert installation.client.post("/v1/stripe/webhook", content=b"x" * 524_288).json()["code"] == "signature_invalid"


def test_proxy_speaks_http_2(behind):
    _, _, proxy = behind
    trust = ssl.create_default_context(cafile=str(proxy.folder / "fullchain.pem"))
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with trust.wrap_socket(socket.create_connection(proxy.place), server_hostname="localhost") as connection:
        assert connection.selected_alpn_protocol() == "h2"


def test_proxy_closes_slow_clients_and_serves_others(behind):
    installation, _, proxy = behind
    head = b"POST /v1/checkout-sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n"
    body = head + b"content-type: application/x-www-form-urlencoded\r\n\r\ntoken="
    with contextlib.ExitStack() as kept:
        poll, waiting, dripping = select.poll(), {}, []
        for number in range(720):
            plain = socket.create_connection(proxy.place, 10)
            slow = kept.enter_context(proxy.trust.wrap_socket(plain, server_hostname="localhost"))
            slow.sendall(b"GET / HTTP/1.1\r\nhost:" if number < 500 else body)
            poll.register(slow, select.POLLIN | select.POLLHUP)
            waiting[slow.fileno()] = slow
            if number >= 700:
                dripping.append(slow)  # a byte now and then: it is the service that ends these
        began = time.monotonic()
        while waiting:
            assert time.monotonic() < began + 3 * CLOSED_WITHIN, f"{len(waiting)} are still open"
            assert installation.client.get("/v1/campaigns/roof/progress").status_code == 200
            assert installation.client.get("/c/roof/give").status_code == 200
            for slow in dripping:
                with contextlib.suppress(OSError):
                    slow.send(b"x")
            for descriptor, _ in poll.poll(100):
                if ended(waiting[descriptor]):
                    poll.unregister(waiting.pop(descriptor))


def ended(connection):
    """Return True if the other side closed the connection, perhaps after a 408."""
    try:
        connection.setblocking(False)
        while connection.recv(4096):
            pass
    except ssl.SSLWantReadError:
        return False
    except OSError:
        pass
    return True


def test_hidden_campaign_stays_redacted_while_service_is_down(redis_url, tmp_path, sample_campaign):
    """Only the total may be old then, and no log names the client."""
    port = free_port()
    other = sample_campaign / "shed.toml"
    other.write_text((sample_campaign / "roof.toml").read_text("utf-8"), "utf-8")
    with contextlib.ExitStack() as up:
        installation, process = up.enter_context(processes(redis_url, tmp_path, sample_campaign, workers=1))
        proxy = up.enter_context(proxied(tmp_path / "nginx", installation.service, port))
        client = up.enter_context(httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=60))
        for name in ("roof", "shed"):
            assert "A roof for the winter" in client.get(f"/v1/campaigns/{name}").text
            assert client.get(f"/v1/campaigns/{name}/progress").status_code == 200
        file = sample_campaign / "roof.toml"
        file.write_text(file.read_text("utf-8").replace('status = "open"', 'status = "hidden"'), "utf-8")
        eventually(lambda: "A roof for the winter" not in client.get("/v1/campaigns/roof").text, "the card is redacted")
        eventually(lambda: client.get("/v1/campaigns/roof/progress").status_code == 404, "the total is gone")
        process.terminate()
        process.wait(30)
        eventually(lambda: client.get("/healthz").status_code == 502, "the service is away")
        time.sleep(1.1)  # what was kept is no longer fresh
        assert client.get("/v1/campaigns/shed/progress").json()["goal"]
        assert client.get("/v1/campaigns/roof/progress").status_code == 404
        assert client.get("/v1/campaigns/shed").status_code == 502
        assert "client:" not in proxy.log
        assert "127.0.0.1" not in proxy.log


def test_static_mirror_shows_last_total_and_links_to_service(redis_url, tmp_path, sample_campaign):
    mirror, conf = tmp_path / "mirror", tmp_path / "nginx.conf"
    add_picture(sample_campaign, "roof")
    copying = ["deploy/contrib/mirror.sh", "", "roof", str(mirror)]
    port = free_port()
    server = Path("deploy/contrib/mirror.conf").read_text()
    for shipped, here in {"listen 8080": f"listen 127.0.0.1:{port}", "/srv/mirror": str(mirror)}.items():
        assert shipped in server
        server = server.replace(shipped, here)
    options = "user root;" if os.geteuid() == 0 else ""
    conf.write_text(f"{options} daemon off; pid {tmp_path}/pid; events {{}} http {{ {server} }}")
    with running(
        redis_url, tmp_path / "sandbox", campaigns=sample_campaign, demo_publication_interval="6h"
    ) as installation:
        installation.until_ready()
        copying[1] = installation.service
        (mirror / "pictures").mkdir(parents=True)
        (mirror / "pictures" / f"{'0' * 32}-640.webp").write_bytes(b"of another time")
        subprocess.run(copying, check=True)
        picture = installation.client.get("/v1/campaigns/roof").json()["picture"]
        images = {file["url"]: installation.client.get(file["url"]).content for file in picture["files"]}
        assert {f"/pictures/{path.name}" for path in (mirror / "pictures").iterdir()} == images.keys()
        answers = {lang: installation.client.get(f"/v1/campaigns/roof?lang={lang}").content for lang in ("en", "de")}
        card = installation.client.get("/widget/v1/donation-card.js").content
        hidden = tmp_path / "hidden"
        for number in (len(images), 0):
            subprocess.run([*copying[:3], str(hidden)], check=True)
            assert len(list(hidden.glob("pictures/*"))) == number
            hide(sample_campaign / "roof.toml")
            eventually(lambda: installation.client.get(picture["url"]).status_code == 404, "the campaign is hidden")
    away = subprocess.run(copying, capture_output=True, text=True)
    assert away.returncode == 1
    assert "the old copy stays" in away.stderr
    nginx = subprocess.Popen(command(tmp_path, conf))
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: up(url), "the mirror answers")
        for lang in ("en", "de"):
            answer = httpx.get(f"{url}/v1/campaigns/roof?lang={lang},fr")
            assert answer.content == answers[lang]
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["access-control-allow-origin"] == "*"
        assert httpx.get(f"{url}/widget/v1/donation-card.js").content == card
        assert httpx.get(f"{url}/v1/campaigns/roof/progress").json()["goal"] == 900_00
        for address, body in images.items():
            image = httpx.get(url + address)
            assert image.content == body
            assert image.headers["content-type"] == ("image/webp" if address.endswith("webp") else "image/jpeg")
            assert image.headers["cache-control"] == "public, max-age=30"
        assert httpx.get(f"{url}/pictures/none.webp").status_code == 404
        onward = httpx.get(f"{url}/c/roof/give?lang=de")
        assert onward.headers["location"] == "https://give.example.org/c/roof/give?lang=de"
    finally:
        nginx.terminate()
        nginx.wait(20)


def hide(path):
    path.write_text(re.sub('status = "[a-z]+"', 'status = "hidden"', path.read_text("utf-8"), count=1), "utf-8")


def up(url):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code > 0
