"""Wrap each parser of foreign bytes in a function that raises only expected errors."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from donation_card.adapters.bank_statements.camt053 import read_statement_file
from donation_card.adapters.bank_statements.pages import join_pages
from donation_card.adapters.campaign_files.bank_file import bank_file_of
from donation_card.adapters.campaign_files.loader import CampaignFiles, read_campaign
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.adapters.stripe.webhook_signature import verify
from donation_card.adapters.tokens import SignedTokens
from donation_card.application.ports.payments import Account
from donation_card.domain.campaign import Campaign
from donation_card.domain.money import MAX_MINOR_UNITS, parse_amount
from donation_card.errors import ConfigurationError, IgnoredEvent, Invalid, NotFound
from donation_card.settings import Settings
from donation_card.web.api.checkout_request import parse_json
from donation_card.web.assets import Assets
from donation_card.web.http.request_body import parse_form
from donation_card.web.http.response_cache import ResponseCache
from donation_card.web.http.return_url import referring_host, validate_return_url
from donation_card.web.pages.embed import EmbedEndpoints, _appearance, _size
from donation_card.web.presentation import translations as texts
from donation_card.web.presentation.page_renderer import PageRenderer
from donation_card.web.presentation.templates import Templates
from starlette.requests import Request
from stripe import WebhookSignature

from tests.support.bank_statements import VERSIONS, Batch, Sheet, Transfer, camt053

SECRET, KEY, OURS = "whsec_0123456789abcdef0123", "0123456789abcdef" * 2, "https://give.example.org"
BODY = b'{"id": "evt_1"}'
FOLDER = tempfile.TemporaryDirectory(prefix="parsers-")
TOKENS = SignedTokens([KEY])
PAYMENTS = StripePayments("sk_test_x", [SECRET])
SITE = "news.example.org"


@functools.cache
def sample_campaign() -> Campaign:
    file = Path(FOLDER.name, "roof.toml")
    file.write_text(f'sites = ["{SITE}"]\n' + Path("tests/support/roof.toml").read_text("utf-8"), "utf-8")
    return read_campaign(file)


@functools.cache
def embed() -> EmbedEndpoints:
    sample_campaign()
    settings = Settings("sk_test_x", "pk_test_x", (SECRET,), "redis://127.0.0.1:1", OURS, (KEY,))
    files = CampaignFiles(Path(FOLDER.name, "roof.toml"))
    return EmbedEndpoints(files, PageRenderer(Templates(settings, Assets(ResponseCache()))))


def asked(data: bytes, header: str) -> Request:
    """Return a request with these bytes as its query and as one of its headers."""
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": data, "headers": [(header.encode(), data)]}
    return Request(scope)


def text(data: bytes) -> str:
    """Decode bytes as an ASGI server does for headers and queries."""
    return data.decode("latin-1")


def signature(data: bytes) -> None:
    with contextlib.suppress(Invalid):
        verify(BODY, data, [SECRET, SECRET[::-1]], datetime.now(UTC))
        raise AssertionError(f"accepted: {data!r}")


def event(data: bytes) -> None:
    now = datetime.now(UTC)
    signed = WebhookSignature.generate_signature_header(text(data), SECRET, int(now.timestamp())).encode()
    with contextlib.suppress(Invalid, IgnoredEvent):
        PAYMENTS.parse_event(text(data).encode(), signed, now, Account("acct_1", livemode=False))


def form_fields(data: bytes) -> None:
    with contextlib.suppress(Invalid):
        assert all(isinstance(value, str) for value in parse_form(data).values())


def order(data: bytes) -> None:
    with contextlib.suppress(Invalid):
        assert len(parse_json(data).form_token) <= 600


def token(data: bytes) -> None:
    for read in (TOKENS.read_form_token, TOKENS.read_handle, TOKENS.read_return_token):
        for given in {text(data), data.decode("utf-8", "replace")}:
            with contextlib.suppress(Invalid):
                read(given)
                raise AssertionError(f"accepted: {given!r}")


def campaign_file(data: bytes) -> None:
    file = Path(FOLDER.name, "other.toml")
    file.write_bytes(data)
    with contextlib.suppress(ConfigurationError):
        assert read_campaign(file).needs


def bank_file(data: bytes) -> None:
    file = Path(FOLDER.name, "saved.toml")
    file.write_bytes(Path("tests/support/roof.toml").read_bytes())
    bank_file_of(file).write_bytes(data)
    with contextlib.suppress(ConfigurationError):
        assert read_campaign(file).imported_transfers


def bank_statement(data: bytes) -> None:
    file = Path(FOLDER.name, "statement.xml")
    file.write_bytes(data)
    with contextlib.suppress(ConfigurationError):
        for statement in join_pages(read_statement_file(file)):
            booked = sum(entry.amount for entry in statement.entries)
            assert statement.record.opening + booked == statement.record.closing


def lang(data: bytes) -> None:
    with contextlib.suppress(Invalid):
        assert all(tag.isascii() and tag.isalpha() for tag in texts.parse_lang_param(text(data)))


def accept_language(data: bytes) -> None:
    assert all(tag.isascii() and tag.isalpha() for tag in texts.parse_accept_language(text(data)))


def amount(data: bytes) -> None:
    for given in {text(data), data.decode("utf-8", "replace")}:
        for currency in ("EUR", "JPY", "KWD"):
            with contextlib.suppress(Invalid):
                assert 0 <= parse_amount(given, currency, allow_minor_units=True).amount <= MAX_MINOR_UNITS


def referer(data: bytes) -> None:
    assert sample_campaign().site_label(referring_host(asked(data, "referer"))) in {SITE, "other"}


def oembed(data: bytes) -> None:
    for given in (text(data), f"{OURS}/c/{text(data)}"):
        with contextlib.suppress(NotFound):
            assert embed()._campaign_at_url(given)[0].id == "roof"
            assert given.startswith(OURS)


def back(data: bytes) -> None:
    for given in (text(data), f"https://{SITE}{text(data)}"):
        with contextlib.suppress(Invalid):
            led = urlsplit(validate_return_url(sample_campaign(), given))
            assert not given or (led.scheme, led.hostname, led.port) == ("https", SITE, None)


def choices(data: bytes) -> None:
    request = asked(data, "accept")
    with contextlib.suppress(Invalid):
        _appearance(request)
        assert 64 <= _size(request, "size", (64, 2048), 256) <= 2048


PARSERS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        *(signature, event, form_fields, order, token, campaign_file, bank_file, bank_statement, lang, accept_language),
        *(amount, referer, oembed, back, choices),
    )
}

SEEDS: dict[str, list[bytes]] = {
    "signature": [b"t=1764000000,v1=" + b"0" * 64, b"t=1764000000,v0=" + b"0" * 64 + b",v1=" + b"f" * 64],
    "event": [
        b'{"id":"evt_1","type":"checkout.session.completed","livemode":false,"data":{"object":{"id":"cs_test_1","status":'
        b'"complete","payment_status":"paid","amount_total":2500,"currency":"eur","metadata":{"campaign":"roof"},'
        b'"payment_intent":"pi_1","created":1764000000,"expires_at":1764003600}}}',
        b'{"id":"evt_1","type":"charge.dispute.updated","livemode":false,"data":{"object":{"id":"du_1","amount":500,'
        b'"currency":"eur","payment_intent":"pi_1","balance_transactions":[{"amount":-500,"created":1,"currency":"eur"}]}}}',
        b'{"id":"evt_1","type":"refund.updated","livemode":false,"data":{"object":{"id":"re_1","amount":500,"currency":'
        b'"eur","payment_intent":{"id":"pi_1","metadata":{"campaign":"roof"}},"status":"succeeded"}}}',
    ],
    "form_fields": [
        b"form_token=x&amount=custom&custom_amount=25%2C50&lang=be&replaces_session=y"
        b"&return_url=https%3A%2F%2Fnews.example.org%2F"
    ],
    "order": [b'{"form_token":"x","amount":"25","ui_mode":"hosted","replaces_session":"y","lang":"be"}'],
    "token": [
        TOKENS.issue_form_token("roof", "other").encode()[:-4],
        TOKENS.issue_return_token("roof", "n", "").encode()[:-4],
    ],
    "campaign_file": [Path("tests/support/roof.toml").read_bytes(), b'status = "open"\n'],
    "bank_file": [b'sum = "125.00"\ndonations = 5\nlast_day = 2026-11-20\n'],
    "bank_statement": [
        camt053(Sheet(1, 0, [Transfer(25_00, "RF565390075470"), Batch([Transfer(1), Transfer(2)])]), version=version)
        for version in VERSIONS
    ],
    "lang": [b"be,ru-RU,en", b"uk-UA-x-private"],
    "accept_language": [b"be, ru-RU;q=0.8, en;q=0.5, *;q=0.1"],
    "amount": [b"25", b"1 250,50", b"1.234", "1\u00a0000".encode()],
    "referer": [b"https://news.example.org/a?b=c", b"https://user@news.example.org:443/", b"http://[::1]:8000/"],
    "oembed": [
        b"https://give.example.org/c/roof?lang=be",
        b"roof?lang=be&x=1#card",
        b"https://give.example.org@evil.example/c/roof",
    ],
    "back": [
        b"https://news.example.org/2026/a?x=1",
        b"@evil.example/",
        b"\\@evil.example",
        b".evil.example/",
        b":8443/",
    ],
    "choices": [b"theme=dark&layout=compact&size=256", b"size=64&size=2049&theme=%00"],
}
