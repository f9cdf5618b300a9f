"""Build the texts of the giving page and of the thanks.

Pure, like `card.py`: a campaign, its public progress and a catalogue in, finished text out.
"""

from typing import NamedTuple

from donation_card.domain.campaign import Campaign, SurplusPolicy
from donation_card.domain.card_fee import EUROPEAN_CARD_FEE
from donation_card.domain.money import Money
from donation_card.domain.progress import Progress
from donation_card.web.presentation.documents import CheckoutStatus, FundableNeed, GivingPageTexts
from donation_card.web.presentation.translations import Translations


class Detail(NamedTuple):
    """One row of a definition list. `url` is the address of `link`, which follows the text."""

    id: str
    term: str
    text: str
    link: str = ""
    url: str = ""


class Effect(NamedTuple):
    """A sentence about a need: the text before and after its title, and the part of it that is funded."""

    before: str
    title: str
    after: str
    funded_fraction: float


def bank_warning(countries: tuple[str, ...], t: Translations) -> dict[str, str] | None:
    """Warn against paying from a bank of these countries. Show it wherever there is a way to pay, before it."""
    if not countries:
        return None
    return {
        "title": t.translate("bank_warning.title", countries=t.country_list(countries)),
        "text": t.translate("bank_warning.text"),
        "any_way": t.translate("bank_warning.any_way"),
    }


def donation_details(campaign: Campaign, t: Translations, *, as_of: str, ways: int = 1) -> list[Detail]:
    """Return what a donor must know about the money before paying.

    `as_of` says why the public total waits. Each of several `ways` says itself who sees the payment.
    """
    rows = {
        "fee": _fee_rule(campaign, t),
        "total": f"{as_of} {t.translate('page.before_fees')}",
        "surplus": policy_text(campaign.on_surplus, campaign, t),
        "shortfall": policy_text(campaign.on_shortfall, campaign, t),
        "donor": t.translate("give.donor_data" if ways == 1 else "give.donor_data_by_way"),
    }
    return [
        recipient_detail(campaign, t),
        *(Detail(name, t.translate(f"give.detail.{name}"), text) for name, text in rows.items()),
    ]


def recipient_detail(campaign: Campaign, t: Translations) -> Detail:
    name, contact = campaign.recipient.legal_name, campaign.recipient.contact
    url = contact if contact.startswith("https://") else f"mailto:{contact}"
    return Detail("recipient", t.translate("give.detail.recipient"), name, contact, url)


def policy_text(policy: SurplusPolicy, campaign: Campaign, t: Translations) -> str:
    return t.translate(f"give.policy.{policy.value}", recipient=campaign.recipient.short_name)


def _fee_rule(campaign: Campaign, t: Translations) -> str:
    return t.translate("give.fees", fee=t.format_fee(campaign.card_fee or EUROPEAN_CARD_FEE))


def fundable_needs(campaign: Campaign, progress: Progress | None, t: Translations) -> list[FundableNeed]:
    """List the needs that are not funded yet, in order."""
    return [
        {
            "title": need.text[t.language].title,
            "amount": each.amount.amount,
            "remaining": each.amount.amount - each.funded.amount,
        }
        for need, each in zip(campaign.needs, progress.needs if progress else (), strict=False)
        if each.funded.amount < each.amount.amount
    ]


def script_texts(campaign: Campaign, progress: Progress | None, t: Translations) -> GivingPageTexts:
    """Return the texts that the script of the giving page fills in. Amounts and needs stay in braces."""
    giving, redirects = campaign.giving, campaign.redirect_methods
    amounts = {"amount": "{amount}", "need": "{need}", "remaining": "{remaining}"}
    return {
        "effect_now": t.translate("give.effect_now", **amounts),
        "effect": t.translate("give.effect", **amounts),
        "effect_covers": t.translate("give.effect_covers", **amounts),
        "effect_surplus": t.translate("give.effect_surplus", **amounts),
        "all_funded": t.translate("give.all_funded") if progress else "",  # unknown is not funded
        "fees": _fee_rule(campaign, t),
        "fee_of_gift": t.translate("give.fee_of_gift", amount="{amount}", fee="{fee}") if campaign.card_fee else "",
        "cover_fee": t.translate("give.cover_fee", amount="{amount}", fee="{fee}") if giving.offered_fee else "",
        "open": t.translate("give.redirect.open") if redirects else "",
        "open_with": t.translate("give.redirect.open_with", amount="{amount}") if redirects else "",
        "continue": t.translate("give.continue"),
        "continue_with": t.translate("give.continue_with", amount="{amount}"),
        "paying": t.translate("give.paying", amount="{amount}", recipient=campaign.recipient.short_name),
        "amount_missing": t.translate("problem.amount_missing"),
        "failed": t.translate("problem.payments_unavailable"),
        "challenge_running": t.translate("give.challenge_running"),
        "challenge_failed": t.translate("give.challenge_failed"),
        "sandboxed": t.translate("give.sandboxed"),
    }


def effect_now(campaign: Campaign, progress: Progress | None, t: Translations) -> Effect | None:
    """Return the need that gifts go to now, or None if there is none or the total is unknown."""
    for need in fundable_needs(campaign, progress, t)[:1]:
        amount, remaining = need["amount"], need["remaining"]
        missing = t.format_money(Money(remaining, campaign.currency))
        before, after = t.translate("give.effect_now", need="{need}", remaining=missing).split("{need}")
        return Effect(before, need["title"], after, (amount - remaining) / amount)
    return None


def checkout_status_json(
    campaign: Campaign, progress: Progress | None, t: Translations, status: str, amount: Money | None
) -> CheckoutStatus:
    """Describe a checkout session. `status` is open, processing, paid or expired."""
    given = t.format_money(amount) if amount else ""
    paragraphs = {
        "paid": [t.translate("thanks.paid.arrived", amount=given), *_next_update(campaign, progress, t)],
        "processing": [t.translate("thanks.processing.text", amount=given)],
        "open": [t.translate("thanks.open.text")],
        "expired": [t.translate("thanks.expired.text")],
    }[status]
    leaves_records = status in {"paid", "processing"} and campaign.warned_bank_countries
    records = ("receipt", "statement", "history") if leaves_records else ()
    return {
        "status": status,
        "title": t.translate(f"thanks.{status}.title"),
        "paragraphs": paragraphs,
        "records_title": t.translate("thanks.records") if records else "",
        "records": [t.translate(f"thanks.record.{name}") for name in records],
    }


def _next_update(campaign: Campaign, progress: Progress | None, t: Translations) -> list[str]:
    """Return when the public total is updated next. Return nothing while that is unknown."""
    rule = campaign.publication
    if rule.immediate:
        return [t.translate("thanks.paid.immediate")]
    if progress is None or progress.next_update_at is None:
        return []
    time = t.format_time(progress.next_update_at.astimezone(rule.timezone))
    step = t.format_money(Money(rule.step, campaign.currency))
    return [t.translate("thanks.paid.next_update", time=time, city=t.city_name(rule.timezone.key), step=step)]
