"""Build the texts of a campaign in one language, for the card, the pages and the images.

Pure: a campaign, its public progress and a catalogue in, finished text out. No surface for readers computes anything
from the totals itself.
"""

from itertools import accumulate

from donation_card.domain.campaign import Campaign, Status
from donation_card.domain.money import Money
from donation_card.domain.progress import NeedProgress, NeedStatus, Progress, ProgressStage
from donation_card.web.presentation.documents import CampaignCard, CampaignProgress, CardNeed, CardProgress, utc_text
from donation_card.web.presentation.picture import picture_json
from donation_card.web.presentation.spending import need_spending
from donation_card.web.presentation.translations import Translations, translations_for

HIDDEN_PROGRESS: CardProgress = {
    "stage": ProgressStage.JUST_STARTED.value,
    "percent": 0,
    "raised_text": "–",  # the card draws no campaign whose `raised_text` is empty
    "goal_text": "",
    "aria_text": "",
    "current_label": "",
    "current_need": "",
    "missing_text": "",
    "as_of_text": "",
    "next_update_at": None,
    "stale": False,
}


def progress_json(campaign: Campaign, progress: Progress) -> CampaignProgress:
    """Build the public total in numbers."""
    return {
        "campaign": campaign.id,
        "currency": campaign.currency,
        "goal": progress.goal.amount,
        "raised": progress.raised.amount,
        "percent": progress.percent,
        "stage": progress.stage.value,
        "needs": [
            {"id": need.id, "amount": need.amount.amount, "funded": need.funded.amount, "status": need.status.value}
            for need in progress.needs
        ],
        "as_of": utc_text(progress.as_of),
        "next_update_at": utc_text(progress.next_update_at) if progress.next_update_at else None,
        "stale": progress.stale,
    }


def card_json(
    campaign: Campaign, progress: Progress | None, t: Translations, status: Status, *, test: bool
) -> CampaignCard:
    """Build a campaign, ready to draw. A total that is unknown, which is not zero, says so and has no `goal_text`.

    A hidden campaign shows its recipient and one neutral line, in the same document, so that every released card can
    draw it.
    """
    text, open_now = campaign.text[t.language], status is Status.OPEN
    recipient = campaign.recipient.short_name
    card: CampaignCard = {
        "id": campaign.id,
        "lang": t.language,
        "dir": t.dir,
        "status": status.value,
        "eyebrow": recipient_name(campaign),
        "title": text.title,
        "summary": text.summary,
        "story": list(text.story),
        "picture": picture_json(campaign, t),
        "needs": _needs(campaign, progress, t, open_now=open_now),
        "progress": _progress_texts(campaign, progress, t, open_now=open_now) if progress else _unknown_progress(t),
        "update": next(iter(updates(campaign, t)), None),
        "labels": {
            "donate": t.translate("card.donate"),
            "story": t.translate("card.story"),
            "assurance": t.translate("card.assurance"),
            "close": t.translate("card.close"),
            "dialog_title": t.translate("card.dialog_title", recipient=recipient),
            "language": t.translate("card.language"),
            "needs": t.translate("card.needs"),
            "new_tab": t.translate("card.new_tab"),
        },
        "urls": {"donate": f"/c/{campaign.id}/give", "page": f"/c/{campaign.id}"},
        "languages": [
            {"lang": other, "name": translations_for(other).translate("language")} for other in campaign.languages
        ],
        "notice": notice(campaign, progress, t, status),
        "test_mode_text": t.translate("card.test_mode") if test else None,
        "emit_complete_event": campaign.emit_complete_event,
    }
    if campaign.hidden:
        card |= {
            "title": recipient,
            "summary": "",
            "story": [],
            "needs": [],
            "progress": HIDDEN_PROGRESS,
            "update": None,
        }
    return card


def recipient_name(campaign: Campaign) -> str:
    """Return the legal name with the short one: “Belarus Solidarity Foundation (BYSOL)”."""
    recipient = campaign.recipient
    if recipient.short_name in recipient.legal_name:
        return recipient.legal_name
    return f"{recipient.legal_name} ({recipient.short_name})"


def notice(campaign: Campaign, progress: Progress | None, t: Translations, status: Status) -> str | None:
    """Return the notice of a campaign that is paused, closed or funded, else None."""
    funded = progress is not None and progress.stage is ProgressStage.FUNDED
    if status is Status.HIDDEN:
        return t.translate("problem.campaign_hidden")
    if status is Status.OPEN:
        return t.translate("status.funded_open") if funded else None
    return t.translate("status.funded_closed" if is_full(campaign, progress) else f"status.{status.value}")


def is_full(campaign: Campaign, progress: Progress | None) -> bool:
    """Return True if an open campaign takes no donation because its goal is reached."""
    funded = progress is not None and progress.stage is ProgressStage.FUNDED
    return funded and campaign.status is Status.OPEN and not campaign.giving.accept_above_goal


