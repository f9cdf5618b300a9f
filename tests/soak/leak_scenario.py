"""Donate with leak markers in every field, then search everything that the processes left."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from donation_card.cli.attack_mode import set_attack_mode
from donation_card.demo.embedded_valkey import EmbeddedValkey
from redis import Redis
from stripe import WebhookSignature

from tests.integration.web.test_abuse import solve
from tests.support.bank_statements import ACCOUNT, FIRST_DAY, PAYER, REFERENCES, Sheet, Transfer, camt053
from tests.support.installation import (
    DECLINED,
    METRICS_TOKEN,
    PAYS,
    WEBHOOK_SECRET,
    Installation,
    eventually,
    processes,
)
from tests.support.leak_markers import Donor, Search

ROOF = Path("tests/support/roof.toml")
LISTED = "news.example.org"
KEY = ("sk_test_x", "")


def scenario(folder: Path, dice: random.Random, count: int) -> str:
    """Raise AssertionError with every place where a leak marker was found."""
    folders = {name: folder / name for name in ("campaigns", "home", "tmp", "stripe", "valkey")}
    for path in folders.values():
        path.mkdir()
    changes = {
        "accept_above_goal = false": "accept_above_goal = true",
        "warned_bank_countries = []": f'warned_bank_countries = []\nsites = ["{LISTED}"]',
    }
    text = ROOF.read_text("utf-8")
    for line, other in changes.items():
        text = text.replace(line, other)
    text += (
        f'\n[bank_transfer]\nholder = "Roofers Foundation"\niban = "{ACCOUNT}"\nreference = "{REFERENCES["roof"]}"\n'
    )
    (folders["campaigns"] / "roof.toml").write_text(text, "utf-8")
    donors = [Donor(number, dice) for number in range(count)]
    with EmbeddedValkey(folders["valkey"]) as valkey, Redis.from_url(valkey.url) as raw:
        # what an external server may be set to: everything written, nothing packed, every command in the slow log
        told = {"appendonly": "yes", "rdbcompression": "no", "slowlog-log-slower-than": 0, "slowlog-max-len": 10**6}
        for name, value in told.items():
            raw.config_set(name, value)
        options = {"data": folders["stripe"], "retry_delays": (0.3,) * 400}
        more = {"HOME": str(folders["home"]), "TMPDIR": str(folders["tmp"]), "LOG_LEVEL": "debug"}
        with processes(valkey.url, folder, folders["campaigns"], sandbox_options=options, more=more) as (
            installation,
            process,
        ):
            asyncio.run(set_attack_mode(installation.settings, "off"))  # many cards are declined at once
            for donor in donors:
                Visit(installation, donor).whole()
            _while_the_ledger_is_full(installation, raw, donors[0])
            _while_stripe_is_away(installation, donors[-1])
            _not_even_http(installation, donors[0])
            eventually(lambda: _agreed(installation), "the totals equal the sandbox's", 60)
            search = Search(donors, _ids(installation))
            found = _import_transfers(installation, folders["campaigns"], folders["home"], donors, search)
            found += [
                hit for where, content in _living(installation, process.pid) for hit in search.hits(where, content)
            ]
            for path in _written_elsewhere(process.pid, folder):
                assert path.is_relative_to("/dev/shm"), f"{path}: only counts are kept elsewhere, and in memory"
                found += search.hits(str(path), path.read_bytes())
            found += search.folder(folders["tmp"]) + search.folder(folders["home"])  # some files end with the process
            raw.execute_command("SAVE")
            found += [hit for where, content in _redis(raw) for hit in search.hits(where, content)]
            sites = _sites(raw)
    found += search.folder(folder, but=(folders["stripe"],))
    at_stripe = Search(donors, without=("mail", "way back", "session"))
    found += at_stripe.folder(folders["stripe"])
    assert not found, "\n".join(found[:40])
    assert sites == {LISTED, "other"}, sites
    _finds_what_is_planted(search, folder, donors[-1])
    searched = f"{search.searched + at_stripe.searched:,} bytes searched"
    return f"{count} gifts, {search.markers} markers, {len(search.patterns)} patterns, {searched}, none found"


def _import_transfers(
    installation: Installation, campaigns: Path, home: Path, donors: list[Donor], search: Search
) -> list[str]:
    """Import a statement for each donor, with one transfer, and wait until the service has read the sum."""
    paths, opening = [], 0
    for number, donor in enumerate(donors, 1):
        name = donor.details()["name"]
        sheet = Sheet(number, opening, [Transfer(25_00, f"{name} {REFERENCES['roof']}")], FIRST_DAY + timedelta(number))
        paths.append(home / f"{number}.xml")
        paths[-1].write_bytes(camt053(sheet).replace(PAYER.encode(), name.encode()))
        opening = sheet.closes
    options = ["--campaigns", str(campaigns), "--state", str(home / "bank-state.json")]
    command = [sys.executable, "-m", "donation_card", "bank", "import", *map(str, paths), *options]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert search.hits("statement", paths[0].read_bytes()), "the search finds a payer"
    for path in paths:
        path.unlink()
    newest = 'bank_statement_timestamp_seconds{campaign="roof"}'
    eventually(lambda: newest in installation.metrics(), "the service has read the sum")
    return search.hits("bank import", done.stdout + done.stderr)


class Visit:
    """Do everything that a donor can do, with mistakes."""

    def __init__(self, installation: Installation, donor: Donor) -> None:
        self.installation, self.donor = installation, donor
        self.site = donor.dice.choice([LISTED, f"{donor.value('referrer')}.example"])
        self.article = f"https://{self.site}/{donor.value('referrer')}?q={donor.value('query')}"
        self.client = httpx.Client(base_url=installation.service, timeout=20, headers=donor.headers(self.article))

    def whole(self) -> None:
        with self.client:
            self.get_it_wrong(self.token())
            pay = self.pay_inline if self.donor.number % 2 else self.pay_hosted
            self.be_told_by_stripe(pay())

    def token(self) -> str:
        back = f"https://{LISTED}/{self.donor.value('way back')}"
        query = {"return_url": back, "utm_source": self.donor.value("query"), "email": self.donor.mail}
        page = self.client.get("/c/roof/give", params=query)
        found = re.search(r'name="form_token"[^>]*value="([^"]+)"', page.text)
        assert found, page.text
        return found[1]

    def get_it_wrong(self, token: str) -> None:
        donor, client = self.donor, self.client
        private = {kind.replace(" ", "_"): donor.value(kind) for kind in ("name", "address", "message")}
        private |= {"email": donor.mail, "number": donor.card}
        post, url = client.post, "/v1/checkout-sessions"
        text = donor.value("name in Cyrillic")
        answers = [
            post(url, data={"form_token": token, "amount": "custom", "custom_amount": donor.card, **private}),
            post(url, data={"form_token": donor.mail, "amount": "custom", "custom_amount": "5", **private}),
            post(url, data={"form_token": token, "amount": text, "lang": donor.value("address")}),
            post(url, json={"form_token": token, "amount": donor.card}),
            post(url, json={"form_token": token, "amount": "5", **private}),
            post(url, json={"form_token": token, "amount": "5", "replaces_session": donor.mail, "lang": "en"}),
            post(url, json=[donor.details()]),
            post(url, content=json.dumps(donor.details()).encode(), headers={"content-type": "text/plain"}),
            post(url, json={"form_token": donor.value("message") * 700}),
            client.get(f"{url}/{donor.mail}", params={"lang": donor.value("query")}),
            client.get("/c/roof/thanks", params={"session_id": donor.card, "return_token": donor.mail}),
            client.get("/c/roof/give", params={"return_url": f"https://{donor.value('referrer')}.example/"}),
            client.get("/c/roof/frame", params={"theme": donor.value("query")}),
            client.get("/oembed", params={"url": self.article}),
            client.get(f"/v1/campaigns/{donor.mail}", params={"lang": donor.value("query")}),
            client.get(f"/c/{text}/{donor.card}", headers={"accept": "text/html"}),
            client.put("/c/roof", content=donor.card),
            client.request("GET", "/c/roof/progress", headers={"x-request-id": donor.mail}),
            self.webhook({"type": donor.mail, "data": donor.details()}, secret="whsec_wrong"),
            self.webhook({"type": donor.mail, "data": donor.details(), "livemode": False}),
            self.webhook(
                {"type": "checkout.session.completed", "livemode": False, "data": {"object": donor.details()}}
            ),
        ]
        assert {answer.status_code for answer in answers} <= {200, 400, 404, 405, 413, 415, 429}

    def pay_hosted(self) -> str:
        amount = f"{self.donor.dice.randint(2, 299)}.{self.donor.dice.randint(0, 99):02}"
        form = {
            "form_token": self.token(),
            "amount": "custom",
            "custom_amount": amount,
            "name": self.donor.value("name"),
        }
        started = self.order(303, data=form)
        url = started.headers["location"]
        if self.donor.number % 10 == 0:
            httpx.post(url, data={"number": DECLINED, "email": self.donor.mail})
        paid = httpx.post(url, data={"number": PAYS, "email": self.donor.mail})
        back = self.client.get(paid.headers["location"])
        assert back.status_code == 200, back.text
        return url.rpartition("/")[2]

    def order(self, expected: int, **body: Any) -> httpx.Response:
        """Order as often as the limits require, with a proof of work if one is asked for: all donors come at once."""
        for _ in range(120):
            answer = self.client.post("/v1/checkout-sessions", **body)
            if answer.status_code != 429:
                break
            if answer.headers["content-type"] == "application/problem+json":
                body["json"]["proof"] = solve(self.installation, body["json"]["form_token"])
            time.sleep(0.5)
        assert answer.status_code == expected, answer.text
        return answer

    def pay_inline(self) -> str:
        order = {"form_token": self.token(), "amount": str(self.donor.dice.randint(2, 300)), "lang": "de"}
        made = self.order(201, json=order).json()
        url = f"{self.installation.sandbox}/embed/{made['client_secret']}"
        httpx.post(url, data={"number": PAYS, "email": self.donor.mail})
        told = self.client.get(f"/v1/checkout-sessions/{made['session_token']}").json()
        assert told["status"] == "paid", told
        return str(made["client_secret"].partition("_secret_")[0])

    def be_told_by_stripe(self, session_id: str) -> None:
        """Send events with all customer data that Stripe has. The sandbox has only an e-mail address."""
        session = httpx.get(f"{self.installation.sandbox}/v1/checkout/sessions/{session_id}", auth=KEY).json()
        session |= {"customer_details": self.donor.details(), "customer_email": self.donor.mail}
        session["custom_fields"] = [{"key": "message", "text": {"value": self.donor.value("message")}}]
        dispute = {
            "id": f"dp_{self.donor.number}",
            "amount": 1,
            "currency": "eur",
            "status": "warning_needs_response",
            "balance_transactions": [],
            "payment_intent": session["payment_intent"],
            "evidence": {
                "customer_name": self.donor.value("name"),
                "customer_purchase_ip": self.donor.value("IPv6"),
                "customer_email_address": self.donor.mail,
                "billing_address": self.donor.value("address"),
            },
        }
        told = {"checkout.session.completed": session, "charge.dispute.created": dispute}
        for kind, thing in told.items():
            event = {"type": kind, "livemode": False, "data": {"object": thing}}
            # as Stripe does, again until it is applied
            eventually(lambda event=event: self.webhook(event).status_code == 200, f"{kind} is applied", 60)

    def webhook(self, event: dict[str, Any], *, secret: str = WEBHOOK_SECRET) -> httpx.Response:
        body = json.dumps(event)
        signature = WebhookSignature.generate_signature_header(body, secret, int(time.time()))
        return self.client.post("/v1/stripe/webhook", content=body.encode(), headers={"stripe-signature": signature})


def _while_the_ledger_is_full(installation: Installation, raw: Any, donor: Donor) -> None:
    """Pay while Redis refuses writes, so that the failure is logged."""
    raw.config_set("maxmemory", 1)
    visit = Visit(installation, donor)
    with visit.client:
        session = visit.pay_hosted()
    raw.config_set("maxmemory", 0)
    assert session


def _while_stripe_is_away(installation: Installation, donor: Donor) -> None:
    """Read the status of a session during an outage, so that the failure is logged."""
    visit = Visit(installation, donor)
    with visit.client:
        order = {"form_token": visit.token(), "amount": "5"}
        made = visit.client.post("/v1/checkout-sessions", json=order).json()
        installation.operate("faults", api={"kind": "500", "remaining": 50, "executed": False})
        asked = visit.client.get(f"/v1/checkout-sessions/{made['session_token']}")
        httpx.delete(f"{installation.sandbox}/sandbox/faults").raise_for_status()
    assert asked.status_code == 503, asked.text


def _not_even_http(installation: Installation, donor: Donor) -> None:
    place = urlsplit(installation.service)
    with socket.create_connection((place.hostname, place.port), 10) as connection:
        connection.sendall(f"BREW /{donor.mail} HTCPCP/1.0\r\nCookie: {donor.value('cookie')}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def _agreed(installation: Installation) -> bool:
    held = installation.totals("roof")
    return held is not None and (held.raised, held.payments) == installation.kept("roof")


def _ids(installation: Installation) -> set[str]:
    """Return the ids of everything that was paid."""
    ids, after = set(), {}
    while True:
        page = httpx.get(
            f"{installation.sandbox}/v1/checkout/sessions", params={"limit": 100, **after}, auth=KEY
        ).json()
        ids |= {session[name] for session in page["data"] for name in ("id", "payment_intent") if session[name]}
        if not page["has_more"]:
            return ids
        after = {"starting_after": page["data"][-1]["id"]}


def _living(installation: Installation, pid: int) -> Iterator[tuple[str, bytes]]:
    """Yield the titles and environments of the processes, the metrics and the readiness."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in [str(pid), *children]:
        for name in ("cmdline", "comm", "environ", "status"):
            yield f"/proc/{process}/{name}", Path(f"/proc/{process}/{name}").read_bytes()
    metrics = installation.client.get(
        "/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"}
    ).raise_for_status()
    yield "/metrics", metrics.content
    for path in (
        "/readyz",
        "/healthz",
        "/v1/campaigns/roof",
        "/v1/campaigns/roof/progress",
        "/c/roof",
        "/",
    ):
        yield path, installation.client.get(path).content


