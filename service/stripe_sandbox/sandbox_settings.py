"""Define the settings of a sandbox."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from stripe_sandbox.faults import ApiFault, WebhookFaults

# Stripe retries for up to three days with growing delays: https://docs.stripe.com/webhooks#retries
RETRY_DELAYS = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 86_400)


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Hold the settings. Times are seconds of the virtual clock; without `data` the state is in memory only."""

    public_url: str = "http://127.0.0.1:8002"
    data: Path | None = None
    checkout_url: str | None = None
    """The custom domain of the account: hosted pages are there, and not at `public_url`."""
    webhook_url: str | None = None
    webhook_secret: str = ""
    allow_private_webhooks: bool = False
    """Accept webhook endpoints at addresses that only this machine or network reaches. Stripe refuses them."""
    clock: Callable[[], float] = time.time
    settle_after: float = 60.0
    retry_delays: tuple[float, ...] = RETRY_DELAYS
    delivery_timeout: float = 10.0
    webhook_faults: WebhookFaults = field(default_factory=WebhookFaults)
    api_fault: ApiFault | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "public_url", self.public_url.rstrip("/"))
        _require_web_url("public_url", self.public_url)
        if self.webhook_url is not None:
            _require_web_url("webhook_url", self.webhook_url)
            if not self.webhook_secret.startswith("whsec_"):
                raise ValueError("webhook_secret: a webhook_url needs a secret that starts with whsec_")


def _require_web_url(name: str, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{name}: given {value!r}; allowed: an http or https address")