def _needs(campaign: Campaign, progress: Progress | None, t: Translations, *, open_now: bool) -> list[CardNeed]:
    progress_of_needs = progress.needs if progress else (None,) * len(campaign.needs)
    return [
        {
            "id": need.id,
            "title": need.text[t.language].title,
            "amount": _amount_text(need.amount, each, t),
            "goal_fraction": round(need.amount.amount / campaign.goal.amount, 6),
            "funded_fraction": round(each.funded.amount / each.amount.amount, 6) if each else 0,
            "status": each.status.value if each else NeedStatus.TO_COME.value,
            "status_text": _status_text(each, t, open_now=open_now) if each else "",
            "spent_text": spent["spent_text"],
            "receipts_text": spent["receipts_text"],
        }
        for need, each in zip(campaign.needs, progress_of_needs, strict=True)
        for spent in [need_spending(campaign, need, t)]
    ]


def _amount_text(amount: Money, need: NeedProgress | None, t: Translations) -> str:
    """Return “€700”, or “€150 of €700” for a need that is partly funded."""
    if need is None or need.funded.amount in (0, amount.amount):
        return t.format_money(amount)
    return f"{t.format_money(need.funded)} {t.translate('card.goal', goal=t.format_money(amount))}"


def _status_text(need: NeedProgress, t: Translations, *, open_now: bool) -> str:
    """Return the status of a need in one word, for screen readers. Others see a tick, or the line “Now: …”."""
    if need.status is NeedStatus.FUNDED:
        return t.translate("card.need_funded")
    return t.translate("card.need_now") if need.status is NeedStatus.NEXT and open_now else ""


def _unknown_progress(t: Translations) -> CardProgress:
    said = t.translate("card.rebuilding")
    note = t.translate("card.rebuilding_note")
    return {**HIDDEN_PROGRESS, "raised_text": said, "aria_text": said, "as_of_text": note, "stale": True}


def _progress_texts(campaign: Campaign, progress: Progress, t: Translations, *, open_now: bool) -> CardProgress:
    goal, raised = t.format_money(progress.goal), t.format_money(progress.raised)
    started = progress.stage is not ProgressStage.JUST_STARTED
    funded = sum(need.status is NeedStatus.FUNDED for need in progress.needs)
    count = t.translate("card.needs_count", n=funded, of=len(progress.needs))
    current_label, current_need, missing = _current_texts(campaign, progress, t) if open_now else ("", "", "")
    return {
        "stage": progress.stage.value,
        "percent": progress.percent,
        "raised_text": raised if started else t.translate("card.just_started"),
        "goal_text": t.translate("card.goal" if started else "card.goal_just_started", goal=goal),
        "aria_text": (
            t.translate("card.progress_aria", raised=raised, goal=goal, count=count)
            if started
            else t.translate("card.progress_aria_just_started", goal=goal)
        ),
        "current_label": current_label,
        "current_need": current_need,
        "missing_text": missing,
        "as_of_text": as_of_text(campaign, progress, t),
        "next_update_at": utc_text(progress.next_update_at) if progress.next_update_at else None,
        "stale": progress.stale,
    }


def _current_texts(campaign: Campaign, progress: Progress, t: Translations) -> tuple[str, str, str]:
    """Return “Now:”, the need that gifts go to, and what it still lacks. Return nothing if all needs are funded."""
    for need, each in zip(campaign.needs, progress.needs, strict=True):
        if each.status is NeedStatus.NEXT:
            label = t.translate("card.now" if progress.raised.amount else "card.first")
            missing = t.translate("card.missing", amount=t.format_money(each.amount - each.funded))
            return label, need.text[t.language].title, missing
    return "", "", ""


def offline_donations(campaign: Campaign, progress: Progress | None, t: Translations) -> list[dict[str, str]]:
    """Return the offline donations that are listed singly, newest first.

    One that is new at the end of the file waits until the public total is decided again, so that both agree.
    """
    sums = accumulate(each.amount.amount for each in campaign.listed_donations)
    decided = progress.listed if progress else 0
    shown = [each for each, total in zip(campaign.listed_donations, sums, strict=True) if total <= decided]
    return [
        {
            "date": t.format_date(each.date),
            "source": each.source[t.language],
            "amount": t.format_money(each.amount),
        }
        for each in sorted(shown, key=lambda donation: donation.date, reverse=True)
    ]


def updates(campaign: Campaign, t: Translations) -> list[str]:
    """Return the updates, newest first: “Nov 24, 2026 · March rent paid”."""
    return [f"{t.format_date(update.date)}\u00a0· {update.text[t.language]}" for update in campaign.updates]


def as_of_text(campaign: Campaign, progress: Progress, t: Translations) -> str:
    """Return the time of the public total in the campaign's time zone, and why a newer one waits."""
    if progress.stale:
        return t.translate("card.as_of_stale", as_of=t.format_datetime(progress.as_of))
    if progress.next_update_at is None:
        return t.translate("card.as_of_immediate")
    if campaign.publication.is_daily:
        return t.translate("card.as_of_daily", as_of=t.format_day(progress.as_of))
    return t.translate("card.as_of", as_of=t.format_datetime(progress.as_of))
