"""`donation-card doctor`: check everything that a donation needs, and print what to do, in order."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from donation_card import __version__
from donation_card.cli.environment import load_settings
from donation_card.cli.stripe_setup import wallet_domains
from donation_card.domain.campaign import Status
from donation_card.domain.money import Money
from donation_card.domain.redirect_methods import REDIRECT_METHODS
from donation_card.errors import ConfigurationError, DonationCardError, StripeKeyRejected
from donation_card.settings import Settings

if TYPE_CHECKING:
    from donation_card.adapters.stripe.provisioning import AccountInfo, StripeProvisioning
    from donation_card.domain.campaign import Campaign

MAX_CLOCK_SKEW = 60
"""Seconds. From 300 on, the signatures of webhooks are rejected."""

MIN_CERTIFICATE_DAYS = 14

RADAR_RULE = (
    "Radar → Rules must have: Block if :card_country: = '{country}'. Only a Radar plan that supports rules has them; "
    "without it, nothing blocks such a card"
)

UNKNOWN_CLIENT = (
    "this command has no public address there. Donors without one share a limit. Run doctor from another network: if "
    "this line comes again, FORWARDED_ALLOW_IPS must name the proxy, and the proxy must send X-Forwarded-For"
)

OK, INFO, FAIL, MANUAL = "ok", "info", "FAIL", "MANUAL"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. `fix`: what to do; with MANUAL, what a person has to look at."""

    name: str
    level: str
    fix: str = ""


@click.command()
def doctor() -> None:
    """Check the whole installation.

    It checks the settings, Stripe, Redis, the clock and the public address, and prints what to do, in order. It creates
    one checkout session and expires it at once, and changes nothing else. The exit status is 1 if a check fails.
    """
    found = asyncio.run(_all_checks())
    for each in found:
        click.echo(f"{each.level:>6}  {each.name}")
    for level, heading in ((FAIL, "To do, in this order:"), (MANUAL, "To check by hand:")):
        todo = [each for each in found if each.level == level]
        if todo:
            click.echo(f"\n{heading}")
        for number, each in enumerate(todo, 1):
            click.echo(f" {number}. {each.name}: {each.fix}")
    if any(each.level == FAIL for each in found):
        sys.exit(1)


async def _all_checks() -> list[Check]:
    from donation_card.adapters.campaign_files.loader import CampaignFiles
    from donation_card.adapters.stripe.provisioning import StripeProvisioning

    try:
        settings = load_settings()
    except ConfigurationError as error:
        return [Check(fault.field, FAIL, str(fault)) for fault in error.faults]
    found = [Check("settings", OK)]
    if not settings.publication_key:
        found.append(
            Check("PUBLICATION_KEY", MANUAL, "set it before you go live, and never change it: openssl rand -hex 32")
        )
    campaigns: Sequence[Campaign] = []
    try:
        campaigns = CampaignFiles(settings.campaigns_dir).all()
        found.append(Check(f"campaign files ({len(campaigns)})", OK))
    except ConfigurationError as error:
        found += [Check("campaign files", FAIL, str(fault)) for fault in error.faults]
    at_stripe = StripeProvisioning(settings.stripe_secret_key, api_base=settings.stripe_api_base)
    try:
        found += [each async for each in _stripe_checks(settings, at_stripe, campaigns)]
    finally:
        await at_stripe.close()
    for check in (_redis_checks, _public_checks):
        found += [each async for each in check(settings)]
    found += _fallback_page_checks(settings, campaigns)
    found += [each async for each in _spending_checks(settings, campaigns)]
    return [*found, *_manual_checks(campaigns)]


