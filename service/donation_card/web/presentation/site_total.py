"""Describe the total of one site, for the page, the API and the badge."""

from datetime import datetime
from typing import NamedTuple

from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money
from donation_card.domain.publication import PublishedTotal, current_period
from donation_card.domain.site_total import SiteTotal
from donation_card.web.presentation.documents import SiteProgress, utc_text
from donation_card.web.presentation.translations import Translations


class SiteTotalTexts(NamedTuple):
    """The title, and the notes below it. For the badge, the title has two parts, and one note says purpose and day."""

    title: str
    notes: tuple[str, ...]
    given_by: str
    amount: str
    badge_note: str


def site_total_json(campaign: Campaign, site: SiteTotal, total: PublishedTotal) -> SiteProgress:
    as_of, following = _times(site, total)
    return {
        "campaign": campaign.id,
        "host": site.host,
        "currency": campaign.currency,
        "raised": total.raised,
        "step": site.publication.step,
        "as_of": utc_text(as_of),
        "next_update_at": utc_text(following),
        "stale": total.stale,
    }


def site_total_texts(campaign: Campaign, site: SiteTotal, total: PublishedTotal, t: Translations) -> SiteTotalTexts:
    """Return the texts. A total of 0 is no total yet: no gift and a small sum look the same."""
    as_of, following = _times(site, total)
    when = t.translate(
        "card.as_of_stale" if total.stale else "site.as_of",
        **{"as_of": t.format_day(as_of)} | ({} if total.stale else {"next": t.format_day(following)}),
    )
    step = t.format_money(Money(site.publication.step, campaign.currency))
    steps = t.translate("site.steps", step=step)
    note = f"{purpose_line(campaign, t)} · {t.format_day(as_of)}"
    if total.raised:
        amount = t.format_money(Money(total.raised, campaign.currency))
        title = t.translate("site.given", site=site.host, amount=amount)
        return SiteTotalTexts(title, (steps, when), t.translate("site.given_by", site=site.host), amount, note)
    title, notes = (
        t.translate("site.nothing", site=site.host),
        (t.translate("site.nothing_why", step=step), steps, when),
    )
    return SiteTotalTexts(title, notes, site.host, t.translate("site.nothing_short"), note)


def purpose_line(campaign: Campaign, t: Translations) -> str:
    """Return “To BYSOL, for Vitaly”."""
    names = {"recipient": campaign.recipient.short_name, "purpose": campaign.text[t.language].purpose}
    return t.translate("give.recipient_and_purpose", **names)


def _times(site: SiteTotal, total: PublishedTotal) -> tuple[datetime, datetime]:
    """Return the start of the period of the total and of the next one, in the time zone of the campaign."""
    as_of = datetime.fromtimestamp(total.period_start, site.publication.timezone)
    following = datetime.fromtimestamp(current_period(site.publication, as_of)[1], site.publication.timezone)
    return as_of, following
