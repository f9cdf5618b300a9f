"""A small Stripe for the demo and the tests, used through the official client.

The package imports nothing of `donation_card`; an import-linter contract holds that.
"""

from stripe_sandbox.app import RELEASE_TRAIN, create_sandbox
from stripe_sandbox.faults import ApiFault, WebhookFaults
from stripe_sandbox.sandbox_settings import SandboxSettings

__all__ = ["RELEASE_TRAIN", "ApiFault", "SandboxSettings", "WebhookFaults", "create_sandbox"]