async def _stripe_checks(
    settings: Settings, at: StripeProvisioning, campaigns: Sequence[Campaign]
) -> AsyncIterator[Check]:
    from donation_card.adapters.stripe.explanations import explain

    try:
        account = await at.account_info(settings.stripe_account)
        missing = [refused async for refused in at.missing_permissions()]
    except DonationCardError as error:
        yield Check("secret key" if isinstance(error, StripeKeyRejected) else "Stripe", FAIL, explain(error))
        return
    if account.refused and not settings.stripe_account:
        fix = f"set STRIPE_ACCOUNT=acct_… (Dashboard → Settings → Account), or {explain(account.refused)}"
        yield Check("account of the key", FAIL, fix)
    elif settings.stripe_account not in (None, account.id):
        fix = f"the key belongs to {account.id}: correct STRIPE_ACCOUNT or the key"
        yield Check("account of the key", FAIL, fix)
    for refused in missing:
        yield Check("permission of the key", FAIL, explain(refused))
    if not missing and account.id:
        mode = "" if settings.livemode else " in test mode"
        yield Check(f"secret key for {account.id}{mode}, with all permissions", OK)
    if settings.livemode and settings.stripe_secret_key.startswith("sk_"):
        yield Check("secret key", MANUAL, "it has every permission; a restricted key (rk_…) is enough")
    for each in account_checks(account, campaigns):
        yield each
    if campaigns and not missing:
        yield await _checkout_origin_check(settings, at, campaigns[0])
    named = {
        "webhook endpoint": _endpoint_checks(settings, at),
        "wallets": _domain_checks(settings, at, campaigns),
        "redirect_methods": _redirect_method_checks(at, campaigns),
    }
    for name, checks in named.items():
        try:
            async for each in checks:
                yield each
        except DonationCardError as error:
            needed = error.params.get("right") is None  # the service works without these rights
            fix = (
                explain(error) if needed else f"this key may not read them: look in the dashboard, or {explain(error)}"
            )
            yield Check(name, FAIL if needed else MANUAL, fix)


def account_checks(account: AccountInfo, campaigns: Sequence[Campaign]) -> list[Check]:
    """Check the clock, the account, and what the campaign files say about it."""
    skew = abs((datetime.now(UTC) - account.now).total_seconds())
    if skew <= MAX_CLOCK_SKEW:
        found = [Check("clock", OK)]
    else:
        fix = f"{skew:.0f} s from Stripe's; from 300 on, webhooks are rejected: timedatectl set-ntp true"
        found = [Check("clock", FAIL, fix)]
    if account.refused:
        fix = "the key may not read it: look in the dashboard if it accepts payments, and at its statement descriptor"
        found.append(Check("account", MANUAL, fix))
    if not account.takes_payments:
        found.append(Check("account", FAIL, "it accepts no payments yet: the Stripe dashboard shows what is missing"))
    for campaign in campaigns:
        promised, printed = campaign.recipient.statement_descriptor, account.statement_descriptor
        if printed is not None and promised.upper() not in printed.upper():
            fix = f"the file promises “{promised}” on statements, Stripe prints “{printed}”: make them the same"
            found.append(Check(f"statement descriptor of {campaign.id}", FAIL, fix))
        if not campaign.fallback_url:
            fix = "donors have no other way while our form cannot work: stripe setup creates a link"
            found.append(Check(f"fallback_url of {campaign.id}", MANUAL, fix))
    return found


async def _checkout_origin_check(settings: Settings, at: StripeProvisioning, campaign: Campaign) -> Check:
    from donation_card.adapters.stripe.explanations import explain

    try:
        origin = await at.checkout_origin(campaign.giving.minimum, settings.public_url)
    except DonationCardError as error:
        return Check("origin of Stripe's page", FAIL, f"Stripe creates no checkout session: {explain(error)}")
    if origin in settings.stripe_origins("form"):
        return Check(f"Stripe's page on {origin}", OK)
    return Check("origin of Stripe's page", FAIL, f"browsers open no form there: STRIPE_CHECKOUT_ORIGIN={origin}")


async def _endpoint_checks(settings: Settings, at: StripeProvisioning) -> AsyncIterator[Check]:
    from donation_card.adapters.stripe.provisioning import API_VERSION
    from donation_card.web.api.stripe_webhook import PATH

    url = settings.public_url + PATH
    endpoint = await at.endpoint(url)
    if endpoint is None:
        yield Check("webhook endpoint", FAIL, f"there is none for {url}: donation-card stripe setup")
        return
    if not endpoint.is_up_to_date:
        wrong = [*endpoint.missing_events, *(f"{name} (not needed)" for name in endpoint.extra_events)]
        yield Check("webhook endpoint", FAIL, f"donation-card stripe setup; {', '.join(wrong) or 'it is disabled'}")
    elif endpoint.api_version not in (API_VERSION, None):
        fix = f"its version is {endpoint.api_version}, not {API_VERSION}: delete it, then donation-card stripe setup"
        yield Check("webhook endpoint", FAIL, fix)
    else:
        yield Check(f"webhook endpoint, {len(endpoint.events)} events", OK)


