"""Break one part after another, and try to give all the time. Write to docs/availability.md how long there was no way.

`python -m tests.soak.drill [FAULT…]`. Everything is real and on loopback: two workers, Valkey behind TLS, the sandbox
of Stripe, nginx with the shipped file, and Chromium. The run ends by itself.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Error as BrowserError, Page, sync_playwright

from tests.support.browser import CHROMIUM
from tests.support.gate import StripeGate
from tests.support.installation import Installation, eventually, free_port, from_another_network, processes, ready
from tests.support.proxy import Proxy, proxied
from tests.support.redis_servers import Server
from tests.support.shipped import VITALY_TEXT
from tests.support.tls_relay import TlsRelay
from tests.support.ways import LINKS, campaign_with_ways

BROKEN, REPAIRED = 15.0, 4.0
"""Seconds for which a fault lasts, and for which the attempts go on afterwards at least."""

PERIOD, LONGEST_WAIT = 1.0, 8.0
"""Seconds between two attempts, and until one is given up. A later answer counts as none."""

ROLES = ("script", "no script", "card", "link")
CAMPAIGNS = {"ways": "another way", "vitaly": "none"}
IBAN = "LT60 1010 0123 4567 8901"
PAGE = Path("docs/availability.md")
BEGIN, END = "<!-- made by `make drill` -->", "<!-- end -->"
NEWS = "https://news.example.org/article"


@dataclass
class Attempts:
    """The attempts of one role at one campaign: when each began, and if it found a way."""

    made: list[tuple[float, bool]] = field(default_factory=list)
    name: str = ""

    def seconds_without(self, since: float, until: float) -> int:
        """Return the time from each failed attempt to the next one, rounded up."""
        starts = [*self.made, (until, True)]
        pairs = itertools.pairwise(starts)
        lost = sum(
            min(after, until) - max(at, since) for (at, found), (after, _) in pairs if not found and after > since
        )
        return -int(-lost // 1)


@dataclass
class Drill:
    installation: Installation
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    proxy: Proxy
    redis: Server
    relay: TlsRelay
    gate: StripeGate
    campaigns: Path
    block_script: bool = False

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        serving = [int(each) for each in children]
        return [each for each in serving if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]

    def signal_workers(self, number: int, *, most: int = 2) -> None:
        for worker in self.workers()[:most]:
            with contextlib.suppress(ProcessLookupError):
                subprocess.run(["kill", f"-{number}", str(worker)], check=False)

    def end_service(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def start_service(self) -> None:
        self.process = subprocess.Popen(
            self.process.args, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(lambda: ready(self.installation.client), "the service serves again")

    def limit_files(self, most: int) -> None:
        for each in (self.process.pid, *self.workers()):
            resource.prlimit(each, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def edit(self, text: str) -> None:
        new = self.campaigns / ".new"
        new.write_text(text, "utf-8")
        new.replace(self.campaigns / "ways.toml")


def nothing(_: Drill) -> None: ...


def fill_disk(drill: Drill) -> None:
    drill.limit_files(0)
    drill.edit(campaign_with_ways().replace(LINKS[0], f"{LINKS[0]}/new"))


def empty_disk(drill: Drill) -> None:
    drill.limit_files(resource.RLIM_INFINITY)
    drill.edit(campaign_with_ways())


FAULTS: dict[str, tuple[Callable[[Drill], object], Callable[[Drill], object]]] = {
    "nothing is broken": (nothing, nothing),
    "Stripe does not answer": (lambda d: d.gate.close("hang"), lambda d: d.gate.open()),
    "Stripe refuses every request": (lambda d: d.gate.close("refuse"), lambda d: d.gate.open()),
    "Stripe.js is blocked": (lambda d: setattr(d, "block_script", True), lambda d: setattr(d, "block_script", False)),
    "Redis is away": (lambda d: d.redis.kill(), lambda d: d.redis.start()),
    "Redis hangs": (lambda d: d.redis.signal(signal.SIGSTOP), lambda d: d.redis.signal(signal.SIGCONT)),
    "Redis is full": (
        lambda d: d.redis.client().config_set("maxmemory", 1),
        lambda d: d.redis.client().config_set("maxmemory", 0),
    ),
    "Redis is emptied": (lambda d: d.redis.client().flushall(), nothing),
    "the certificate of Redis is wrong": (lambda d: d.relay.present("other"), lambda d: d.relay.present("right")),
    "one worker is killed": (lambda d: d.signal_workers(signal.SIGKILL, most=1), nothing),
    "all workers are killed": (lambda d: d.signal_workers(signal.SIGKILL), nothing),
    "all workers hang": (lambda d: d.signal_workers(signal.SIGSTOP), lambda d: d.signal_workers(signal.SIGCONT)),
    "the whole service is away": (lambda d: d.end_service(), lambda d: d.start_service()),
    "no file can grow (disk full)": (fill_disk, empty_disk),
    "a campaign file is broken": (lambda d: d.edit("status = "), lambda d: d.edit(campaign_with_ways())),
}


class Donor:
    """Try to give without a browser: by the plain link, and with a form but no script."""

    def __init__(self, drill: Drill, campaign: str) -> None:
        self.drill, self.campaign = drill, campaign
        self.named_at: float | None = None
        options: dict[str, Any] = {
            "verify": drill.proxy.trust,
            "timeout": LONGEST_WAIT,
            "headers": {"accept": "text/html"},
        }
        self.client = httpx.Client(base_url=drill.proxy.url, **options)
        self.outside = httpx.Client(timeout=LONGEST_WAIT)

    def names_a_way(self, page: httpx.Response) -> bool:
        """Return True if the page names another way, and note the moment."""
        if LINKS[1] not in page.text and not (IBAN in page.text and page.status_code == 200):
            return False
        self.named_at = self.named_at or time.monotonic()
        return True

    def gives(self, page: httpx.Response) -> bool:
        """Send the form of a page. Return True if a payment can begin, or a page names another way."""
        named = self.names_a_way(page)
        token = re.search(r'name="form_token" value="([^"]+)"', page.text)
        action = re.search(r'<form id="form" method="post" action="([^"]+)"', page.text)
        if not (token and action):
            return named
        form = {"form_token": token[1], "amount": "25"}
        with contextlib.suppress(httpx.TimeoutException):
            answer = self.client.post(action[1].replace("&amp;", "&"), data=form, headers=from_another_network())
            if answer.status_code != 303:
                return self.names_a_way(answer)
            return self.outside.get(answer.headers["location"]).status_code == 200 or named
        return named

    def by_form(self) -> bool:
        return self.gives(self.client.get(f"/c/{self.campaign}/give"))

    def by_link(self) -> bool:
        page = self.client.get(f"/c/{self.campaign}")
        return self.names_a_way(page) or (page.status_code == 200 and self.by_form())


class BrowserDonor:
    """Try to give in Chromium: on the giving page, and through the card in an article of another site."""

    def __init__(self, drill: Drill, campaign: str, browser: Browser) -> None:
        self.drill, self.campaign, self.browser = drill, campaign, browser
        self.plain = Donor(drill, campaign)

    @contextlib.contextmanager
    def page(self) -> Iterator[Page]:
        options: dict[str, Any] = {"ignore_https_errors": True, "extra_http_headers": from_another_network()}
        with self.browser.new_context(**options) as context:
            context.set_default_timeout(LONGEST_WAIT * 1_000)
            card = (
                f'<script async src="{self.drill.proxy.url}/widget/v1/donation-card.js"></script>'
                f'<donation-card campaign="{self.campaign}" lang="en">'
                f'<a href="{self.drill.proxy.url}/c/{self.campaign}">Give</a></donation-card>'
            )
            context.route(NEWS, lambda route: route.fulfill(content_type="text/html", body=f"<!doctype html>{card}"))
            if self.drill.block_script:
                context.route(f"{self.drill.installation.sandbox}/**/stripe.js", lambda route: route.abort())
            page = context.new_page()
            yield page
            context.unroute_all(behavior="ignoreErrors")

    def by_script(self) -> bool:
        with self.page() as page:
            page.goto(f"{self.drill.proxy.url}/c/{self.campaign}/give?lang=en")
            return self.gives(page)

    def by_card(self) -> bool:
        with self.page() as page:
            page.goto(NEWS, wait_until="commit")  # an article does not wait for the script of the card
            page.locator("donation-card a").wait_for(state="attached")
            button = page.locator("donation-card .donate")
            with contextlib.suppress(BrowserError):
                button.wait_for(timeout=2_000)
            if not button.count():
                return page.locator("donation-card a").count() > 0 and self.plain.by_link()
            button.click()
            page.locator("donation-card iframe").wait_for()
            frame = page.locator("donation-card iframe").element_handle().content_frame()
            return frame is not None and self.gives(frame)

    def gives(self, page: Any) -> bool:
        """Press the button on the giving page, and return True if a payment can begin or another way is named."""
        page.locator("main").wait_for()
        if named := IBAN in page.content():
            self.plain.named_at = time.monotonic()
        if not page.locator("#submit").count():
            return named
        page.locator('.amount:has(input[value="25"])').click()
        page.locator("#submit").click()
        done = page.locator("#payment iframe, #blocked:not([hidden]), #error:not(:empty), .outcome")
        with contextlib.suppress(BrowserError):
            done.first.wait_for()
        if page.locator("#payment iframe").count():
            return True
        if page.locator("#blocked:not([hidden])").count():
            return self.plain.by_form()  # the page then offers the form in a new tab
        return named or LINKS[1] in page.content()


def repeat(donor: Donor, attempt: Callable[[], bool], into: Attempts, done: threading.Event) -> None:
    """Try once, at most once a second. A way that is named or open too late is none. Say why an attempt failed."""
    donor.named_at, began, why = None, time.monotonic(), "no way is named"
    try:
        found = attempt()
    except (httpx.HTTPError, BrowserError) as error:
        found, why = False, str(error).partition("\n")[0] or type(error).__name__
    waited = (donor.named_at or time.monotonic()) - began
    into.made.append((began, found and waited <= LONGEST_WAIT))
    if not into.made[-1][1]:
        print(f"  {into.name}: {'too late' if found else why}, after {waited:.1f} s", file=sys.stderr, flush=True)
    done.wait(max(0.0, began + PERIOD - time.monotonic()))


def try_all(drill: Drill, campaign: str, log: dict[tuple[str, str], Attempts], done: threading.Event) -> None:
    """Try in three threads: each role without a browser, and the two with one."""

    def by_form() -> None:
        donor = Donor(drill, campaign)
        while not done.is_set():
            repeat(donor, donor.by_form, log[campaign, "no script"], done)

    def by_link() -> None:
        donor = Donor(drill, campaign)
        while not done.is_set():
            repeat(donor, donor.by_link, log[campaign, "link"], done)

    def in_browser() -> None:
        with sync_playwright() as playwright, playwright.chromium.launch(**CHROMIUM) as browser:
            donor = BrowserDonor(drill, campaign, browser)
            while not done.is_set():
                repeat(donor.plain, donor.by_script, log[campaign, "script"], done)
                repeat(donor.plain, donor.by_card, log[campaign, "card"], done)

    threads = [threading.Thread(target=each) for each in (by_form, by_link, in_browser)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run(drill: Drill, faults: list[str]) -> list[list[str]]:
    log = {(campaign, role): Attempts(name=f"{campaign}, {role}") for campaign in CAMPAIGNS for role in ROLES}
    done, rows = threading.Event(), []
    threads = [threading.Thread(target=try_all, args=(drill, campaign, log, done)) for campaign in CAMPAIGNS]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: all(each.made for each in log.values()), "each role has tried once", 60)
        for name in faults:
            since = time.monotonic()
            FAULTS[name][0](drill)
            time.sleep(BROKEN)
            FAULTS[name][1](drill)
            time.sleep(REPAIRED)
            eventually(lambda: all(each.made[-1][1] for each in log.values()), f"everything works after: {name}")
            until = time.monotonic()
            lost = [log[key].seconds_without(since, until) for key in log]
            rows.append([name, *map(str, lost)])
            print(" | ".join(rows[-1]), flush=True)
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    return rows


@contextlib.contextmanager
def started(here: Path) -> Iterator[Drill]:
    campaigns, nginx = here / "campaigns", here / "nginx"
    campaigns.mkdir()
    (campaigns / "ways.toml").write_text(campaign_with_ways(), "utf-8")
    (campaigns / "vitaly.toml").write_text(VITALY_TEXT, "utf-8")
    redis, gate = Server(here / "redis").start(), StripeGate()
    port = free_port()
    try:
        with (
            TlsRelay(here / "tls", redis.port) as relay,
            processes(
                f"rediss://localhost:{relay.port}/0?ssl_ca_certs={relay.authority}",
                here,
                campaigns,
                between=gate.wrap,
                more={"FALLBACK_PAGES_DIR": str(nginx / "pages"), "PUBLIC_URL": f"https://localhost:{port}"},
            ) as (installation, process),
            proxied(nginx, installation.service, port, behind="127.0.0.1") as proxy,
        ):
            variables = Path(f"/proc/{process.pid}/environ").read_text().split("\0")
            environment = dict(each.split("=", 1) for each in variables if each)
            eventually(lambda: len(list((nginx / "pages").glob("*.html"))) == 21, "all pages are written")
            drill = Drill(installation, process, environment, proxy, redis, relay, gate, campaigns)
            try:
                yield drill
            finally:
                gate.open()
                if drill.process is not process:
                    drill.end_service()
    finally:
        redis.stop()


def write_page(rows: list[list[str]]) -> None:
    """Replace the part of the page between the two marks."""
    half = len(ROLES)
    parts = [
        f"Each fault lasted {BROKEN:.0f} s. An attempt that found nothing within {LONGEST_WAIT:.0f} s counts as none. "
        f"The machine has {os.cpu_count()} cores,\nwhich all parts and the browsers shared.",
        "### A campaign that names another way",
        _table([[row[0], *row[1 : half + 1]] for row in rows]),
        "### A campaign that names none",
        _table([[row[0], *row[half + 1 :]] for row in rows]),
    ]
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + after, "utf-8")


def _table(rows: list[list[str]]) -> str:
    lines = [["fault", *ROLES], ["---", *["---:"] * len(ROLES)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(wanted: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name, started(Path(name)) as drill:
        rows = run(drill, wanted or list(FAULTS))
    if not wanted:
        write_page(rows)
    return 1 if any(cell != "0" for row in rows for cell in row[1:5]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
