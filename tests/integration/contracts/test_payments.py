"""The contract of the payments port: the Stripe client against the sandbox, and the fake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest
from donation_card.adapters.stripe.client import resource_of
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.ports.payments import (
    Account,
    Attribution,
    CheckoutOrder,
    CheckoutSession,
    PaymentPage,
    Payments,
    SessionStatus,
    UiMode,
)
from donation_card.domain.money import Money
from donation_card.errors import Invalid, NotFound, PaymentUnknown, StripeKeyRejected
from donation_card.observability.metrics import stripe_reads

from tests.support.fakes import FakeClock, FakePayments
from tests.support.sandbox import KEY, Sandbox

ATTEMPT = "a" * 22
EXPIRES_AT = int(time.time()) + 3_600  # the same for the same order, also in the next second


class Provider:
    """A payments port, and a donor who pays at it."""

    def __init__(self, payments: Payments, sandbox: Sandbox | None, runner: asyncio.Runner) -> None:
        self.payments, self.sandbox, self.runner = payments, sandbox, runner

    def run(self, call: Awaitable[Any]) -> Any:
        async def main() -> Any:
            return await call

        return self.runner.run(main())

    def create(self, key: str, ui_mode: UiMode = UiMode.EMBEDDED) -> CheckoutSession:
        urls = (
            {}
            if ui_mode is UiMode.EMBEDDED
            else {"success_url": "https://x.example", "cancel_url": "https://x.example"}
        )
        order = CheckoutOrder(
            campaign="roof",
            site="news.example",
            attempt_id=ATTEMPT,
            amount=Money(25_00, "EUR"),
            expires_at=EXPIRES_AT,
            page=PaymentPage(ui_mode, "A new roof", "en", **urls),
        )
        return self.run(self.payments.create_session(order, key))

    def pay(self, session: CheckoutSession) -> None:
        if isinstance(self.payments, FakePayments):
            self.payments.pay(session.id)
        else:
            assert self.sandbox
            self.sandbox.pay(session)

    def created_since(self, since: int) -> list[Any]:
        async def listed() -> list[Any]:
            return [record async for record in self.payments.list_created_since(since)]

        return self.run(listed())


@pytest.fixture(params=["stripe", "fake"])
def provider(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Provider]:
    with asyncio.Runner() as runner:
        if request.param == "fake":
            yield Provider(FakePayments(FakeClock(time.time())), None, runner)
            return
        payments = StripePayments(KEY, ["whsec_0123456789abcdef0123"], api_base=sandbox.url)
        provider = Provider(payments, sandbox, runner)
        yield provider
        provider.run(payments.close())


def test_account_is_in_test_mode(provider: Provider) -> None:
    assert provider.run(provider.payments.account()).livemode is False


def test_ui_mode_decides_between_secret_and_url(provider: Provider) -> None:
    embedded, hosted = provider.create("a"), provider.create("b", UiMode.HOSTED)
    assert (bool(embedded.client_secret), embedded.url) == (True, None)
    assert (hosted.client_secret, bool(hosted.url)) == (None, True)


def test_repeated_key_returns_the_same_session(provider: Provider) -> None:
    first, again, another = (provider.create(key) for key in ("c", "c", "d"))
    assert (first.id, first.replayed, again.id, again.replayed) == (first.id, False, first.id, True)
    assert another.id != first.id


def test_paid_session_has_an_object_state(provider: Provider) -> None:
    session = provider.create("e")
    assert (session.status, session.object_state) == (SessionStatus.OPEN, None)
    provider.pay(session)
    paid = provider.run(provider.payments.get_session(session.id))
    assert (paid.status, paid.campaign, paid.site) == (SessionStatus.PAID, "roof", "news.example")
    assert (paid.amount, paid.attempt_id) == (Money(25_00, "EUR"), ATTEMPT)
    assert paid.object_state
    assert (paid.object_state.amount, paid.object_state.payment) == (25_00, paid.payment_intent)


def test_unknown_session_is_not_found(provider: Provider) -> None:
    with pytest.raises(NotFound):
        provider.run(provider.payments.get_session("cs_test_unknown"))


def test_expired_session_stays_expired_and_paid_stays_paid(provider: Provider) -> None:
    session, paid = provider.create("f"), provider.create("g")
    provider.pay(paid)
    assert provider.run(provider.payments.expire_session(session.id)).status is SessionStatus.EXPIRED
    assert provider.run(provider.payments.expire_session(session.id)).status is SessionStatus.EXPIRED
    assert provider.run(provider.payments.expire_session(paid.id)).status is SessionStatus.PAID


def test_attribution_comes_from_the_session_of_the_payment(provider: Provider) -> None:
    session = provider.create("h")
    provider.pay(session)
    intent = provider.run(provider.payments.get_session(session.id)).payment_intent
    if provider.sandbox:
        provider.sandbox.operate("metadata", id=intent, metadata={"campaign": "bells", "site": ""})
    assert provider.run(provider.payments.attribution(intent)) == Attribution("roof", "news.example")
    with pytest.raises(PaymentUnknown):
        provider.run(provider.payments.attribution("pi_unknown"))


def test_listing_has_sessions_created_since(provider: Provider) -> None:
    session = provider.create("i")
    provider.pay(session)
    assert session.id in {record.id for record in provider.created_since(session.created)}
    assert session.id not in {record.id for record in provider.created_since(session.created + 1_000)}


def test_event_with_a_wrong_signature_is_refused(provider: Provider) -> None:
    from datetime import UTC, datetime

    account = Account("acct_1", livemode=False)
    with pytest.raises(Invalid):
        provider.payments.parse_event(b"{}", b"t=1,v1=0", datetime.now(UTC), account)


def test_listing_leaves_out_open_and_expired_sessions(provider: Provider) -> None:
    opened, expired = provider.create("open"), provider.create("expired")
    provider.run(provider.payments.expire_session(expired.id))
    listed = {each.id for each in provider.created_since(0)}
    assert not listed & {opened.id, expired.id}


def test_stripe_reads_are_counted_by_resource_and_retries_included(sandbox: Sandbox) -> None:
    payments = StripePayments(KEY, ["whsec_0123456789abcdef"], api_base=sandbox.url)
    counted = [stripe_reads.labels(name) for name in ("checkout/sessions", "refunds", "disputes")]
    before = [each._value.get() for each in counted]

    async def main() -> None:
        sandbox.operate("faults", api={"kind": "500"})
        assert [each async for each in payments.list_created_since(2_000_000_000)] == []
        await payments.close()

    asyncio.run(main())
    assert [each._value.get() - was for each, was in zip(counted, before, strict=True)] == [1, 2, 1]


@pytest.mark.parametrize(
    ("url", "resource"),
    [
        ("https://api.stripe.com/v1/checkout/sessions/cs_test_1", "checkout/sessions"),
        ("https://api.stripe.com/v1/checkout/sessions?limit=1", "checkout/sessions"),
        ("http://127.0.0.1:8002/v1/payment_intents/pi_1", "payment_intents"),
        ("https://api.stripe.com/v1/account", "account"),
    ],
)
def test_resource_of_a_read_names_no_id(url: str, resource: str) -> None:
    assert resource_of(url) == resource


@pytest.mark.parametrize(
    ("right", "row"), [("rak_dispute_read", "Disputes: read"), ("rak_charge_read", "Charges and Refunds: read")]
)
def test_missing_right_is_named_by_the_request_and_never_read_from_the_text(
    sandbox: Sandbox, right: str, row: str
) -> None:
    payments = StripePayments("rk_test_weak", ["whsec_0123456789abcdef"], api_base=sandbox.url)
    sandbox.operate("rights", key="rk_test_weak", lacks=[right])

    async def main() -> None:
        with pytest.raises(StripeKeyRejected) as caught:
            async for _ in payments.list_created_since(0):
                pass
        await payments.close()
        assert caught.value.params == {"reason": "PermissionError", "right": right, "dashboard": row}

    asyncio.run(main())


def test_account_of_the_settings_needs_no_request(sandbox: Sandbox) -> None:
    payments = StripePayments(KEY, ["whsec_0123456789abcdef"], api_base="http://127.0.0.1:1", account_id="acct_1ada")
    assert asyncio.run(payments.account()) == Account("acct_1ada", livemode=False)