async def _domain_checks(
    settings: Settings, at: StripeProvisioning, campaigns: Sequence[Campaign]
) -> AsyncIterator[Check]:
    for name in wallet_domains(settings, campaigns):
        domain = await at.domain(name)
        if domain is None or not domain.enabled:
            yield Check(f"wallets on {name}", FAIL, "the domain is not registered: donation-card stripe setup")
        elif domain.problems:
            problems = "; ".join(f"{wallet}: {problem}" for wallet, problem in domain.problems.items())
            yield Check(f"wallets on {name}", MANUAL, problems)
        else:
            yield Check(f"wallets on {name}", OK)


async def _redirect_method_checks(at: StripeProvisioning, campaigns: Sequence[Campaign]) -> AsyncIterator[Check]:
    """Compare the methods that each campaign lists with those that are on in the account."""
    listing = [campaign for campaign in campaigns if campaign.redirect_methods]
    on = await at.payment_methods() if listing else set()
    for campaign in listing:
        name, listed = f"redirect_methods of {campaign.id}", campaign.redirect_methods
        if off := [method for method in listed if method not in on]:
            fix = f"off in the account: {', '.join(off)}. Settings → Payment methods, or correct the campaign file"
            yield Check(name, FAIL, fix)
        else:
            yield Check(f"{name}: {', '.join(listed)}", OK)
        if more := [method for method in REDIRECT_METHODS if method in on and method not in listed]:
            yield Check(f"{name}: on in the account and not listed: {', '.join(more)}", INFO)


async def _redis_checks(settings: Settings) -> AsyncIterator[Check]:
    from redis.exceptions import RedisError

    from donation_card.adapters.redis.connection import create_connection
    from donation_card.use_cases import redis_totals_store

    store, connection = redis_totals_store(settings), create_connection(settings.redis_url, connections=1, deadline=3)
    try:
        await store.ping()
        async with asyncio.timeout(3):
            servers = await connection.info_of_primaries()
    except (DonationCardError, RedisError, OSError) as error:
        reason = error.params.get("reason", error.code) if isinstance(error, DonationCardError) else error
        yield Check("Redis", FAIL, f"{reason}; see docs/configure.md, “Redis”")
        return
    finally:
        await store.close()
        await connection.close()
    for info in servers:
        version = str(info.get("valkey_version") or info.get("redis_version", "?"))
        if int(version.split(".")[0]) < 7:
            yield Check("Redis", FAIL, f"version {version}; at least 7")
        elif info.get("aof_enabled"):
            yield Check("append-only file of Redis", FAIL, "it is a list of single donations on disk: appendonly no")
        elif info.get("rdb_last_bgsave_status") != "ok":
            yield Check("snapshots of Redis", FAIL, "the last one failed; its log says why (a full disk?)")
        else:
            yield Check(f"Redis {version}, no eviction, no append-only file", OK)


async def _public_checks(settings: Settings) -> AsyncIterator[Check]:
    """Check the service from outside: the proxy, its certificate, and a webhook that this command signs."""
    import httpx

    from donation_card.web.api.stripe_webhook import PATH

    if urlsplit(settings.public_url).scheme != "https":
        level = FAIL if settings.livemode else MANUAL
        yield Check("TLS", level, "PUBLIC_URL is not https: browsers show no wallet there")
    try:
        async with httpx.AsyncClient(base_url=settings.public_url, timeout=10) as client:
            version = (await client.get("/healthz")).raise_for_status().json()["version"]
            metrics_closed = (await client.get("/metrics")).status_code == 404
            body, headers = signed_event(settings)
            webhook = await client.post(PATH, content=body, headers=headers)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        yield Check("public address", FAIL, f"the service does not answer at {settings.public_url} ({error})")
        return
    if version != __version__:
        yield Check("public address", FAIL, f"release {version} runs there, this is {__version__}: restart the service")
    else:
        yield Check(f"public address, release {version}", OK)
    if not metrics_closed:
        yield Check("/metrics", FAIL, "anybody can see each donation when it arrives: close it in the proxy")
    if webhook.status_code == 200:
        yield Check("test webhook arrives, its signature is valid", OK)
        if webhook.json().get("client_network") != "known":
            yield Check("addresses of clients", MANUAL, UNKNOWN_CLIENT)
    else:
        fix = f"{webhook.status_code} {webhook.text[:80]!r}: does the service have this STRIPE_WEBHOOK_SECRET?"
        yield Check("test webhook", FAIL, fix)
    days = await asyncio.to_thread(_certificate_days, settings.public_url)
    if days is not None and days < MIN_CERTIFICATE_DAYS:
        yield Check("certificate", FAIL, f"it expires in {days:.0f} days: renew it")


