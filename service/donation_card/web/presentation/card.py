"""The view: what a campaign looks like in one language, as the values that card and pages draw from.

Pure: a campaign, its published progress and a catalogue in, finished text out. No reader's surface derives anything
from the ledger itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from donation_card.domain.campaign import Campaign, Status
from donation_card.domain.money import Money
from donation_card.domain.progress import NeedProgress, NeedState, Progress, Stage
from donation_card.web.presentation.translations import Texts, texts

Json = dict[str, Any]

_NOTHING: Final[Json] = {
    "stage": Stage.JUST_STARTED.value,
    "percent": 0,
    "figure": "–",
    "goal": "",
    "text": "",
    "when": "",
    "next_change": None,
    "stale": False,
}


def progress(campaign: Campaign, figure: Progress) -> Json:
    """The answer of `/v1/campaigns/{id}/progress`: integers in minor units."""
    return {
        "campaign": campaign.id,
        "currency": campaign.currency,
        "goal": figure.goal.amount,
        "raised": figure.raised.amount,
        "offline": figure.offline.amount,
        "percent": figure.percent,
        "stage": figure.stage.value,
        "needs": [
            {"id": need.id, "amount": need.amount.amount, "funded": need.funded.amount, "state": need.state.value}
            for need in figure.needs
        ],
        "as_of": _instant(figure.as_of),
        "next_change": figure.next_change and _instant(figure.next_change),
        "stale": figure.stale,
    }


def card(campaign: Campaign, figure: Progress | None, words: Texts, *, open_now: bool, test: bool) -> Json:
    """The answer of `/v1/campaigns/{id}`. Without a figure (unknown), `progress` is None: for our pages alone.

    A hidden campaign is its recipient and one neutral line, in the same shape, so that every released card draws it.
    """
    text, t = campaign.text[words.language], words.t
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
        "lang": words.language,
        "dir": words.dir,
        "status": _status(campaign, open_now),
        "kicker": t("card.kicker", recipient=campaign.recipient.short_name),
        "title": text.title,
        "summary": text.summary,
        "story": list(text.story),
        "needs": _needs(campaign, figure, words, open_now=open_now),
        "progress": figure and _figure(figure, words),
        "update": next(iter(updates(campaign, words)), None),
        "labels": {
            "donate": t("card.donate"),
            "story": t("card.story"),
            "foot": t("card.foot"),
            "close": t("card.close"),
            "frame": t("card.frame", recipient=campaign.recipient.short_name),
            "language": t("card.language"),
            "needs": t("card.needs"),
            "new_tab": t("card.new_tab"),
        },
        "urls": {"give": f"/c/{campaign.id}/give", "page": f"/c/{campaign.id}"},
        "languages": [{"lang": other, "name": texts(other).t("language")} for other in campaign.languages],
        "notice": notice(campaign, figure, words, open_now=open_now),
        "ribbon": t("card.ribbon") if test else None,
        "complete_event": campaign.complete_event,
        **(redacted if campaign.hidden else {}),
    }


def notice(campaign: Campaign, figure: Progress | None, words: Texts, *, open_now: bool) -> str | None:
    """What stands where gifts are not taken, or are taken beyond the goal."""
    funded = figure is not None and figure.stage is Stage.FUNDED
    if not open_now and campaign.status is Status.OPEN and funded and not campaign.giving.after_goal:
        return words.t("status.funded_full")
    if campaign.hidden:
        return words.t("problem.campaign_hidden")
    if not open_now:
        return words.t("status.paused" if campaign.status is Status.PAUSED else "status.closed")
    return words.t("status.funded_open") if funded else None


def warning(states: tuple[str, ...], words: Texts) -> Json | None:
    """Not from a bank of these states (a campaign's `warn_banks_of`): wherever there is a way to pay, before it."""
    if not states:
        return None
    return {"title": words.t("warning.title", countries=words.countries(states)), "text": words.t("warning.text")}


def beyond(campaign: Campaign, words: Texts) -> tuple[str, str]:
    """What happens above the goal, and below it at the end."""
    recipient = campaign.recipient.short_name
    return (
        words.t(f"give.above.{campaign.above_goal.value}", recipient=recipient),
        words.t(f"give.below.{campaign.below_goal.value}", recipient=recipient),
    )


def details(campaign: Campaign, words: Texts) -> list[str]:
    """What the donor is told about the money before paying, one sentence each."""
    recipient = campaign.recipient
    return [
        words.t("give.receives", legal_name=recipient.legal_name),
        words.t("give.contact", contact=recipient.contact),
        words.t("give.statement", descriptor=recipient.statement_descriptor),
        words.t("give.fees"),
        *beyond(campaign, words),
    ]


def reach(campaign: Campaign, figure: Progress | None, words: Texts) -> list[Json]:
    """The needs a gift can still reach, in order; `missing` in minor units."""
    found = []
    for need, state in zip(campaign.needs, figure.needs if figure else (), strict=False):
        missing = state.amount - state.funded
        if missing.amount:
            title = need.text[words.language].title
            said = words.t("give.reaches", need=title, missing=words.money(missing))
            found.append({"id": need.id, "title": title, "missing": missing.amount, "text": said})
    return found


def thanks(campaign: Campaign, figure: Progress | None, words: Texts, status: str, amount: Money | None) -> Json:
    """What is true of a checkout session now. `status`: open, processing, paid or expired."""
    given = words.money(amount) if amount else ""
    paragraphs = {
        "paid": [words.t("thanks.paid.counted", amount=given), *_review(campaign, figure, words)],
        "processing": [words.t("thanks.processing.text", amount=given)],
        "open": [words.t("thanks.open.text")],
        "expired": [words.t("thanks.expired.text")],
    }[status]
    if status in {"paid", "processing"} and campaign.warn_banks_of:
        paragraphs.append(words.t("thanks.paid.traces"))
    return {"status": status, "title": words.t(f"thanks.{status}.title"), "paragraphs": paragraphs}


def _review(campaign: Campaign, figure: Progress | None, words: Texts) -> list[str]:
    """When the public figure moves; nothing where that is not known just now."""
    rule = campaign.publication
    if rule.live:
        return [words.t("thanks.paid.live")]
    if figure is None or figure.next_change is None:
        return []
    time = words.time(figure.next_change.astimezone(rule.timezone))
    step = words.money(Money(rule.step, campaign.currency))
    return [words.t("thanks.paid.review", time=time, city=words.city(rule.timezone.key), step=step)]


def _status(campaign: Campaign, open_now: bool) -> str:
    if campaign.status is Status.OPEN and not open_now:
        return Status.CLOSED.value
    return campaign.status.value


def _needs(campaign: Campaign, figure: Progress | None, words: Texts, *, open_now: bool) -> list[Json]:
    states = figure.needs if figure else (None,) * len(campaign.needs)
    return [
        {
            "id": need.id,
            "title": need.text[words.language].title,
            "amount": words.money(need.amount),
            "share": round(need.amount.amount / campaign.goal.amount, 6),
            "filled": round(state.funded.amount / state.amount.amount, 6) if state else 0,
            "state": state.state.value if state else NeedState.TO_COME.value,
            "note": _note(state, words, open_now=open_now) if state else "",
        }
        for need, state in zip(campaign.needs, states, strict=True)
    ]


def _note(need: NeedProgress, words: Texts, *, open_now: bool) -> str:
    """Where no gifts are taken nothing is next or to come; what was given is still said."""
    if need.state is NeedState.FUNDED:
        return words.t("card.need_funded")
    if need.funded.amount:
        key = "card.need_next_partly" if open_now else "card.need_partly"
        return words.t(key, amount=words.money(need.funded))
    return words.t(f"card.need_{need.state.value}") if open_now else ""


def _figure(figure: Progress, words: Texts) -> Json:
    t, goal, raised = words.t, words.money(figure.goal), words.money(figure.raised)
    started = figure.stage is not Stage.JUST_STARTED
    funded = sum(need.state is NeedState.FUNDED for need in figure.needs)
    count = t("card.needs_funded", n=funded, of=len(figure.needs))
    return {
        "stage": figure.stage.value,
        "percent": figure.percent,
        "figure": raised if started else t("card.just_started"),
        "goal": t("card.goal", goal=goal) if started else t("card.goal_just_started", goal=goal),
        "text": (
            t("card.bar", raised=raised, goal=goal, count=count) if started else t("card.bar_just_started", goal=goal)
        ),
        "when": "\u00a0· ".join([*given_offline(figure, words), when(figure, words)]),
        "next_change": figure.next_change and _instant(figure.next_change),
        "stale": figure.stale,
    }


def given_offline(figure: Progress, words: Texts) -> list[str]:
    return [words.t("card.offline", amount=words.money(figure.offline))] if figure.offline.amount else []


def offline_donations(campaign: Campaign, figure: Progress | None, words: Texts) -> list[Json]:
    """The campaign file's list, once the published figure counts all of it: the two never contradict each other."""
    if figure is None or figure.offline != campaign.given_offline:
        return []
    return [
        {"date": words.day(each.date), "source": each.source[words.language], "amount": words.money(each.amount)}
        for each in sorted(campaign.offline, key=lambda donation: donation.date, reverse=True)
    ]


def updates(campaign: Campaign, words: Texts) -> list[str]:
    """Newest first: “Nov 24, 2026 · March rent paid”."""
    return [f"{words.day(update.date)}\u00a0· {update.text[words.language]}" for update in campaign.updates]


def when(figure: Progress, words: Texts) -> str:
    """How old the figure is and when it is looked at again, in the campaign's time zone."""
    if figure.stale:
        return words.t("card.when_stale", as_of=words.moment(figure.as_of))
    if figure.next_change is None:
        return words.t("card.when_live")
    following = figure.next_change.astimezone(figure.as_of.tzinfo)
    as_of = words.moment(figure.as_of, today=figure.as_of.date())
    return words.t("card.when", as_of=as_of, next=words.moment(following, today=figure.as_of.date()))


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
