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
from donation_card.cli.stripe_setup import domains
from donation_card.errors import DonationCardError, Misconfigured, Unavailable
from donation_card.settings import Settings, from_environment

if TYPE_CHECKING:
    from donation_card.adapters.stripe.provisioning import Identity, StripeSetup
    from donation_card.domain.campaign import Campaign

APART: Final = 60
"""Seconds that the clock may be wrong; at 300, webhooks are refused."""

CERTIFICATE_DAYS: Final = 14

GOOD, BAD, LOOK = "ok", "BAD", "look"


@dataclass(frozen=True, slots=True)
class Finding:
    """`todo`: what mends it; for `LOOK`, what a person has to see for themselves."""

    what: str
    state: str
    todo: str = ""


@click.command()
def doctor() -> None:
    """Check settings, Stripe, Redis, the clock and the public address; say what to do, in order.

    Nothing is changed. Ends with 1 where something has to be done.
    """
    found = asyncio.run(_all())
    for each in found:
        click.echo(f"{each.state:>4}  {each.what}")
    for state, heading in ((BAD, "To do, in this order:"), (LOOK, "To look at; no program can:")):
        todo = [each for each in found if each.state == state]
        if todo:
            click.echo(f"\n{heading}")
        for number, each in enumerate(todo, 1):
            click.echo(f" {number}. {each.what}: {each.todo}")
    if any(each.state == BAD for each in found):
        sys.exit(1)


async def _all() -> list[Finding]:
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.adapters.stripe.provisioning import StripeSetup

    try:
        settings = from_environment(environment())
    except Misconfigured as error:
        return [Finding(fault.field, BAD, str(fault)) for fault in error.faults]
    found = [Finding("settings", GOOD)]
    campaigns: Sequence[Campaign] = []
    try:
        campaigns = CampaignFiles(settings.campaigns).all()
        found.append(Finding(f"campaign files ({len(campaigns)})", GOOD))
    except Misconfigured as error:
        found += [Finding("campaign files", BAD, str(fault)) for fault in error.faults]
    at_stripe = StripeSetup(settings.stripe_secret_key, api_base=settings.stripe_api_base)
    try:
        async for each in _stripe(settings, at_stripe, campaigns):
            found.append(each)
    finally:
        await at_stripe.close()
    for check in (_redis, _public):
        async for each in check(settings):
            found.append(each)
    return [*found, *_for_people(campaigns)]


async def _stripe(settings: Settings, at: StripeSetup, campaigns: Sequence[Campaign]) -> AsyncIterator[Finding]:
    from donation_card.errors import KeyRefused

    try:
        identity = await at.identity()
        lacking = [right async for right in at.lacking()]
    except KeyRefused:
        todo = "Stripe refuses it, or it may not read the account; take another (Dashboard → Developers → API keys)"
        yield Finding("the secret key", BAD, todo)
        return
    except Unavailable as error:
        yield Finding("Stripe", BAD, f"no answer ({error}): may this machine reach api.stripe.com?")
        return
    for right in lacking:
        yield Finding("a right of the key", BAD, f"give it “{right}”")
    if not lacking:
        yield Finding(f"the key opens {identity.id}{'' if settings.live else ', in test mode'}, with all rights", GOOD)
    if settings.live and settings.stripe_secret_key.startswith("sk_"):
        yield Finding("the key", LOOK, "it may do everything; a restricted key (rk_…) would do")
    for each in of_account(identity, campaigns):
        yield each
    for question in (_endpoint(settings, at), _domains(settings, at, campaigns)):
        try:
            async for each in question:
                yield each
        except DonationCardError:
            yield Finding(
                "webhook endpoint and domains",
                LOOK,
                "this key may not read them: look in the dashboard",
            )


def of_account(identity: Identity, campaigns: Sequence[Campaign]) -> list[Finding]:
    apart = abs((datetime.now(UTC) - identity.now).total_seconds())
    found = [
        Finding("the clock", GOOD)
        if apart <= APART
        else Finding(
            "the clock", BAD, f"{apart:.0f} s from Stripe's; at 300 webhooks are refused: timedatectl set-ntp true"
        )
    ]
    if not identity.takes_payments:
        found.append(Finding("the account", BAD, "it takes no payments yet: Stripe's dashboard says what it misses"))
    for campaign in campaigns:
        ours, theirs = campaign.recipient.statement_descriptor, identity.statement_descriptor
        if theirs is not None and ours.upper() not in theirs.upper():
            todo = f"the file promises “{ours}” on statements, Stripe prints “{theirs}”: make them the same"
            found.append(Finding(f"the descriptor of {campaign.id}", BAD, todo))
        if not campaign.fallback_url:
            todo = "without fallback_url donors wait while Stripe's form cannot work: stripe setup makes a link"
            found.append(Finding(f"another way for {campaign.id}", LOOK, todo))
    return found


