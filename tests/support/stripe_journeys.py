"""Make every kind of request to Stripe that the product makes, and record the messages."""

import asyncio
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from click.testing import CliRunner
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.cli.main import cli
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.demo.launcher import environment
from donation_card.domain.campaign import LANGUAGES
from donation_card.errors import PaymentUnknown

from tests.support.installation import ASKS_3DS, DECLINED, PAYS, SETTLES_LATER, Installation, eventually, running
from tests.support.shipped import VITALY_TEXT
from tests.support.stripe_traffic import Traffic

HOUR = 3600


@cache
def recorded() -> Traffic:
    """Return the messages of all journeys, which run once for all tests."""
    traffic = Traffic()
    with TemporaryDirectory() as name, EmbeddedValkey(Path(name) / "valkey") as valkey:
        folder = Path(name)
        installed = running(
            valkey.url,
            folder / "sandbox",
            campaigns=_campaigns(folder / "campaigns"),
            between=traffic.before_sandbox,
            before_service=traffic.before_service,
        )
        with installed as installation:
            installation.until_ready()
            for journey in (set_up, give, reverse, give_by_link, meet_faults, end_without_money, reconcile):
                journey(installation)
            eventually(lambda: _deliveries(installation)["pending"] == 0, "all webhooks are delivered")
    return traffic


def _campaigns(folder: Path) -> Path:
    folder.mkdir()
    roof = Path("tests/support/roof.toml").read_text("utf-8").replace("_countries = []", '_countries = ["BY"]')
    roof = roof.replace("[giving]", '[giving]\nfee = { percent = "1.5", fixed = "0.25" }')
    head = 'sites = ["news.example.org"]\nredirect_methods = ["ideal", "paypal"]\n'
    (folder / "roof.toml").write_text(head + roof, "utf-8")
    (folder / "vitaly.toml").write_text(VITALY_TEXT, "utf-8")
    return folder


def _deliveries(installation: Installation) -> dict[str, int]:
    return dict(httpx.get(f"{installation.sandbox}/sandbox/deliveries").json())


def _command(installation: Installation, *words: str) -> str:
    variables = dict(line.split("=", 1) for line in environment(installation.settings).splitlines())
    return CliRunner().invoke(cli, words, env=variables, catch_exceptions=False).output


def _by_hand(installation: Installation, method: str, path: str, **data: str) -> dict[str, object]:
    """Do what a person does in Stripe's dashboard."""
    url = f"{installation.sandbox}/v1/{path}"
    return dict(httpx.request(method, url, data=data or None, auth=("sk_test_person", "")).json())


def _first(installation: Installation, path: str) -> str:
    return str(_by_hand(installation, "GET", path)["data"][0]["id"])  # type: ignore[index]


def set_up(installation: Installation) -> None:
    """Run `stripe setup` twice, repair what a person changed, and run `doctor`, also with a key that lacks rights."""
    for _ in range(2):
        _command(installation, "stripe", "setup")
    _by_hand(installation, "POST", f"webhook_endpoints/{_first(installation, 'webhook_endpoints')}", disabled="true")
    link = {"payment_intent_data[metadata][campaign]": "another"}
    _by_hand(installation, "POST", f"payment_links/{_first(installation, 'payment_links')}", **link)
    domain = f"payment_method_domains/{_first(installation, 'payment_method_domains')}"
    _by_hand(installation, "POST", domain, enabled="false")
    assert _command(installation, "stripe", "setup").count("updated") == 3
    _command(installation, "doctor")
    key = installation.settings.stripe_secret_key
    installation.operate("rights", key=key, lacks=["rak_event_read", "rak_checkout_session_write", "rak_webhook_read"])
    assert "rak_event_read" in _command(installation, "doctor")
    installation.operate("rights", key=key, lacks=[])


