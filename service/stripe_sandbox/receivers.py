"""Who is told of events: the receiver that the sandbox was started with, else a webhook endpoint that the API made."""

from __future__ import annotations

from dataclasses import dataclass

from stripe_sandbox.objects import ENDPOINT
from stripe_sandbox.settings import SandboxSettings
from stripe_sandbox.store import Store


@dataclass(frozen=True, slots=True)
class Receiver:
    url: str
    secret: str


class Receivers:
    def __init__(self, store: Store, settings: SandboxSettings) -> None:
        self._store, self._settings = store, settings

    def of(self, type: str) -> Receiver | None:
        """Of several endpoints the newest: the sandbox tells of an event once, where Stripe tells each of them."""
        if self._settings.webhook_url:
            return Receiver(self._settings.webhook_url, self._settings.webhook_secret)
        for endpoint in self._store.find("kind = ? ORDER BY seq DESC", [ENDPOINT]):
            enabled = endpoint.body["enabled_events"]
            if endpoint.body["status"] == "enabled" and (type in enabled or "*" in enabled):
                return Receiver(endpoint.body["url"], endpoint.hidden["secret"])
        return None
