"""A campaign: what is needed, for whom, who receives it, and on which terms it is published.

Everything here comes from one file (`adapters/campaign_files.py` reads it and names every mistake).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from donation_card.domain.money import Money
from donation_card.domain.publication import PublicationPolicy
from donation_card.errors import Invalid

LANGUAGES = ("en", "be", "ru", "uk", "lt", "pl", "de")
"""The languages that have a catalogue in `web/locales/`; English is canonical."""


class Status(Enum):
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"
    HIDDEN = "hidden"


class SurplusPolicy(Enum):
    """What becomes of gifts above the goal, or of a sum below it at the end."""

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
    """The campaign in one language. `summary` is two or three sentences; `story` is what the disclosure holds.

    `purpose` completes "To BYSOL, …": "for Vitaly", in the case the language asks for.
    """

    title: str
    purpose: str
    summary: str
    story: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who receives the money. `short_name` goes on the card; the rest on the giving page."""

    short_name: str
    legal_name: str
    contact: str
    statement_descriptor: str


@dataclass(frozen=True, slots=True)
class DonationTerms:
    """Terms of one gift. Amounts in minor units of the campaign's currency, as Money."""

    suggested: tuple[Money, ...]
    minimum: Money
    maximum: Money
    allow_minor_units: bool
    accept_above_goal: bool
    """Whether gifts are still taken once the goal is reached."""


@dataclass(frozen=True, slots=True)
class OfflineDonation:
    """Money that did not come through Stripe: from a concert, say. `source`: language → where from."""

    date: date
    amount: Money
    source: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Update:
    """What has happened since: "March rent paid". `text`: language → a line."""

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
    """ISO 3166 codes of states whose banks a donor must not pay from; empty: no warning."""
    publisher_hosts: tuple[str, ...] = ()
    """Host names that may frame the giving page and are counted by name; empty: any https site, counted as other."""
    stripe_locales: Mapping[str, str] | None = None
    """Our language → Stripe's locale, where Stripe has none of that name (be, uk)."""
    fallback_url: str | None = None
    emit_complete_event: bool = False
    ends_at: datetime | None = None
    offline_donations: tuple[OfflineDonation, ...] = ()
    updates: tuple[Update, ...] = ()
    """Newest first."""

    @property
    def hidden(self) -> bool:
        """The kill switch: no text, picture or figure of it is shown anywhere; money that moves is still counted."""
        return self.status is Status.HIDDEN

    @property
    def currency(self) -> str:
        return self.goal.currency

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(language for language in LANGUAGES if language in self.text)

    @property
    def offline_total(self) -> Money:
        return Money(sum(donation.amount.amount for donation in self.offline_donations), self.currency)

    @property
    def fallback_params(self) -> dict[str, str | int]:
        """Parameters of an error that lead a donor back to the form, or to another way to give."""
        if not self.fallback_url:
            return {"campaign": self.id}
        warned = ",".join(self.warned_bank_countries)
        return {"campaign": self.id, "fallback_url": self.fallback_url, "warned_bank_countries": warned}

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

    def best_language(self, preferred: tuple[str, ...]) -> str:
        """The first wanted language this campaign speaks, else its own default."""
        return next((tag for tag in preferred if tag in self.text), self.default_language)

    def has_ended(self, now: datetime) -> bool:
        return self.ends_at is not None and now >= self.ends_at

    def site_label(self, host: str | None) -> str:
        return host if host in self.publisher_hosts else "other"

    def accepts_donations(self, now: datetime, raised: int | None) -> bool:
        """Whether a gift can be made now. `raised`: the public figure in minor units, None while unknown."""
        funded = raised is not None and raised >= self.goal.amount
        return self.status is Status.OPEN and not self.has_ended(now) and (self.giving.accept_above_goal or not funded)
