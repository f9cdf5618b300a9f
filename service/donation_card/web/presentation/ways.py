"""Describe the ways to give, for the giving page, the page of a transfer and error pages.

Pure, like `giving.py`. An account is shown on these pages only: no API document, feed or card contains it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from donation_card.domain.bank_transfer import BankTransfer
from donation_card.domain.campaign import Campaign, OtherWay
from donation_card.domain.money import Money
from donation_card.domain.ways_to_give import WayKind, WayToGive
from donation_card.web.presentation.translations import Translations


class TransferField(NamedTuple):
    """One field to copy: its label, the text to show, and the value that a bank's form takes."""

    id: str
    label: str
    text: str
    value: str


class TransferView(NamedTuple):
    """`url` is the page of this transfer, `code_url` the picture of its QR code."""

    url: str
    code_url: str
    fields: list[TransferField]
    notes: list[str]


class LinkView(NamedTuple):
    url: str
    host: str
    notes: list[str]


class WayView(NamedTuple):
    """`id` is the value of the form field `way`. `kind` decides which of the last fields there is."""

    id: str
    kind: str
    title: str
    note: str
    cover_fee: str = ""
    transfer: TransferView | None = None
    link: LinkView | None = None


def describe_ways(campaign: Campaign, ways: Sequence[WayToGive], t: Translations, *, test: bool) -> list[WayView]:
    """Describe each way. `test`: payments at Stripe move no real money, but all others do."""
    return [_describe(campaign, way, at, t, test=test) for at, way in enumerate(ways)]


def _describe(campaign: Campaign, way: WayToGive, at: int, t: Translations, *, test: bool) -> WayView:
    kind = way.kind.value
    if way.link:
        link = _link(campaign, way.link, t, test=test)
        return WayView(f"{kind}-{at}", kind, way.link.text[t.language].title, f"{link.host} ↗", link=link)
    note = t.translate(f"give.way.{kind}_note")
    if way.methods:
        return WayView(kind, kind, ", ".join(way.methods), f"{note} ↗")
    transfer = transfer_view(campaign, way.transfer, None, t, test=test) if way.transfer else None
    cover_fee = _cover_fee(campaign, t) if way.kind is WayKind.CARD else ""
    return WayView(kind, kind, t.translate(f"give.way.{kind}"), note, cover_fee, transfer)


def _cover_fee(campaign: Campaign, t: Translations) -> str:
    """Return the offer to cover the fee of any amount. Empty: the campaign makes none."""
    fee = campaign.giving.offered_fee
    return t.translate("give.cover_fee_rule", fee=t.format_fee(fee)) if fee else ""


def _link(campaign: Campaign, link: OtherWay, t: Translations, *, test: bool) -> LinkView:
    text = link.text[t.language]
    counts = t.translate("give.link.counts", recipient=campaign.recipient.short_name)
    return LinkView(link.url, urlsplit(link.url).netloc, [text.text, text.traces, counts, *_real_money(t, test=test)])


def transfer_view(
    campaign: Campaign, transfer: BankTransfer, amount: Money | None, t: Translations, *, test: bool
) -> TransferView:
    """Describe a transfer of this amount, or of any amount."""
    recipient = campaign.recipient.short_name
    notes = [
        t.translate("give.transfer.records", holder=transfer.holder, recipient=recipient),
        t.translate("give.transfer.counts", recipient=recipient),
        *_real_money(t, test=test),
    ]
    code_url = f"/c/{campaign.id}/transfer.svg" + (f"?amount={plain_amount(amount)}" if amount else "")
    return TransferView(transfer_url(campaign, amount, t), code_url, list(_fields(transfer, amount, t)), notes)


def transfer_url(campaign: Campaign, amount: Money | None, t: Translations) -> str:
    """Return the path of the page of a transfer."""
    return f"/c/{campaign.id}/transfer?lang={t.language}" + (f"&amount={plain_amount(amount)}" if amount else "")


def _fields(transfer: BankTransfer, amount: Money | None, t: Translations) -> Iterator[TransferField]:
    yield TransferField("holder", t.translate("give.transfer.holder"), transfer.holder, transfer.holder)
    yield TransferField("iban", "IBAN", _in_fours(transfer.iban), transfer.iban)
    if transfer.bic:
        yield TransferField("bic", "BIC", transfer.bic, transfer.bic)
    reference = transfer.reference
    yield TransferField("reference", t.translate("give.transfer.reference"), _in_fours(reference), reference)
    text = t.format_money(amount) if amount else ""
    value = plain_amount(amount).replace(".", t.amount_format("EUR")["decimal"]) if amount else ""
    yield TransferField("amount", t.translate("give.transfer.amount"), text, value)


def _real_money(t: Translations, *, test: bool) -> list[str]:
    return [t.translate("give.real_money")] if test else []


def _in_fours(text: str) -> str:
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def plain_amount(money: Money) -> str:
    """Format an amount for a form field or an address: `25`, `2.50`."""
    digits = str(money).partition(" ")[0]
    return digits.partition(".")[0] if money.is_whole else digits
