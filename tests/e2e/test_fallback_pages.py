"""Test the pages of the shipped proxy while the real service does not answer: a donor finds a way to give."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from tests.soak.drill import Donor
from tests.support.installation import eventually, free_port, processes, ready
from tests.support.proxy import Proxy, proxied
from tests.support.redis_servers import Server
from tests.support.shipped import VITALY_TEXT
from tests.support.ways import LINKS, campaign_with_ways

IBAN_TEXT = "LT60 1010 0123 4567 8901"
GERMAN, ENGLISH = "Mit Karte kann man hier zurzeit nicht spenden.", "Giving by card is not possible here at the moment."
PAGES = ("/c/ways", "/c/ways/give", "/c/ways/transfer", "/c/ways/frame")


def prepared(here: Path, **texts: str) -> tuple[Path, Path, int, dict[str, str]]:
    """Write campaign files. Return their folder, that of the pages, a port for the proxy, and the settings of both."""
    campaigns, pages, port = here / "campaigns", here / "nginx" / "pages", free_port()
    campaigns.mkdir()
    for name, text in texts.items():
        (campaigns / f"{name}.toml").write_text(text, "utf-8")
    return campaigns, pages, port, {"FALLBACK_PAGES_DIR": str(pages), "PUBLIC_URL": f"https://localhost:{port}"}


@pytest.fixture(scope="module")
def broken(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path, Proxy]]:
    """Return a client of the proxy, the folder of pages, and the proxy. The service ended after `secret` was hidden."""
    here = tmp_path_factory.mktemp("broken")
    ways = campaign_with_ways()
    campaigns, pages, port, more = prepared(here, ways=ways, secret=ways, vitaly=VITALY_TEXT)
    with contextlib.ExitStack() as up:
        installation, process = up.enter_context(processes(redis_url, here, campaigns, more=more))
        proxy = up.enter_context(proxied(here / "nginx", installation.service, port))
        client = up.enter_context(httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=30))
        eventually(lambda: len(list(pages.glob("*.html"))) == 4 * 7, "all pages are written")
        for path in PAGES:
            answer = client.get(path)
            assert answer.status_code == 200
            assert ENGLISH not in answer.text, "the service answers itself"
        file = campaigns / "secret.toml"
        file.write_text(campaign_with_ways(status="hidden"), "utf-8")
        eventually(lambda: not list(pages.glob("*.secret.*")), "the hidden campaign has no page")
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        yield client, pages, proxy


@pytest.mark.parametrize("path", PAGES)
def test_page_names_other_ways_while_service_is_away(broken: tuple, path: str) -> None:
    client, *_ = broken
    answer = client.get(path)
    assert answer.status_code == 200
    assert ENGLISH in answer.text
    assert all(shown in answer.text for shown in (IBAN_TEXT, *LINKS))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert {"strict-transport-security", "x-request-id", "x-robots-tag"} <= set(answer.headers)
    assert "etag" not in answer.headers


def test_head_and_conditional_requests_get_the_page_too(broken: tuple) -> None:
    """A link checker sends HEAD. A browser that kept the service's page may not show it as unchanged."""
    client, *_ = broken
    page = client.get("/c/ways")
    head = client.head("/c/ways")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(page.content)))
    assert head.headers["cache-control"] == "no-store"
    for name, value in {
        "if-none-match": 'W/"0123456789abcdef"',
        "if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT",
    }.items():
        answer = client.get("/c/ways", headers={name: value})
        assert (answer.status_code, answer.text) == (200, page.text)


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("de", "", "de"),
        ("de-AT,be", "ru", "de"),
        ("", "de-DE,de;q=0.9,en;q=0.8", "de"),
        ("", "fr-FR,fr;q=0.9,uk;q=0.8", "uk"),
        ("", "fr", "en"),
        ("", "", "en"),
        ("..%2f", "lt", "lt"),
    ],
)
def test_page_has_the_language_of_the_reader(broken: tuple, query: str, header: str, language: str) -> None:
    client, *_ = broken
    answer = client.get(f"/c/ways?lang={query}" if query else "/c/ways", headers={"accept-language": header})
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text


def test_second_language_comes_before_another_one(broken: tuple) -> None:
    """A campaign need not have the first language of a reader."""
    client, pages, _ = broken
    (pages / "donation-card.two.en.html").write_text("English", "utf-8")
    (pages / "donation-card.two.ru.html").write_text("Russian", "utf-8")
    assert client.get("/c/two", headers={"accept-language": "be-BY,be;q=0.9,ru;q=0.8,en;q=0.7"}).text == "Russian"
    assert client.get("/c/two", headers={"accept-language": "be-BY,be;q=0.9"}).text == "English"
    assert client.get("/c/two?lang=uk", headers={"accept-language": "ru"}).text == "Russian"