def _fallback_page_checks(settings: Settings, campaigns: Sequence[Campaign]) -> Iterator[Check]:
    """Find campaigns without a page for the time while the service does not answer."""
    from donation_card.adapters.page_folder import StaticPageFolder

    name, folder = "FALLBACK_PAGES_DIR", settings.fallback_pages_dir
    if folder is None:
        yield Check(f"{name} is not set: no page names other ways to give while the service does not answer", INFO)
        return
    try:
        found = StaticPageFolder(folder).names()
    except OSError as error:
        yield Check(name, FAIL, f"{folder}: {error.strerror}; the service must be able to write, and the proxy to read")
        return
    for each in (folder, *folder.resolve().parents):
        if not each.stat().st_mode & stat.S_IXOTH:
            yield Check(name, MANUAL, f"other users cannot enter {each}. The proxy must be able to")
    taking = [each for each in campaigns if each.status_at(datetime.now(UTC), None) is Status.OPEN]
    missing = [each.id for each in taking if not found.issuperset(each.page_names)]
    if missing:
        yield Check(name, MANUAL, f"no page of {', '.join(missing[:20])}. The warnings of /readyz say why")
    else:
        yield Check(f"{name}: pages of {len(taking)} campaigns", OK)


async def _spending_checks(settings: Settings, campaigns: Sequence[Campaign]) -> AsyncIterator[Check]:
    """Compare what was spent with each public total that the service knows."""
    import httpx

    async with httpx.AsyncClient(base_url=settings.public_url, timeout=10) as client:
        for campaign in campaigns:
            if not campaign.spendings or campaign.hidden:
                continue
            try:
                answer = await client.get(f"/v1/campaigns/{campaign.id}/progress")
                published = Money(answer.raise_for_status().json()["raised"], campaign.currency)
            except (httpx.HTTPError, ValueError, KeyError):  # _public_checks says why
                continue
            name = f"spending of {campaign.id}"
            if warning := campaign.overspending(published):
                yield Check(name, MANUAL, f"{warning}: compare [[spent]] with donation-card totals {campaign.id}")
            else:
                yield Check(f"{name}: {campaign.spent()}", OK)


def signed_event(settings: Settings) -> tuple[bytes, dict[str, str]]:
    """Sign an event of a type that does not exist: a service with the same secret answers 200 and ignores it."""
    import hmac

    body = json.dumps({"type": "donation_card.doctor", "livemode": settings.livemode}).encode()
    now = int(time.time())
    digest = hmac.digest(settings.stripe_webhook_secrets[0].encode(), f"{now}.".encode() + body, "sha256")
    return body, {"stripe-signature": f"t={now},v1={digest.hex()}"}


def _certificate_days(url: str) -> float | None:
    """Return the days until the certificate of `url` expires; None without https."""
    import socket

    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    with (
        socket.create_connection((parts.hostname, parts.port or 443), 10) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        expires = (secure.getpeercert() or {})["notAfter"]
    return (ssl.cert_time_to_seconds(str(expires)) - time.time()) / 86_400


def _manual_checks(campaigns: Sequence[Campaign]) -> list[Check]:
    """List the settings of the Stripe dashboard that its API does not show."""
    fix = "Settings → Customer emails must send a receipt for each payment; it names the recipient"
    countries = dict.fromkeys(country for campaign in campaigns for country in campaign.warned_bank_countries)
    has_warned_link = any(campaign.warned_bank_countries and campaign.fallback_url for campaign in campaigns)
    link = "Settings → Payment methods: switch Link off; a payment link would offer it and ask for a telephone number"
    return [
        Check("receipts", MANUAL, fix),
        *([Check("Link", MANUAL, link)] if has_warned_link else []),
        *(Check("Radar", MANUAL, RADAR_RULE.format(country=each)) for each in countries),
    ]