def give(installation: Installation) -> None:
    """Give by card, with 3-D Secure and by bank debit; embedded, hosted and in another language."""
    embedded = installation.order("25", token=installation.token("roof")).json()["client_secret"]
    installation.pay(f"{installation.sandbox}/embed/{embedded}")
    for lang in LANGUAGES:
        installation.submit(token=installation.token(lang=lang), amount="25", lang=lang)
    returned = installation.give("25")
    assert installation.client.get(returned.headers["location"]).status_code == 200
    installation.give("25", DECLINED)
    for answer in ("approve", "decline"):
        secret = installation.order("30").json()["client_secret"]
        page = f"{installation.sandbox}/embed/{secret}"
        installation.pay(page, ASKS_3DS)
        httpx.post(page, data={"answer": answer})
    for method, answer in (("ideal", "approve"), ("ideal", "decline"), ("paypal", "approve")):
        installation.give_at_bank(method, answer)
    installation.order("25", token=installation.token("roof"), cover_fee=True)
    for outcome in ("succeeded", "failed"):
        installation.give("40", SETTLES_LATER)
        installation.operate("settle", outcome=outcome)
    token = installation.token()
    first = installation.order("11", token=token).json()["session_token"]
    installation.order("12", token=token, replaces_session=first)


def reverse(installation: Installation) -> None:
    """Refund and dispute, with failures, appeals and several balance transactions in another currency."""
    payment = installation.gift("100", PAYS)
    for statuses in (["succeeded", "failed"], ["pending", "requires_action", "canceled"], ["pending", "succeeded"]):
        refund = installation.operate("refunds", payment_intent=payment, amount=1_500, status=statuses[0])
        for status in statuses[1:]:
            installation.operate(f"refunds/{refund['id']}", status=status)
    dispute = installation.operate("disputes", payment_intent=installation.gift(), settlement_currency="usd")
    installation.operate(f"disputes/{dispute['id']}/balance-transactions", amount=-20)
    for status in ("lost", "appeal_under_review", "won"):
        installation.operate(f"disputes/{dispute['id']}", status=status)
    payment = installation.gift()
    warning = installation.operate("disputes", payment_intent=payment, status="warning_needs_response")
    installation.operate(f"disputes/{warning['id']}", status="warning_closed")
    installation.operate("metadata", id=payment, metadata={"campaign": "", "site": "edited"})


def give_by_link(installation: Installation) -> None:
    """Give and refund through a payment link of the dashboard, whose payments have no metadata."""
    amount = {"custom_unit_amount[enabled]": "true", "product_data[name]": "Donation"}
    price = _by_hand(installation, "POST", "prices", currency="eur", **amount)
    items = {"line_items[0][price]": str(price["id"]), "line_items[0][quantity]": "1"}
    link = _by_hand(installation, "POST", "payment_links", **items, **{"metadata[campaign]": "vitaly"})
    page = httpx.post(str(link["url"]), data={"amount": "12"}).headers["location"]
    installation.pay(page)
    installation.operate("refunds", payment_intent=_first(installation, "payment_intents"))


def end_without_money(installation: Installation) -> None:
    """Let a session expire."""
    installation.order("25")
    installation.operate("clock", advance_seconds=3 * HOUR)


def meet_faults(installation: Installation) -> None:
    """Receive the errors of Stripe that are no answer to a wrong request."""
    for kind in ("429", "500", "404"):
        installation.operate("faults", api={"kind": kind})
        installation.order("25")
    httpx.delete(f"{installation.sandbox}/sandbox/faults")


def reconcile(installation: Installation) -> None:
    """List what was created and what has changed, over several pages, and rebuild the totals."""
    installation.operate("seed", payments=100, campaign="roof")
    _command(installation, "rebuild", "--dry-run")
    payment = _first(installation, "payment_intents")
    session = _by_hand(installation, "GET", f"checkout/sessions?payment_intent={payment}")["data"][0]["id"]  # type: ignore[index]
    installation.operate("fields", id=session, fields={"payment_intent": None})
    asyncio.run(_list(installation, payment))


async def _list(installation: Installation, payment: str) -> None:
    """Read what a sync reads, and look for the session of a payment that has none."""
    settings = installation.settings
    payments = StripePayments(settings.stripe_secret_key, [], api_base=settings.stripe_api_base)
    try:
        with suppress(PaymentUnknown):
            await payments.attribution(payment)
        for listing in (payments.list_created_since, payments.list_changed_since):
            async for _ in listing(1):
                pass
    finally:
        await payments.close()
