"""The view: what a campaign looks like in one language, as the values that card and pages draw from.

Pure: a campaign, its published progress and a catalogue in, finished text out. No reader's surface derives anything
from the ledger itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from donation_card.domain.campaign import Campaign, Status
from donation_card.domain.money import Money
from donation_card.domain.progress import NeedProgress, NeedStatus, Progress, ProgressStage
from donation_card.web.presentation.translations import Translations, translations_for

Json = dict[str, Any]

_NOTHING: Final[Json] = {
    "stage": ProgressStage.JUST_STARTED.value,
    "percent": 0,
    "figure": "–",
    "goal": "",
    "text": "",
    "when": "",
    "next_change": None,
    "stale": False,
}


def progress_json(campaign: Campaign, progress: Progress) -> Json:
    """The answer of `/v1/campaigns/{id}/progress`: integers in minor units."""
    return {
        "campaign": campaign.id,
        "currency": campaign.currency,
        "goal": progress.goal.amount,
        "raised": progress.raised.amount,
        "offline": progress.offline.amount,
        "percent": progress.percent,
        "stage": progress.stage.value,
        "needs": [
            {"id": need.id, "amount": need.amount.amount, "funded": need.funded.amount, "state": need.status.value}
            for need in progress.needs
        ],
        "as_of": _instant(progress.as_of),
        "next_change": progress.next_update_at and _instant(progress.next_update_at),
        "stale": progress.stale,
    }


def card_json(campaign: Campaign, progress: Progress | None, t: Translations, *, open_now: bool, test: bool) -> Json:
    """The answer of `/v1/campaigns/{id}`. Without a figure (unknown), `progress` is None: for our pages alone.

    A hidden campaign is its recipient and one neutral line, in the same shape, so that every released card draws it.
    """
    text = campaign.text[t.language]
    redacted: Json = {
        "title": campaign.recipient.short_name,
        "summary": "",
        "story": [],
        "needs": [],
        "progress": _NOTHING,
        "update": None,
    }
    return {
        "id": campaign.id,
        "lang": t.language,
        "dir": t.dir,
        "status": _status(campaign, open_now),
        "kicker": t.translate("card.eyebrow", recipient=campaign.recipient.short_name),
        "title": text.title,
        "summary": text.summary,
        "story": list(text.story),
        "needs": _needs(campaign, progress, t, open_now=open_now),
        "progress": progress and _progress_texts(progress, t),
        "update": next(iter(updates(campaign, t)), None),
        "labels": {
            "donate": t.translate("card.donate"),
            "story": t.translate("card.story"),
            "foot": t.translate("card.privacy_note"),
            "close": t.translate("card.close"),
            "frame": t.translate("card.dialog_title", recipient=campaign.recipient.short_name),
            "language": t.translate("card.language"),
            "needs": t.translate("card.needs"),
            "new_tab": t.translate("card.new_tab"),
        },
        "urls": {"give": f"/c/{campaign.id}/give", "page": f"/c/{campaign.id}"},
        "languages": [
            {"lang": other, "name": translations_for(other).translate("language")} for other in campaign.languages
        ],
        "notice": notice(campaign, progress, t, open_now=open_now),
        "ribbon": t.translate("card.test_mode") if test else None,
        "complete_event": campaign.emit_complete_event,
        **(redacted if campaign.hidden else {}),
    }


def notice(campaign: Campaign, progress: Progress | None, t: Translations, *, open_now: bool) -> str | None:
    """What stands where gifts are not taken, or are taken beyond the goal."""
    funded = progress is not None and progress.stage is ProgressStage.FUNDED
    if not open_now and campaign.status is Status.OPEN and funded and not campaign.giving.accept_above_goal:
        return t.translate("status.funded_closed")
    if campaign.hidden:
        return t.translate("problem.campaign_hidden")
    if not open_now:
        return t.translate("status.paused" if campaign.status is Status.PAUSED else "status.closed")
    return t.translate("status.funded_open") if funded else None


def bank_warning(states: tuple[str, ...], t: Translations) -> Json | None:
    """Not from a bank of these states (`warned_bank_countries`): wherever there is a way to pay, before it."""
    if not states:
        return None
    return {
        "title": t.translate("bank_warning.title", countries=t.country_list(states)),
        "text": t.translate("bank_warning.text"),
    }


def surplus_texts(campaign: Campaign, t: Translations) -> tuple[str, str]:
    """What happens above the goal, and below it at the end."""
    recipient = campaign.recipient.short_name
    return (
        t.translate(f"give.surplus.{campaign.on_surplus.value}", recipient=recipient),
        t.translate(f"give.shortfall.{campaign.on_shortfall.value}", recipient=recipient),
    )


def donation_details(campaign: Campaign, t: Translations) -> list[str]:
    """What the donor is told about the money before paying, one sentence each."""
    recipient = campaign.recipient
    return [
        t.translate("give.receives", legal_name=recipient.legal_name),
        t.translate("give.contact", contact=recipient.contact),
        t.translate("give.statement_descriptor", descriptor=recipient.statement_descriptor),
        t.translate("give.fees"),
        *surplus_texts(campaign, t),
    ]


def fundable_needs(campaign: Campaign, progress: Progress | None, t: Translations) -> list[Json]:
    """The needs a gift can still reach, in order; `missing` in minor units."""
    found = []
    for need, state in zip(campaign.needs, progress.needs if progress else (), strict=False):
        missing = state.amount - state.funded
        if missing.amount:
            title = need.text[t.language].title
            said = t.translate("give.allocated", need=title, missing=t.format_money(missing))
            found.append({"id": need.id, "title": title, "missing": missing.amount, "text": said})
    return found


def checkout_status_json(
    campaign: Campaign, progress: Progress | None, t: Translations, status: str, amount: Money | None
) -> Json:
    """What is true of a checkout session now. `status`: open, processing, paid or expired."""
    given = t.format_money(amount) if amount else ""
    paragraphs = {
        "paid": [t.translate("thanks.paid.counted", amount=given), *_review(campaign, progress, t)],
        "processing": [t.translate("thanks.processing.text", amount=given)],
        "open": [t.translate("thanks.open.text")],
        "expired": [t.translate("thanks.expired.text")],
    }[status]
    if status in {"paid", "processing"} and campaign.warned_bank_countries:
        paragraphs.append(t.translate("thanks.paid.records"))
    return {"status": status, "title": t.translate(f"thanks.{status}.title"), "paragraphs": paragraphs}


def _review(campaign: Campaign, progress: Progress | None, t: Translations) -> list[str]:
    """When the public figure moves; nothing where that is not known just now."""
    rule = campaign.publication
    if rule.immediate:
        return [t.translate("thanks.paid.immediate")]
    if progress is None or progress.next_update_at is None:
        return []
    time = t.format_time(progress.next_update_at.astimezone(rule.timezone))
    step = t.format_money(Money(rule.step, campaign.currency))
    return [t.translate("thanks.paid.next_update", time=time, city=t.city_name(rule.timezone.key), step=step)]


def _status(campaign: Campaign, open_now: bool) -> str:
    if campaign.status is Status.OPEN and not open_now:
        return Status.CLOSED.value
    return campaign.status.value


def _needs(campaign: Campaign, progress: Progress | None, t: Translations, *, open_now: bool) -> list[Json]:
    states = progress.needs if progress else (None,) * len(campaign.needs)
    return [
        {
            "id": need.id,
            "title": need.text[t.language].title,
            "amount": t.format_money(need.amount),
            "share": round(need.amount.amount / campaign.goal.amount, 6),
            "filled": round(state.funded.amount / state.amount.amount, 6) if state else 0,
            "state": state.status.value if state else NeedStatus.TO_COME.value,
            "note": _status_text(state, t, open_now=open_now) if state else "",
        }
        for need, state in zip(campaign.needs, states, strict=True)
    ]


def _status_text(need: NeedProgress, t: Translations, *, open_now: bool) -> str:
    """Where no gifts are taken nothing is next or to come; what was given is still said."""
    if need.status is NeedStatus.FUNDED:
        return t.translate("card.need_funded")
    if need.funded.amount:
        key = "card.need_next_partly" if open_now else "card.need_partly"
        return t.translate(key, amount=t.format_money(need.funded))
    return t.translate(f"card.need_{need.status.value}") if open_now else ""


def _progress_texts(progress: Progress, t: Translations) -> Json:
    goal, raised = t.format_money(progress.goal), t.format_money(progress.raised)
    started = progress.stage is not ProgressStage.JUST_STARTED
    funded = sum(need.status is NeedStatus.FUNDED for need in progress.needs)
    count = t.translate("card.needs_count", n=funded, of=len(progress.needs))
    return {
        "stage": progress.stage.value,
        "percent": progress.percent,
        "figure": raised if started else t.translate("card.just_started"),
        "goal": t.translate("card.goal", goal=goal) if started else t.translate("card.goal_just_started", goal=goal),
        "text": (
            t.translate("card.progress_aria", raised=raised, goal=goal, count=count)
            if started
            else t.translate("card.progress_aria_just_started", goal=goal)
        ),
        "when": "\u00a0· ".join([*offline_text(progress, t), as_of_text(progress, t)]),
        "next_change": progress.next_update_at and _instant(progress.next_update_at),
        "stale": progress.stale,
    }


def offline_text(progress: Progress, t: Translations) -> list[str]:
    return [t.translate("card.offline", amount=t.format_money(progress.offline))] if progress.offline.amount else []


def offline_donations(campaign: Campaign, progress: Progress | None, t: Translations) -> list[Json]:
    """The campaign file's list, once the published figure counts all of it: the two never contradict each other."""
    if progress is None or progress.offline != campaign.offline_total:
        return []
    return [
        {
            "date": t.format_date(each.date),
            "source": each.source[t.language],
            "amount": t.format_money(each.amount),
        }
        for each in sorted(campaign.offline_donations, key=lambda donation: donation.date, reverse=True)
    ]


def updates(campaign: Campaign, t: Translations) -> list[str]:
    """Newest first: “Nov 24, 2026 · March rent paid”."""
    return [f"{t.format_date(update.date)}\u00a0· {update.text[t.language]}" for update in campaign.updates]


def as_of_text(progress: Progress, t: Translations) -> str:
    """How old the figure is and when it is looked at again, in the campaign's time zone."""
    if progress.stale:
        return t.translate("card.as_of_stale", as_of=t.format_datetime(progress.as_of))
    if progress.next_update_at is None:
        return t.translate("card.as_of_immediate")
    following = progress.next_update_at.astimezone(progress.as_of.tzinfo)
    as_of = t.format_datetime(progress.as_of, today=progress.as_of.date())
    return t.translate("card.as_of", as_of=as_of, next=t.format_datetime(following, today=progress.as_of.date()))


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
