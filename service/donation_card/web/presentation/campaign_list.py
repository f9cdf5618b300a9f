"""Build the card of several campaigns: a row for each.

Pure, like `card.py`. Each row is in the language of the card, or in the default language of its campaign.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from donation_card.domain.campaign import LANGUAGES, Campaign, Status
from donation_card.domain.progress import Progress, ProgressStage
from donation_card.web.presentation.card import HIDDEN_PROGRESS, card_json, is_full, recipient_name
from donation_card.web.presentation.documents import CampaignCard, CampaignList, CampaignRow
from donation_card.web.presentation.translations import (
    Translations,
    choose_translations,
    parse_lang_param,
    translations_for,
)


class ListedCampaign(NamedTuple):
    """A campaign with what readers see of it. `progress` is None while the total is unknown."""

    campaign: Campaign
    progress: Progress | None
    status: Status


def list_translations(lang: str, campaigns: Sequence[Campaign]) -> Translations:
    """Choose the first language of `lang` in which any campaign has texts, else the default of the first campaign.

    Raise Invalid (`language_malformed`).
    """
    preferred, spoken = parse_lang_param(lang), spoken_languages(campaigns)
    return translations_for(next((tag for tag in preferred if tag in spoken), campaigns[0].default_language))


def spoken_languages(campaigns: Sequence[Campaign]) -> list[str]:
    """Return the languages in which any campaign has texts."""
    return [each for each in LANGUAGES if any(each in campaign.languages for campaign in campaigns)]


def campaign_list_json(
    campaigns: Sequence[Campaign], listed: Sequence[ListedCampaign], t: Translations, *, test: bool
) -> CampaignList:
    """Build a row for each `listed` campaign. They are those of `campaigns` that are visible; none can be."""
    cards = [
        card_json(campaign, progress, choose_translations(t.language, campaign), status, test=test)
        for campaign, progress, status in listed
    ]
    shown = [each.campaign for each in listed] or campaigns
    recipients = {recipient_name(campaign) for campaign in shown}
    short_names = {campaign.recipient.short_name for campaign in shown}
    times = Counter(card["progress"]["as_of_text"] for card in cards)
    as_of = next(iter(times.most_common(1)), ("", 0))[0]
    updates = [card["progress"]["next_update_at"] for card in cards]
    return {
        "lang": t.language,
        "dir": t.dir,
        "status": (Status.OPEN if listed else Status.HIDDEN).value,
        "eyebrow": recipients.pop() if len(recipients) == 1 else "",
        "title": t.translate("page.campaigns"),
        "summary": "",
        "story": [],
        "picture": None,
        "campaigns": [_row(each, card, as_of, recipients) for each, card in zip(listed, cards, strict=True)],
        "progress": {
            **HIDDEN_PROGRESS,
            "as_of_text": as_of,
            "next_update_at": None if None in updates else min(filter(None, updates), default=None),
        },
        "update": None,
        "labels": {
            "donate": t.translate("card.donate"),
            "story": "",
            "assurance": t.translate("card.assurance"),
            "close": t.translate("card.close"),
            "dialog_title": t.translate("card.dialog_title", recipient=", ".join(sorted(short_names))),
            "language": t.translate("card.language"),
            "needs": "",
            "new_tab": t.translate("card.new_tab"),
        },
        "urls": {"donate": f"/c/{shown[0].id}/give", "page": f"/c/{shown[0].id}"},
        "languages": [
            {"lang": lang, "name": translations_for(lang).translate("language")} for lang in spoken_languages(shown)
        ],
        "notice": None if listed else t.translate("problem.campaign_hidden"),
        "test_mode_text": t.translate("card.test_mode") if test else None,
        "emit_complete_event": all(campaign.emit_complete_event for campaign in shown),
    }


def _row(each: ListedCampaign, card: CampaignCard, as_of: str, recipients: set[str]) -> CampaignRow:
    """Build a row. `recipients` is empty if all campaigns have the same one."""
    total, is_open = card["progress"], each.status is Status.OPEN
    started = total["stage"] != ProgressStage.JUST_STARTED.value
    notes = (
        recipient_name(each.campaign) if recipients else "",
        total["as_of_text"] if total["as_of_text"] != as_of else "",
    )
    return {
        "id": card["id"],
        "lang": card["lang"],
        "title": card["title"],
        "amount": f"{total['raised_text']} {total['goal_text']}"
        if started
        else total["goal_text"] or total["raised_text"],
        "goal_fraction": 1,
        "funded_fraction": total["percent"] / 100,
        "status": card["status"],
        "status_text": _status_text(each, translations_for(card["lang"])),
        "note": " · ".join(filter(None, notes)),
        "donate_url": card["urls"]["donate"] if is_open else None,
    }


def _status_text(each: ListedCampaign, t: Translations) -> str:
    """Return what stands in place of Donate, or “funded” for screen readers, or nothing."""
    funded = each.progress is not None and each.progress.stage is ProgressStage.FUNDED
    if each.status is Status.OPEN:
        return t.translate("card.need_funded") if funded else ""
    return t.translate("row.funded" if is_full(each.campaign, each.progress) else f"row.{each.status.value}")
