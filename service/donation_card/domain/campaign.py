"""A campaign as its file describes it (`adapters/campaign_files/`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from donation_card.domain.bank_transfer import BankTransfer, ImportedTransfers
from donation_card.domain.card_fee import EUROPEAN_CARD_FEE, CardFee
from donation_card.domain.money import Money
from donation_card.domain.picture import CampaignPicture, Picture
from donation_card.domain.publication import PublicationPolicy
from donation_card.domain.site_total import SiteTotal
from donation_card.domain.spending import Spending
from donation_card.domain.totals import totals_name
from donation_card.errors import Invalid

LANGUAGES = ("en", "be", "ru", "uk", "lt", "pl", "de")
"""The languages with a catalogue in `web/locales/`. English is the reference."""


class Status(Enum):
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"
    HIDDEN = "hidden"


class SurplusPolicy(Enum):
    """The use of money above the goal, or of a sum that stays below it."""

    UNDECIDED = "undecided"
    SAME_PERSON = "same_person"
    OTHER_CAMPAIGNS = "other_campaigns"


@dataclass(frozen=True, slots=True)
class NeedText:
    title: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    id: str
    amount: Money
    text: Mapping[str, NeedText]


@dataclass(frozen=True, slots=True)
class CampaignText:
    """The campaign in one language. `summary` has two or three sentences. `story` is shown on request.

    `purpose` continues "To BYSOL, …", for example "for Vitaly", in the grammatical case of the language.
    """

    title: str
    purpose: str
    summary: str
    story: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipient:
    """The receiver of the money. The card shows `short_name`, the giving page everything."""

    short_name: str
    legal_name: str
    contact: str
    statement_descriptor: str


@dataclass(frozen=True, slots=True)
class DonationTerms:
    """Terms of one donation."""

    suggested: tuple[Money, ...]
    minimum: Money
    maximum: Money
    allow_minor_units: bool
    accept_above_goal: bool
    """Accept donations after the goal is reached."""
    offered_fee: CardFee | None = None
    """The fee that donors are offered to add to a gift by card."""


@dataclass(frozen=True, slots=True)
class OfflineDonation:
    """Money that did not come through Stripe, for example from a concert. `source` by language.

    `listed` shows it singly on the campaign page, so it must not be the gift of one person.
    """

    date: date
    amount: Money
    source: Mapping[str, str]
    listed: bool = False


@dataclass(frozen=True, slots=True)
class OtherWayText:
    """`traces` says what remains of such a gift, for example a line on a statement."""

    title: str
    text: str
    traces: str


@dataclass(frozen=True, slots=True)
class OtherWay:
    """A way to give outside this service. Such a gift counts when the organiser enters it."""

    url: str
    text: Mapping[str, OtherWayText]


@dataclass(frozen=True, slots=True)
class Update:
    """One line of news, for example "March rent paid". `text` by language."""

    date: date
    text: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Campaign:
    id: str
    status: Status
    goal: Money
    needs: tuple[Need, ...]
    text: Mapping[str, CampaignText]
    default_language: str
    recipient: Recipient
    giving: DonationTerms
    publication: PublicationPolicy
    on_surplus: SurplusPolicy
    on_shortfall: SurplusPolicy
    warned_bank_countries: tuple[str, ...] = ()
    """ISO 3166 codes of countries whose banks endanger donors. The donation page warns about them."""
    redirect_methods: tuple[str, ...] = ()
    """The types in `redirect_methods.REDIRECT_METHODS` that donors can choose on Stripe's page."""
    publisher_hosts: tuple[str, ...] = ()
    """Hosts that may embed the giving page and are counted by name. Empty: any https site, counted as `other`."""
    site_totals: tuple[SiteTotal, ...] = ()
    """The totals of single publishers that may be read. Without one, no total of a site is public."""
    stripe_locales: Mapping[str, str] | None = None
    """Stripe's locale for languages that Stripe does not have (be, uk)."""
    fallback_url: str | None = None
    emit_complete_event: bool = False
    ends_at: datetime | None = None
    offline_donations: tuple[OfflineDonation, ...] = ()
    bank_transfer: BankTransfer | None = None
    imported_transfers: ImportedTransfers | None = None
    other_ways: tuple[OtherWay, ...] = ()
    updates: tuple[Update, ...] = ()
    """Newest first."""
    spendings: tuple[Spending, ...] = ()
    """Newest first."""
    picture: CampaignPicture | None = None

    @property
    def hidden(self) -> bool:
        """Return True if the campaign is shown nowhere. Its money is still counted."""
        return self.status is Status.HIDDEN

    @property
    def currency(self) -> str:
        return self.goal.currency

    @property
    def card_fee(self) -> CardFee | None:
        """Return the fee that the giving page shows, or None if nobody knows it in this currency."""
        return self.giving.offered_fee or (EUROPEAN_CARD_FEE if self.currency == "EUR" else None)

    @property
    def totals_name(self) -> str:
        return totals_name(self.id, self.currency)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(language for language in LANGUAGES if language in self.text)

    @property
    def page_names(self) -> tuple[str, ...]:
        """Return the names of the static pages for the proxy, such as `vitaly.de`."""
        return tuple(f"{self.id}.{language}" for language in self.languages)

    @property
    def offline_total(self) -> Money:
        return Money(sum(donation.amount.amount for donation in self.offline_donations), self.currency)

    @property
    def outside_stripe(self) -> Money:
        """Return all money that did not come through Stripe: offline donations and imported transfers."""
        imported = self.imported_transfers
        return self.offline_total + (imported.total if imported else Money(0, self.currency))

    @property
    def listed_donations(self) -> tuple[OfflineDonation, ...]:
        return tuple(donation for donation in self.offline_donations if donation.listed)

    @property
    def receipts(self) -> tuple[Picture, ...]:
        return tuple(each.receipt for each in self.spendings if each.receipt)

    @property
    def image_files(self) -> dict[str, Picture]:
        """Return every image file of the campaign, by its place in the campaign file."""
        receipts = {f"receipt {each.path.rpartition('/')[2]}": each for each in self.receipts}
        return ({"picture": self.picture.image} if self.picture else {}) | receipts

    def spent(self, need_id: str | None = None) -> Money:
        """Return the sum of the spendings on one need, or of all."""
        sums = (each.amount.amount for each in self.spendings if need_id in (None, each.need))
        return Money(sum(sums), self.currency)

    def overspending(self, published: Money) -> str | None:
        """Describe for the operator that more was spent than the public total, or return None."""
        more = self.spent() - published
        return f"{self.spent()} spent, {more} more than the public total" if more.amount > 0 else None

    @property
    def shown_transfer(self) -> BankTransfer | None:
        """Return the account that donors may see. A statement names it, so a campaign that warns must accept that."""
        transfer = self.bank_transfer
        return transfer if transfer and (transfer.accept_named_statement or not self.warned_bank_countries) else None

    @property
    def fallback_params(self) -> dict[str, str | int]:
        """Parameters of an error that lead a donor back to the form, or to another way to give."""
        params: dict[str, str | int] = {"campaign": self.id}
        return params | {"fallback_url": self.fallback_url} if self.fallback_url else params

    def check_amount(self, amount: Money) -> None:
        """Raise Invalid (`amount_*`) if one donation of this amount is not possible."""
        giving = self.giving
        if amount.currency != self.currency:
            raise Invalid("amount_not_a_number", given=str(amount))
        given: dict[str, str | int] = {"given": amount.amount, "currency": amount.currency}
        if amount < giving.minimum:
            raise Invalid("amount_below_minimum", minimum=giving.minimum.amount, **given)
        if giving.maximum < amount:
            contact = self.recipient.contact
            raise Invalid("amount_above_maximum", maximum=giving.maximum.amount, contact=contact, **given)
        if not amount.is_chargeable:
            raise Invalid("amount_not_chargeable", **given)

    def fee_to_add(self, gift: Money) -> Money:
        """Return what covers the fee of a gift. Raise Invalid if this campaign does not offer it."""
        if self.giving.offered_fee is None:
            raise Invalid(field="cover_fee", reason="this campaign does not offer it")
        return self.giving.offered_fee.to_add(gift)

    def has_ended(self, now: datetime) -> bool:
        return self.ends_at is not None and now >= self.ends_at

    def site_label(self, host: str) -> str:
        return host if host in self.publisher_hosts else "other"

    def status_at(self, now: datetime, raised: int | None) -> Status:
        """Return the status at a time: a campaign also closes at its end, and at a goal above which it accepts nothing.

        `raised` is the public total in minor units, None if unknown. Donations are possible while the status is OPEN.
        """
        full = raised is not None and raised >= self.goal.amount and not self.giving.accept_above_goal
        closed = self.has_ended(now) or (full and self.status is Status.OPEN)
        return Status.CLOSED if closed and not self.hidden else self.status
