"""Hold what the steps share: the two Stripes, the service, the browser, and what was found so far."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.settings import Settings
from donation_card.use_cases import Application, open_application
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from stripe_sandbox import SandboxSettings, create_sandbox

from tests.live_check.comparison import fill_sandbox
from tests.live_check.stripe_api import Side
from tests.support.browser import CHROMIUM, Site, with_publisher_site
from tests.support.installation import Installation, listening, served

STRIPE = "https://api.stripe.com"
CAMPAIGN = "vitaly"

_T = TypeVar("_T")


@dataclass
class LiveCheck:
    """One run against the Stripe at `url`. `account` is its id, for a key that may not read it."""

    secret_key: str
    publishable_key: str
    url: str
    account: str | None
    folder: Path
    resources: ExitStack
    timeout: float = 60
    """Seconds that a step waits for Stripe's page."""
    missing_rights: dict[str, str] = field(default_factory=dict)
    """Right that the key lacks, or may lack → the reason why a step that needs it is not run."""
    installation: Installation = field(init=False)
    site: Site = field(init=False)
    browser: Browser = field(init=False)
    payments: dict[str, str] = field(default_factory=dict)
    """Step → the session that it paid."""
    _notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stripe = Side("Stripe", self.url, self.secret_key)
        bound = listening()
        here = f"http://127.0.0.1:{bound.getsockname()[1]}"
        self.sandbox = Side("the sandbox", here, "sk_test_live_check")
        self.resources.enter_context(served((create_sandbox(SandboxSettings(public_url=here)), bound)))
        fill_sandbox(self.sandbox)

    def note(self, text: str) -> None:
        """Add a remark to the row of the current step."""
        self._notes.append(text)

    def take_notes(self) -> list[str]:
        notes, self._notes = self._notes, []
        return notes

    def start_service(self) -> None:
        """Start the service with an empty store, and the site of a publisher that may show its card."""
        base = None if self.url == STRIPE else self.url
        settings = {
            "stripe_secret_key": self.secret_key,
            "stripe_publishable_key": self.publishable_key,
            "stripe_account": self.account,
            "stripe_api_base": base,
        }
        valkey = self.resources.enter_context(EmbeddedValkey(self.folder / "valkey"))
        site = with_publisher_site(valkey.url, self.folder / "sandbox", settings_options=settings)
        self.installation, self.site = self.resources.enter_context(site)

    def start_browser(self) -> None:
        playwright = self.resources.enter_context(sync_playwright())
        self.browser = playwright.chromium.launch(**CHROMIUM)
        self.resources.callback(self.browser.close)

    @contextmanager
    def browser_context(self, violations: list[str]) -> Iterator[BrowserContext]:
        """Open a browser context that collects the violations of our own policies in our own pages and frames."""

        def remember(source: dict[str, Any], text: str) -> None:
            if source["frame"].url.startswith(self.installation.service):
                violations.append(f"our page violates its policy: {text}")

        context = self.browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-GB")
        context.set_default_timeout(self.timeout * 1_000)
        context.expose_binding("reportViolation", remember)
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("response", self._remember_session)
        try:
            yield context
        finally:
            context.close()

    def _remember_session(self, response: Any) -> None:
        if response.request.method == "POST" and response.url.endswith("/v1/checkout-sessions"):
            location = response.headers.get("location", "")
            text = location if response.status == SEE_OTHER else response.text()
            self.stripe.sessions += re.findall(r"cs_test_[A-Za-z0-9]+", text)[:1]

    def raised(self) -> int:
        """Return the public total in minor units. The service publishes it at once here."""
        return int(self.installation.progress(CAMPAIGN)["raised"])

    def synchronise(self) -> None:
        """Run one synchronisation: Stripe cannot send a webhook to this machine."""

        async def run(application: Application) -> None:
            await application.reconciliation.run()

        self.with_application(run)

    def with_application(
        self, work: Callable[[Application], Awaitable[_T]], redis_url: str | None = None, **changes: Any
    ) -> _T:
        """Use the use cases of the service, with its store or another one."""
        settings: Settings = replace(self.installation.settings, **changes)
        if redis_url:
            settings = replace(settings, redis_url=redis_url)

        async def run() -> _T:
            async with open_application(settings) as application:
                return await work(application)

        with ThreadPoolExecutor(1) as thread:  # Playwright has an event loop in this one
            return thread.submit(lambda: asyncio.run(run())).result()


SEE_OTHER = 303
REPORT_VIOLATIONS = """addEventListener('securitypolicyviolation', (event) => reportViolation(
  `${event.effectiveDirective} ${event.blockedURI} ${event.sample}`.trim()), true);"""


@contextmanager
def live_check(
    secret_key: str, publishable_key: str, url: str, account: str | None, **options: Any
) -> Iterator[LiveCheck]:
    with TemporaryDirectory() as folder, ExitStack() as resources:
        yield LiveCheck(secret_key, publishable_key, url, account, Path(folder), resources, **options)