async def _endpoint(settings: Settings, at: StripeSetup) -> AsyncIterator[Finding]:
    from donation_card.adapters.stripe.provisioning import API_VERSION
    from donation_card.web.api.stripe_webhook import PATH

    url = settings.public_url + PATH
    endpoint = await at.endpoint(url)
    if endpoint is None:
        yield Finding("the webhook endpoint", BAD, f"there is none for {url}: donation-card stripe setup")
        return
    if not endpoint.right:
        wrong = [*endpoint.missing, *(f"{name} (needless)" for name in endpoint.needless)]
        todo = f"donation-card stripe setup; {', '.join(wrong) or 'it is disabled'}"
        yield Finding("the webhook endpoint", BAD, todo)
    elif endpoint.api_version not in (API_VERSION, None):
        todo = f"it speaks {endpoint.api_version}, not {API_VERSION}: delete it, then donation-card stripe setup"
        yield Finding("the webhook endpoint", BAD, todo)
    else:
        yield Finding(f"the webhook endpoint, {len(endpoint.events)} events", GOOD)


async def _domains(settings: Settings, at: StripeSetup, campaigns: Sequence[Campaign]) -> AsyncIterator[Finding]:
    for name in domains(settings, campaigns):
        domain = await at.domain(name)
        if domain is None or not domain.enabled:
            yield Finding(f"wallets on {name}", BAD, "the domain is not registered: donation-card stripe setup")
        elif domain.problems:
            told = "; ".join(f"{wallet}: {problem}" for wallet, problem in domain.problems.items())
            yield Finding(f"wallets on {name}", LOOK, told)
        else:
            yield Finding(f"wallets on {name}", GOOD)


async def _redis(settings: Settings) -> AsyncIterator[Finding]:
    from redis.exceptions import RedisError

    from donation_card.adapters.redis.connection import connect
    from donation_card.app import redis_ledger

    ledger, connection = redis_ledger(settings), connect(settings.redis_url, connections=1, deadline=3)
    try:
        await ledger.ping()
        async with asyncio.timeout(3):
            servers = await connection.infos()
    except (DonationCardError, RedisError, OSError) as error:
        yield Finding("Redis", BAD, f"{error}; see docs/operate.md, “Redis”")
        return
    finally:
        await ledger.close()
        await connection.close()
    for told in servers:
        version = str(told.get("valkey_version") or told.get("redis_version", "?"))
        if int(version.split(".")[0]) < 7:
            yield Finding("Redis", BAD, f"version {version}; at least 7")
        elif told.get("aof_enabled"):
            todo = "it keeps a list of single gifts on its disk: appendonly no"
            yield Finding("Redis' append-only file", BAD, todo)
        elif told.get("rdb_last_bgsave_status") != "ok":
            yield Finding("Redis' snapshots", BAD, "the last one failed; its log says why (a full disk?)")
        else:
            yield Finding(f"Redis {version}, keeps everything, no list of gifts", GOOD)


async def _public(settings: Settings) -> AsyncIterator[Finding]:
    """As the world sees it: through the proxy, with its certificate, down to a webhook that we sign ourselves."""
    import httpx

    from donation_card.web.api.stripe_webhook import PATH

    if urlsplit(settings.public_url).scheme != "https":
        yield Finding("TLS", BAD if settings.live else LOOK, "PUBLIC_URL is not https: browsers show no wallet there")
    try:
        async with httpx.AsyncClient(base_url=settings.public_url, timeout=10) as client:
            version = (await client.get("/healthz")).raise_for_status().json()["version"]
            closed = (await client.get("/metrics")).status_code == 404
            body, headers = _signed_event(settings)
            heard = await client.post(PATH, content=body, headers=headers)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        yield Finding("the public address", BAD, f"{settings.public_url} does not answer as we do ({error})")
        return
    if version != __version__:
        yield Finding("the public address", BAD, f"release {version} answers there, this is {__version__}: restart it")
    else:
        yield Finding(f"the public address, release {version}", GOOD)
    if not closed:
        yield Finding("/metrics", BAD, "whoever asks can read gifts from it as they come: close it in the proxy")
    if heard.status_code == 200:
        yield Finding("a webhook of ours arrives, and its signature holds", GOOD)
    else:
        todo = f"{heard.status_code} {heard.text[:80]!r}: does the service that runs have this STRIPE_WEBHOOK_SECRET?"
        yield Finding("a webhook of ours", BAD, todo)
    days = await asyncio.to_thread(_certificate_days, settings.public_url)
    if days is not None and days < CERTIFICATE_DAYS:
        yield Finding("the certificate", BAD, f"it ends in {days:.0f} days: renew it")


def _signed_event(settings: Settings) -> tuple[bytes, dict[str, str]]:
    """Of a type that nobody makes: a service that believes it answers 200, and does nothing."""
    import hashlib
    import hmac

    body = json.dumps({"type": "donation_card.doctor", "livemode": settings.live}).encode()
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


def _for_people(campaigns: Sequence[Campaign]) -> list[Finding]:
    """What Stripe tells no program."""
    found = [
        Finding(
            "receipts",
            LOOK,
            "Stripe e-mails one after each payment if Settings → Customer emails says so; it names the payee",
        )
    ]
    states = dict.fromkeys(state for campaign in campaigns for state in campaign.warn_banks_of)
    for state in states:
        found.append(Finding("Radar", LOOK, f"Radar → Rules must have: Block if :card_country: = '{state}'"))
    return found
