"""A small Stripe of our own: the other end of the wire for the official client, in the demo and in the tests.

It imports nothing of the rest of the service, as the real one would not.
"""

from stripe_sandbox.app import RELEASE_TRAIN, create_sandbox
from stripe_sandbox.faults import ApiFault, WebhookFaults
from stripe_sandbox.settings import SandboxSettings

__all__ = ["RELEASE_TRAIN", "ApiFault", "SandboxSettings", "WebhookFaults", "create_sandbox"]
