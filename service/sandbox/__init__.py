"""A small Stripe of our own: the other end of the wire for the official client, in the demo and in the tests.

It imports nothing of the rest of the service, as the real one would not.
"""

from service.sandbox.app import RELEASE_TRAIN, create_sandbox
from service.sandbox.faults import ApiFault, WebhookFaults
from service.sandbox.settings import SandboxSettings

__all__ = ["RELEASE_TRAIN", "ApiFault", "SandboxSettings", "WebhookFaults", "create_sandbox"]
