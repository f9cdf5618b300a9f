"""List the steps of the live check. Their names are stable: docs/stripe.md refers to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from donation_card.adapters.stripe.permissions import missing_right
from donation_card.adapters.stripe.provisioning import LISTED_RESOURCES

from tests.live_check import donations
from tests.live_check.comparison import api_steps, list_steps
from tests.live_check.report import NotPossibleError, Step
from tests.live_check.rights import find_missing_rights

if TYPE_CHECKING:
    from tests.live_check.check import LiveCheck


def _keys(check: LiveCheck) -> Iterator[str]:
    """Refuse a live key. The check never touches live money."""
    kinds = {check.secret_key: ("sk_test_", "rk_test_"), check.publishable_key: ("pk_test_",)}
    for key, prefixes in kinds.items():
        if not key.startswith(prefixes):
            yield f"{' or '.join(prefixes)}… is needed, a key of the test mode; a live one is not used"


def _webhook(check: LiveCheck) -> Iterator[str]:
    raise NotPossibleError(
        "Stripe cannot reach this machine. The donations above were found by synchronisation. "
        "Run `stripe listen` as docs/install.md says under “Check by hand”."
    )


def _cleanup(check: LiveCheck) -> Iterator[str]:
    check.note(f"{check.stripe.expire_all()} sessions expired")
    return iter(())


SERVICE_RIGHTS = (
    *(missing_right("GET", resource)["right"] for resource in ("account", *LISTED_RESOURCES)),
    missing_right("POST", "checkout/sessions")["right"],
)
REFUND_RIGHT = missing_right("POST", "refunds")["right"]


STEPS: list[Step] = [
    Step("keys", "the keys are of the test mode", _keys),
    Step("rights", "the key has each right that the service and this check need", find_missing_rights, ("keys",)),
    *api_steps(),
    Step(
        "service",
        "the service starts with an empty store and reads this account",
        donations.start_service,
        ("keys",),
        SERVICE_RIGHTS,
    ),
    Step(
        "embedded-page",
        "Stripe's page with a card form appears in our frame, and our policies block nothing",
        donations.show_embedded_page,
        ("service",),
    ),
    Step(
        "embedded-pay",
        "4242 4242 4242 4242 in the frame leads to the thanks and into the total",
        donations.pay_embedded,
        ("embedded-page",),
    ),
    Step(
        "3d-secure",
        "a card that asks for 3-D Secure pays after the approval",
        donations.pay_with_3d_secure,
        ("embedded-page",),
    ),
    Step(
        "decline",
        "a declined card is reported to the donor and not counted",
        donations.decline_card,
        ("embedded-page",),
    ),
    Step(
        "hosted-pay",
        "the hosted page in a new tab pays and returns to our thanks",
        donations.pay_hosted,
        ("service",),
    ),
    Step(
        "refund",
        "half of a donation is refunded at Stripe, and one synchronisation subtracts it",
        donations.refund,
        ("embedded-pay",),
        (REFUND_RIGHT,),
    ),
    Step(
        "rebuild",
        "another empty store comes to the same total from Stripe's lists alone",
        donations.rebuild_from_stripe,
        ("service",),
    ),
    Step("events", "events.list contains the donations of this check", donations.find_events, ("service",)),
    *list_steps(),
    Step("webhook", "a webhook of Stripe arrives", _webhook),
    Step("cleanup", "the open sessions of this check are expired", _cleanup, ("keys",)),
]
"""All steps, in their order."""
