"""Choose the webhook endpoint that receives an event."""

from typing import NamedTuple

from stripe_sandbox.objects import ENDPOINT
from stripe_sandbox.sandbox_settings import SandboxSettings
from stripe_sandbox.store import Store


class WebhookEndpoint(NamedTuple):
    url: str
    secret: str


class WebhookEndpoints:
    def __init__(self, store: Store, settings: SandboxSettings) -> None:
        self._store, self._settings = store, settings

    def for_event(self, type: str) -> WebhookEndpoint | None:
        """Return the endpoint of the settings, otherwise the newest matching endpoint that the API created.

        Stripe sends an event to every matching endpoint; the sandbox sends it to one.
        """
        if self._settings.webhook_url:
            return WebhookEndpoint(self._settings.webhook_url, self._settings.webhook_secret)
        for endpoint in self._store.find("kind = ? ORDER BY seq DESC", [ENDPOINT]):
            enabled = endpoint.body["enabled_events"]
            if endpoint.body["status"] == "enabled" and (type in enabled or "*" in enabled):
                return WebhookEndpoint(endpoint.body["url"], endpoint.internal["secret"])
        return None
