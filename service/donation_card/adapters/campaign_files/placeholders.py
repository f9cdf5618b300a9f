"""Refuse the placeholders of the shipped campaign file while the key takes real money."""

import re
from collections.abc import Iterator

from donation_card.adapters.campaign_files.quoting import quote_value
from donation_card.domain.campaign import Campaign
from donation_card.errors import ConfigFault

_RESERVED_HOST = re.compile(r"([^/]*[@.]|https://([^/]*\.)?)(example(\.(com|net|org))?|test|invalid|localhost)(/.*)?")
"""An e-mail or web address on a domain for examples and tests (RFC 2606, RFC 6761)."""

_EXAMPLE_ACCOUNTS = {"LT601010012345678901", "DE89370400440532013000"}
"""The accounts in our documentation and in that of many others."""

_DESCRIPTOR = "DONATION CARD"
"""The text in the shipped campaign file."""


def placeholder_faults(campaign: Campaign) -> list[ConfigFault]:
    """Return a fault for each field that still has a placeholder."""
    return [*_faults(campaign)]


def _faults(campaign: Campaign) -> Iterator[ConfigFault]:
    recipient = campaign.recipient
    addresses = {"recipient.contact": recipient.contact, "fallback_url": campaign.fallback_url or ""}
    addresses |= {f"other_ways[{at}].url": way.url for at, way in enumerate(campaign.other_ways)}
    for field, value in addresses.items():
        if _RESERVED_HOST.fullmatch(value):
            yield _fault(campaign, field, value, "an address of your own with a live key, not an example")
    if campaign.bank_transfer and campaign.bank_transfer.iban in _EXAMPLE_ACCOUNTS:
        yield _fault(campaign, "bank_transfer.iban", campaign.bank_transfer.iban, "your account, not an example")
    if recipient.statement_descriptor.upper() == _DESCRIPTOR:
        allowed = "with a live key, the text that Stripe prints on bank statements for your account"
        yield _fault(campaign, "recipient.statement_descriptor", recipient.statement_descriptor, allowed)


def _fault(campaign: Campaign, field: str, value: str, allowed: str) -> ConfigFault:
    return ConfigFault(f"{campaign.id}.toml", field, quote_value(value), allowed)