def test_hidden_or_unknown_campaign_has_no_page(broken: tuple) -> None:
    client, *_ = broken
    for path in ("/c/secret", "/c/secret/give", "/c/none", "/c/.."):
        assert client.get(path).status_code in {502, 503}, path
    assert client.get("/fallback-pages/ways").status_code in {404, 502}, "nobody asks for it directly"


@pytest.mark.parametrize(
    "name", ["..%2fways", "ways%00", "ways.en", "*", "-thanks", "-thanks/give", "ways%0d%0aX:%20y"]
)
def test_name_that_is_no_campaign_has_no_page(broken: tuple, name: str) -> None:
    client, *_ = broken
    answer = client.get(f"/c/{name}")
    assert answer.status_code in {400, 502, 503}
    assert ENGLISH not in answer.text


def test_form_without_script_leads_to_a_way(broken: tuple) -> None:
    client, *_ = broken
    form = {"form_token": "x", "amount": "25"}
    answer = client.post("/v1/checkout-sessions?campaign=ways&lang=de", data=form)
    assert answer.status_code == 200
    assert GERMAN in answer.text
    assert IBAN_TEXT in answer.text
    script = client.post("/v1/checkout-sessions?campaign=ways&lang=de", json=form)
    assert script.status_code == 502, "a script must not take a page for a session"
    assert client.post("/v1/checkout-sessions", data=form).status_code in {502, 503}


def test_thanks_say_nothing_while_service_is_away(broken: tuple) -> None:
    client, *_ = broken
    for campaign in ("ways", "secret"):
        answer = client.get(f"/c/{campaign}/thanks?session_id=cs_test_1&return_token=x&lang=de")
        assert answer.status_code == 200
        assert "Bitte zahlen Sie vorerst nicht ein zweites Mal." in answer.text
        assert answer.headers["cache-control"] == "no-store"


def test_campaign_without_another_way_says_when_to_return(broken: tuple) -> None:
    client, *_ = broken
    assert "Please come back later today." in client.get("/c/vitaly").text


def test_card_has_no_page_instead_of_data(broken: tuple) -> None:
    client, *_ = broken
    assert client.get("/v1/campaigns/ways").status_code == 502


def test_form_of_the_giving_page_names_its_campaign(redis_url: str, installation) -> None:  # type: ignore[no-untyped-def]
    page = installation.client.get("/c/vitaly/give?lang=de").text
    assert re.findall(r'<form[^>]*action="([^"]+)"', page) == ["/v1/checkout-sessions?campaign=vitaly&amp;lang=de"] * 2


def test_hung_service_leads_to_a_way(redis_url: str, tmp_path: Path) -> None:
    """A worker that is stopped accepts connections and answers nothing. Afterwards it answers itself."""
    campaigns, pages, port, more = prepared(tmp_path, ways=campaign_with_ways())
    with contextlib.ExitStack() as up:
        installation, process = up.enter_context(processes(redis_url, tmp_path, campaigns, workers=1, more=more))
        proxy = up.enter_context(proxied(tmp_path / "nginx", installation.service, port))
        client = up.enter_context(httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=60))
        eventually(lambda: len(list(pages.glob("*.html"))) == 2 * 7, "all pages are written")
        process.send_signal(signal.SIGSTOP)
        try:
            answer = client.get("/c/ways/give?lang=de")
        finally:
            process.send_signal(signal.SIGCONT)
        assert answer.status_code == 200
        assert GERMAN in answer.text
        eventually(lambda: GERMAN not in client.get("/c/ways/give?lang=de").text, "the service answers itself")


def test_donors_find_a_way_while_redis_is_away(tmp_path: Path) -> None:
    """Without a script: by the link of an article, and by the form. The service or the proxy names a way."""
    campaigns, _, port, more = prepared(tmp_path, ways=campaign_with_ways())
    redis = Server(tmp_path / "redis").start()
    with contextlib.ExitStack() as up:
        up.callback(redis.stop)
        url = f"redis://127.0.0.1:{redis.port}/0"
        installation, _ = up.enter_context(processes(url, tmp_path, campaigns, workers=1, more=more))
        proxy = up.enter_context(proxied(tmp_path / "nginx", installation.service, port, behind="127.0.0.1"))
        donor = Donor(SimpleNamespace(proxy=proxy), "ways")
        up.callback(donor.client.close)
        up.callback(donor.outside.close)
        donor.client.timeout = donor.outside.timeout = httpx.Timeout(60)
        assert donor.by_form()
        redis.kill()
        for _ in range(3):
            assert donor.by_link()
            assert donor.by_form()
        eventually(lambda: not ready(installation.client), "the worker knows that Redis is away")
        assert donor.by_link()
        assert donor.by_form()
        redis.start()
        eventually(lambda: ready(installation.client), "the worker knows that Redis is back")
        assert donor.by_form()