def _written_elsewhere(pid: int, folder: Path) -> set[Path]:
    """Return files that the service has open for writing, outside of its folder."""
    found = set()
    for process in [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]:
        for link in Path(f"/proc/{process}/fd").iterdir():
            flags = int(re.search(r"flags:\s*(\d+)", Path(f"/proc/{process}/fdinfo/{link.name}").read_text())[1], 8)
            target = link.resolve()
            if flags & 3 and target.is_file() and not target.is_relative_to(folder):
                found.add(target)
    return found


def _redis(raw: Any) -> Iterator[tuple[str, bytes]]:
    """Yield every key and value, as read and as dumped, the slow log and the clients."""
    for key in raw.scan_iter("*"):
        kind = raw.type(key).decode()
        read = {"hash": raw.hgetall, "string": raw.get, "set": raw.smembers, "zset": lambda k: raw.zrange(k, 0, -1)}
        yield f"Redis {key!r}", key + repr(read[kind](key)).encode() + (raw.dump(key) or b"")
    slow = raw.slowlog_get(10**6)
    assert len(slow) > 10, "the slow log is on"
    yield "Redis' slow log", b"\n".join(b" ".join([entry["command"]]) for entry in slow)
    yield "Redis' clients", repr(raw.client_list()).encode()


def _sites(raw: Any) -> set[str]:
    """Return the names under which donations are counted."""
    fields = [field.decode() for key in raw.scan_iter("*:totals:*") for field in raw.hkeys(key)]
    return {field.split(":")[1] for field in fields if field.startswith("site:")}


def _finds_what_is_planted(search: Search, folder: Path, donor: Donor) -> None:
    """Check that the same search finds one leak marker in the middle of a file."""
    log = folder / "log"
    content = log.read_bytes()
    log.write_bytes(content[: len(content) // 2] + donor.mail.encode() + content[len(content) // 2 :])
    assert len(search.folder(folder, but=(folder / "stripe",))) == 1
    log.write_bytes(content)
