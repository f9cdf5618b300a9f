"""Build the texts about what was spent, and the closing report of a campaign.

Pure, like `card.py`: a campaign, its public progress and a catalogue in, finished text out.
"""

from itertools import accumulate

from donation_card.domain.campaign import Campaign, Need
from donation_card.domain.money import Money
from donation_card.domain.picture import Picture
from donation_card.domain.progress import Progress, ProgressStage
from donation_card.domain.spending import Spending
from donation_card.web.presentation.documents import CampaignSpending, NeedSpending, Receipt, SpendingEntry
from donation_card.web.presentation.giving import Detail, policy_text
from donation_card.web.presentation.picture import picture_path
from donation_card.web.presentation.translations import Translations

_TEXTS_LENGTH = 60
"""Characters that the texts under a need have together, if there are several. The campaign page lists all spendings."""


def spending_json(campaign: Campaign, t: Translations) -> CampaignSpending:
    """Build what was spent, newest first, and the sum of each need."""
    return {
        "campaign": campaign.id,
        "lang": t.language,
        "currency": campaign.currency,
        "spent": campaign.spent().amount,
        "spent_text": t.format_money(campaign.spent()),
        "needs": [need_spending(campaign, need, t) for need in campaign.needs],
        "spendings": [
            _entry(number, each, t)
            for number, each in zip(range(len(campaign.spendings), 0, -1), campaign.spendings, strict=True)
        ],
    }


def spent_text(amount: Money, texts: list[str], t: Translations) -> str:
    """Return “€800 spent: Rent for October; Rent for November”."""
    return t.translate("page.spent_on", amount=t.format_money(amount), texts="; ".join(texts))


def closing_report(campaign: Campaign, progress: Progress, t: Translations) -> list[Detail]:
    """Return the rows of the report: given, spent by need, left, and what happens with the rest.

    All sums come from the public total and the campaign file. So a gift within a publication period changes nothing.
    Without any spending in the file, it is unknown what is left.
    """
    given, spent = progress.raised, t.translate("report.spent")
    rows = [Detail("report-given", t.translate("report.given"), t.format_money(given))]
    if campaign.spendings:
        rows += [
            Detail(
                f"report-spent-{need.id}",
                f"{spent}: {need.text[t.language].title}",
                t.format_money(campaign.spent(need.id)),
            )
            for need in campaign.needs
        ]
        left = Money(max(0, given.amount - campaign.spent().amount), campaign.currency)
        rows.append(Detail("report-left", t.translate("report.left"), t.format_money(left)))
    else:
        rows.append(Detail("report-spent", spent, t.translate("report.not_reported")))
    funded = progress.stage is ProgressStage.FUNDED
    name, policy = ("surplus", campaign.on_surplus) if funded else ("shortfall", campaign.on_shortfall)
    return [*rows, Detail("report-rest", t.translate(f"give.detail.{name}"), policy_text(policy, campaign, t))]


def need_spending(campaign: Campaign, need: Need, t: Translations) -> NeedSpending:
    """Build the sum of one need. Its line is the same on the card and on the campaign page."""
    entries, spent = [each for each in campaign.spendings if each.need == need.id], campaign.spent(need.id)
    receipts = {each.receipt for each in entries if each.receipt}
    reasons = [each.over[t.language] for each in entries if each.over] if need.amount < spent else []
    return {
        "id": need.id,
        "title": need.text[t.language].title,
        "spent": spent.amount,
        "spent_text": spent_text(spent, _newest([each.text[t.language] for each in entries]), t) if entries else "",
        "receipts_text": t.translate("page.receipts", n=len(receipts)) if receipts else "",
        "over_text": " ".join(reasons),
    }


def _newest(texts: list[str]) -> list[str]:
    """Return the newest texts that fit into one line, oldest first. Others before them become “…”."""
    lengths = accumulate(map(len, texts))
    fitting = max(1, sum(length <= _TEXTS_LENGTH for length in lengths))
    return ["…"] * (fitting < len(texts)) + texts[:fitting][::-1]


def _entry(number: int, spending: Spending, t: Translations) -> SpendingEntry:
    date_text = t.format_month(spending.date) if spending.month_only else t.format_date(spending.date)
    amount_text = t.format_money(spending.amount)
    texts = {"text": spending.text[t.language], "amount": amount_text, "date": date_text}
    return {
        "id": f"spent-{number}",
        "need": spending.need,
        "date": spending.iso_date,
        "date_text": date_text,
        "amount": spending.amount.amount,
        "amount_text": amount_text,
        "text": spending.text[t.language],
        "receipt": _receipt(spending.receipt, t.translate("page.receipt_alt", **texts)) if spending.receipt else None,
    }


def _receipt(image: Picture, alt: str) -> Receipt:
    """Describe the largest image. Every browser shows a JPEG file."""
    width = max(image.widths)
    return {"url": picture_path(image, width, "jpg"), "width": width, "height": image.height(width), "alt": alt}
