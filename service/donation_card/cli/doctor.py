"""`doctor`: is everything there that a gift needs? What is not, with what to do, in the order in which to do it."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from donation_card import __version__
from donation_card.cli.environment import environment
from donation_card.cli.stripe_setup import wallet_domains
from donation_card.errors import ConfigurationError, DonationCardError, Unavailable
from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:
    from donation_card.adapters.stripe.provisioning import AccountInfo, StripeProvisioning
    from donation_card.domain.campaign import Campaign

MAX_CLOCK_SKEW: Final = 60
"""Seconds that the clock may be wrong; at 300, webhooks are refused."""

CERTIFICATE_DAYS: Final = 14

OK, FAIL, MANUAL = "ok", "BAD", "look"


@dataclass(frozen=True, slots=True)
class Check:
    """`todo`: what mends it; for `LOOK`, what a person has to see for themselves."""

    name: str
    level: str
    fix: str = ""


@click.command()
def doctor() -> None:
    """Check settings, Stripe, Redis, the clock and the public address; say what to do, in order.

    Nothing is changed. Ends with 1 where something has to be done.
    """
    found = asyncio.run(_all())
    for each in found:
        click.echo(f"{each.level:>4}  {each.name}")
    for state, heading in ((FAIL, "To do, in this order:"), (MANUAL, "To look at; no program can:")):
        todo = [each for each in found if each.level == state]
        if todo:
            click.echo(f"\n{heading}")
        for number, each in enumerate(todo, 1):
            click.echo(f" {number}. {each.name}: {each.fix}")
    if any(each.level == FAIL for each in found):
        sys.exit(1)


async def _all() -> list[Check]:
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.adapters.stripe.provisioning import StripeProvisioning

    try:
        settings = from_environment(environment())
    except ConfigurationError as error:
        return [Check(fault.field, FAIL, str(fault)) for fault in error.faults]
    found = [Check("settings", OK)]
    campaigns: Sequence[Campaign] = []
    try:
        campaigns = CampaignFiles(settings.campaigns_dir).all()
        found.append(Check(f"campaign files ({len(campaigns)})", OK))
    except ConfigurationError as error:
        found += [Check("campaign files", FAIL, str(fault)) for fault in error.faults]
    at_stripe = StripeProvisioning(settings.stripe_secret_key, api_base=settings.stripe_api_base)
    try:
        async for each in _stripe(settings, at_stripe, campaigns):
            found.append(each)
    finally:
        await at_stripe.close()
    for check in (_redis, _public):
        async for each in check(settings):
            found.append(each)
    return [*found, *_manual_checks(campaigns)]


async def _stripe(settings: Settings, at: StripeProvisioning, campaigns: Sequence[Campaign]) -> AsyncIterator[Check]:
    from donation_card.errors import StripeKeyRejected

    try:
        identity = await at.account_info()
        lacking = [right async for right in at.missing_permissions()]
    except StripeKeyRejected:
        todo = "Stripe refuses it, or it may not read the account; take another (Dashboard → Developers → API keys)"
        yield Check("the secret key", FAIL, todo)
        return
    except Unavailable as error:
        yield Check("Stripe", FAIL, f"no answer ({error}): may this machine reach api.stripe.com?")
        return
    for right in lacking:
        yield Check("a right of the key", FAIL, f"give it “{right}”")
    if not lacking:
        yield Check(f"the key opens {identity.id}{'' if settings.livemode else ', in test mode'}, with all rights", OK)
    if settings.livemode and settings.stripe_secret_key.startswith("sk_"):
        yield Check("the key", MANUAL, "it may do everything; a restricted key (rk_…) would do")
    for each in account_checks(identity, campaigns):
        yield each
    for question in (_endpoint(settings, at), _domains(settings, at, campaigns)):
        try:
            async for each in question:
                yield each
        except DonationCardError:
            yield Check(
                "webhook endpoint and domains",
                MANUAL,
                "this key may not read them: look in the dashboard",
            )


def account_checks(identity: AccountInfo, campaigns: Sequence[Campaign]) -> list[Check]:
    apart = abs((datetime.now(UTC) - identity.now).total_seconds())
    found = [
        Check("the clock", OK)
        if apart <= MAX_CLOCK_SKEW
        else Check(
            "the clock", FAIL, f"{apart:.0f} s from Stripe's; at 300 webhooks are refused: timedatectl set-ntp true"
        )
    ]
    if not identity.takes_payments:
        found.append(Check("the account", FAIL, "it takes no payments yet: Stripe's dashboard says what it misses"))
    for campaign in campaigns:
        ours, theirs = campaign.recipient.statement_descriptor, identity.statement_descriptor
        if theirs is not None and ours.upper() not in theirs.upper():
            todo = f"the file promises “{ours}” on statements, Stripe prints “{theirs}”: make them the same"
            found.append(Check(f"the descriptor of {campaign.id}", FAIL, todo))
        if not campaign.fallback_url:
            todo = "without fallback_url donors wait while Stripe's form cannot work: stripe setup makes a link"
            found.append(Check(f"another way for {campaign.id}", MANUAL, todo))
    return found


async def _endpoint(settings: Settings, at: StripeProvisioning) -> AsyncIterator[Check]:
    from donation_card.adapters.stripe.provisioning import API_VERSION
    from donation_card.web.api.stripe_webhook import PATH

    url = settings.public_url + PATH
    endpoint = await at.endpoint(url)
    if endpoint is None:
        yield Check("the webhook endpoint", FAIL, f"there is none for {url}: donation-card stripe setup")
        return
    if not endpoint.is_up_to_date:
        wrong = [*endpoint.missing_events, *(f"{name} (needless)" for name in endpoint.extra_events)]
        todo = f"donation-card stripe setup; {', '.join(wrong) or 'it is disabled'}"
        yield Check("the webhook endpoint", FAIL, todo)
    elif endpoint.api_version not in (API_VERSION, None):
        todo = f"it speaks {endpoint.api_version}, not {API_VERSION}: delete it, then donation-card stripe setup"
        yield Check("the webhook endpoint", FAIL, todo)
    else:
        yield Check(f"the webhook endpoint, {len(endpoint.events)} events", OK)


async def _domains(settings: Settings, at: StripeProvisioning, campaigns: Sequence[Campaign]) -> AsyncIterator[Check]:
    for name in wallet_domains(settings, campaigns):
        domain = await at.domain(name)
        if domain is None or not domain.enabled:
            yield Check(f"wallets on {name}", FAIL, "the domain is not registered: donation-card stripe setup")
        elif domain.problems:
            told = "; ".join(f"{wallet}: {problem}" for wallet, problem in domain.problems.items())
            yield Check(f"wallets on {name}", MANUAL, told)
        else:
            yield Check(f"wallets on {name}", OK)


async def _redis(settings: Settings) -> AsyncIterator[Check]:
    from redis.exceptions import RedisError

    from donation_card.adapters.redis.connection import create_connection
    from donation_card.app import redis_ledger

    ledger, connection = redis_ledger(settings), create_connection(settings.redis_url, connections=1, deadline=3)
    try:
        await ledger.ping()
        async with asyncio.timeout(3):
            servers = await connection.info_of_primaries()
    except (DonationCardError, RedisError, OSError) as error:
        yield Check("Redis", FAIL, f"{error}; see docs/operate.md, “Redis”")
        return
    finally:
        await ledger.close()
        await connection.close()
    for told in servers:
        version = str(told.get("valkey_version") or told.get("redis_version", "?"))
        if int(version.split(".")[0]) < 7:
            yield Check("Redis", FAIL, f"version {version}; at least 7")
        elif told.get("aof_enabled"):
            todo = "it keeps a list of single gifts on its disk: appendonly no"
            yield Check("Redis' append-only file", FAIL, todo)
        elif told.get("rdb_last_bgsave_status") != "ok":
            yield Check("Redis' snapshots", FAIL, "the last one failed; its log says why (a full disk?)")
        else:
            yield Check(f"Redis {version}, keeps everything, no list of gifts", OK)


async def _public(settings: Settings) -> AsyncIterator[Check]:
    """As the world sees it: through the proxy, with its certificate, down to a webhook that we sign ourselves."""
    import httpx

    from donation_card.web.api.stripe_webhook import PATH

    if urlsplit(settings.public_url).scheme != "https":
        yield Check(
            "TLS", FAIL if settings.livemode else MANUAL, "PUBLIC_URL is not https: browsers show no wallet there"
        )
    try:
        async with httpx.AsyncClient(base_url=settings.public_url, timeout=10) as client:
            version = (await client.get("/healthz")).raise_for_status().json()["version"]
            closed = (await client.get("/metrics")).status_code == 404
            body, headers = _signed_event(settings)
            heard = await client.post(PATH, content=body, headers=headers)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        yield Check("the public address", FAIL, f"{settings.public_url} does not answer as we do ({error})")
        return
    if version != __version__:
        yield Check("the public address", FAIL, f"release {version} answers there, this is {__version__}: restart it")
    else:
        yield Check(f"the public address, release {version}", OK)
    if not closed:
        yield Check("/metrics", FAIL, "whoever asks can read gifts from it as they come: close it in the proxy")
    if heard.status_code == 200:
        yield Check("a webhook of ours arrives, and its signature holds", OK)
    else:
        todo = f"{heard.status_code} {heard.text[:80]!r}: does the service that runs have this STRIPE_WEBHOOK_SECRET?"
        yield Check("a webhook of ours", FAIL, todo)
    days = await asyncio.to_thread(_certificate_days, settings.public_url)
    if days is not None and days < CERTIFICATE_DAYS:
        yield Check("the certificate", FAIL, f"it ends in {days:.0f} days: renew it")


def _signed_event(settings: Settings) -> tuple[bytes, dict[str, str]]:
    """Of a type that nobody makes: a service that believes it answers 200, and does nothing."""
    import hashlib
    import hmac

    body = json.dumps({"type": "donation_card.doctor", "livemode": settings.livemode}).encode()
    now = int(time.time())
    digest = hmac.new(settings.stripe_webhook_secrets[0].encode(), f"{now}.".encode() + body, hashlib.sha256)
    return body, {"stripe-signature": f"t={now},v1={digest.hexdigest()}"}


def _certificate_days(url: str) -> float | None:
    """How long the certificate of an https address is still good; None where there is none to see."""
    import socket

    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    with (
        socket.create_connection((parts.hostname, parts.port or 443), 10) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        ends = (secure.getpeercert() or {})["notAfter"]
    return (ssl.cert_time_to_seconds(str(ends)) - time.time()) / 86_400


def _manual_checks(campaigns: Sequence[Campaign]) -> list[Check]:
    """What Stripe tells no program."""
    found = [
        Check(
            "receipts",
            MANUAL,
            "Stripe e-mails one after each payment if Settings → Customer emails says so; it names the payee",
        )
    ]
    states = dict.fromkeys(state for campaign in campaigns for state in campaign.warned_bank_countries)
    for state in states:
        found.append(Check("Radar", MANUAL, f"Radar → Rules must have: Block if :card_country: = '{state}'"))
    return found
