"""Test the card JSON of every state in every language."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.domain.campaign import LANGUAGES, OfflineDonation, Status, SurplusPolicy
from donation_card.domain.money import Money
from donation_card.domain.progress import calculate_progress
from donation_card.domain.spending import Spending
from donation_card.web.presentation import card as view, giving
from donation_card.web.presentation.spending import spending_json
from donation_card.web.presentation.translations import translations_for

from tests.support import contract

VITALY = read_campaign(Path("campaigns/vitaly.toml"))
NOON = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Europe/Vilnius"))


def figure(raised, *, live=False, stale=False, listed=0):
    following = None if live else NOON + timedelta(hours=6)
    return calculate_progress(VITALY, raised, listed=listed, as_of=NOON, next_update_at=following, stale=stale)


def card(raised, lang="en", campaign=VITALY, status=Status.OPEN, **how):
    return view.card_json(campaign, figure(raised, **how), translations_for(lang), status, test=False)


def test_total_below_one_step_is_shown_as_just_started():
    drawn = card(0)
    assert drawn["progress"]["raised_text"] == "Just started"
    assert drawn["progress"]["goal_text"] == "Goal: €3,000"
    assert "€0" not in str(drawn)


def test_needs_are_funded_in_order_and_described():
    drawn = card(140_000)
    assert [need["status"] for need in drawn["needs"]] == ["funded", "next", "to_come", "to_come"]
    assert [need["status_text"] for need in drawn["needs"]] == ["funded", "now", "", ""]
    assert [need["amount"] for need in drawn["needs"]] == ["€1,200", "€200 of €700", "€600", "€500"]
    assert drawn["needs"][1]["funded_fraction"] == pytest.approx(200 / 700, abs=1e-5)
    assert drawn["progress"]["aria_text"] == "€1,400 of €3,000 raised; 1 of 4 needs funded"
    assert drawn["progress"]["as_of_text"].startswith("As of November 23. Updated once a day")
    assert drawn["progress"]["percent"] == 46


@pytest.mark.parametrize("lang", LANGUAGES)
def test_card_has_the_line_of_spending_of_the_page(lang):
    texts = {each: f"Rent ({each})" for each in LANGUAGES}
    rent = Spending("rent", date(2026, 10, 1), True, Money(800_00, "EUR"), texts)
    campaign, t = replace(VITALY, spendings=(rent,)), translations_for(lang)
    line = t.translate("page.spent_on", amount=t.format_money(rent.amount), texts=texts[lang])
    drawn = card(140_000, lang, campaign)
    assert [need["spent_text"] for need in drawn["needs"]] == [line, "", "", ""]
    assert [need["spent_text"] for need in spending_json(campaign, t)["needs"]] == [line, "", "", ""]


def test_above_goal_bar_is_full_and_donations_continue():
    drawn = card(350_000)
    assert drawn["progress"]["raised_text"] == "€3,500"
    assert drawn["progress"]["percent"] == 100
    assert drawn["notice"] == "The goal is reached. Thank you. Gifts are still welcome."


CONCERT = OfflineDonation(
    date(2026, 11, 20), Money(437_50, "EUR"), {lang: f"Concert ({lang})" for lang in LANGUAGES}, listed=True
)
MARKET = replace(CONCERT, date=date(2026, 11, 22), amount=Money(62_50, "EUR"))


def listed_amounts(donations, decided):
    campaign = replace(VITALY, offline_donations=donations)
    progress = None if decided is None else figure(900_00, listed=decided)
    return [each["amount"] for each in view.offline_donations(campaign, progress, translations_for("en"))]


def test_offline_donations_are_listed_newest_first():
    campaign = replace(VITALY, offline_donations=(CONCERT, MARKET))
    assert view.offline_donations(campaign, figure(900_00, listed=500_00), translations_for("en")) == [
        {"date": "Nov 22, 2026", "source": "Concert (en)", "amount": "€62.50"},
        {"date": "Nov 20, 2026", "source": "Concert (en)", "amount": "€437.50"},
    ]


def test_offline_donation_is_listed_only_where_the_file_says_so():
    hidden = replace(MARKET, listed=False)
    assert listed_amounts((hidden, CONCERT), 437_50) == ["€437.50"]
    assert listed_amounts((hidden,), 0) == []


def test_new_listed_donation_waits_for_the_next_publication():
    """The earlier ones stay, whatever is added or corrected."""
    assert listed_amounts((CONCERT, MARKET), None) == []
    assert listed_amounts((CONCERT, MARKET), 0) == []
    assert listed_amounts((CONCERT, MARKET), 437_50) == ["€437.50"]
    assert listed_amounts((replace(CONCERT, amount=Money(400_00, "EUR")),), 437_50) == ["€400"]


def test_funded_campaign_that_is_closed_says_so():
    full = replace(VITALY, giving=replace(VITALY.giving, accept_above_goal=False))
    assert full.status_at(NOON, 299_999) is full.status_at(NOON, None) is Status.OPEN
    assert full.status_at(NOON, 300_000) is Status.CLOSED
    assert "no further gifts" in card(300_000, campaign=full, status=Status.CLOSED)["notice"]


def test_paused_closed_and_ended_campaigns_say_so():
    paused = replace(VITALY, status=Status.PAUSED)
    assert card(0, campaign=paused, status=Status.PAUSED)["status"] == "paused"
    assert "paused" in card(0, campaign=paused, status=Status.PAUSED)["notice"]
    ended = replace(VITALY, ends_at=NOON)
    assert card(0, campaign=ended, status=Status.CLOSED)["status"] == "closed"
    assert "ended" in card(0, campaign=ended, status=Status.CLOSED)["notice"]


@pytest.mark.parametrize("status", Status)
def test_campaign_closes_at_its_end_also_while_paused(status):
    campaign = replace(VITALY, status=status, ends_at=NOON)
    assert campaign.status_at(NOON - timedelta(seconds=1), 0) is status
    assert campaign.status_at(NOON, 0) is (Status.HIDDEN if status is Status.HIDDEN else Status.CLOSED)


def test_stale_total_shows_its_time():
    drawn = card(100_000, stale=True)
    assert drawn["progress"]["stale"]
    assert drawn["progress"]["as_of_text"].startswith("As of 23 Nov 12:00")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("raised", [0, 100, 120_000, 140_000, 299_999, 300_000, 10**9])
@pytest.mark.parametrize("how", [{}, {"live": True}, {"stale": True}])
def test_card_json_matches_openapi_in_every_state(lang, raised, how):
    contract.fits({"$ref": "#/components/schemas/CampaignCard"}, card(raised, lang, **how), f"{lang} {raised}")
    contract.fits(
        {"$ref": "#/components/schemas/CampaignProgress"},
        view.progress_json(VITALY, figure(raised, **how)),
        f"{raised}",
    )


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("beyond", SurplusPolicy)
def test_surplus_policies_are_shown_in_every_language(lang, beyond):
    campaign = replace(VITALY, on_surplus=beyond, on_shortfall=beyond)
    details = giving.donation_details(campaign, translations_for(lang), as_of="As of noon.")
    assert [each.id for each in details] == ["recipient", "fee", "total", "surplus", "shortfall", "donor"]
    assert all(each.term and each.text for each in details)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("status", ["open", "processing", "paid", "expired"])
def test_thanks_state_only_what_is_known(lang, status):
    said = giving.checkout_status_json(VITALY, figure(100_000), translations_for(lang), status, Money(2_500, "EUR"))
    text = " ".join(said["paragraphs"])
    assert ("25" in text) == (status in {"paid", "processing"})
    assert ("18:00" in text) == (status == "paid")


def test_thanks_name_next_update_step_and_records():
    said = giving.checkout_status_json(VITALY, figure(100_000), translations_for("en"), "paid", Money(2_500, "EUR"))
    assert said["paragraphs"] == [
        "Your gift of €25 has arrived.",
        "The public total follows around 18:00 (Vilnius), in steps of €100, so that nobody can tell your gift from it.",
    ]
    assert said["records_title"] == "What can still be seen"
    assert len(said["records"]) == 3


def test_thanks_without_warning_list_no_records():
    calm = replace(VITALY, warned_bank_countries=())
    said = giving.checkout_status_json(calm, figure(0), translations_for("en"), "paid", Money(2_500, "EUR"))
    assert len(said["paragraphs"]) == 2
    assert (said["records_title"], said["records"]) == ("", [])
    assert giving.bank_warning(calm.warned_bank_countries, translations_for("en")) is None


def test_donation_can_reach_only_unfunded_needs():
    reached = giving.fundable_needs(VITALY, figure(140_000), translations_for("en"))
    assert [need["remaining"] for need in reached] == [50_000, 60_000, 50_000]
    assert reached[0]["title"] == "Restoring his driving licence"
    now = giving.effect_now(VITALY, figure(140_000), translations_for("en"))
    assert now[:3] == ("Gifts now go to: ", "Restoring his driving licence", ". €500 is still needed.")
    assert now.funded_fraction == pytest.approx(200 / 700)
    assert giving.fundable_needs(VITALY, figure(300_000), translations_for("en")) == []
    assert giving.effect_now(VITALY, figure(300_000), translations_for("en")) is None
    assert giving.effect_now(VITALY, None, translations_for("en")) is None


def test_line_below_the_card_says_why_the_total_waits():
    following = (NOON + timedelta(hours=6)).astimezone(UTC)
    progress = calculate_progress(VITALY, 0, as_of=NOON, next_update_at=following)
    daily = view.as_of_text(VITALY, progress, translations_for("en"))
    assert daily == "As of November 23. Updated once a day and rounded, to protect donors."
    often = replace(VITALY, publication=replace(VITALY.publication, interval_seconds=6 * 3600))
    said = view.as_of_text(often, progress, translations_for("en"))
    assert said == "As of 23 Nov 12:00. Updated at fixed times and rounded, to protect donors."


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("raised", [0, 100, 120_000, 140_000, 299_999, 300_000, 10**9])
def test_card_names_the_need_that_gifts_go_to_now(lang, raised):
    """The oracle fills the needs in order, without the code that distributes the total."""
    t, left, wanted = translations_for(lang), raised, ("", "", "")
    for need in VITALY.needs:
        if left < need.amount.amount:
            amount = t.format_money(Money(need.amount.amount - left, "EUR"))
            label = t.translate("card.now" if raised else "card.first")
            wanted = (label, need.text[lang].title, t.translate("card.missing", amount=amount))
            break
        left -= need.amount.amount
    fields = ("current_label", "current_need", "missing_text")
    assert tuple(card(raised, lang)["progress"][name] for name in fields) == wanted
    paused = card(raised, lang, replace(VITALY, status=Status.PAUSED), Status.PAUSED)
    assert [paused["progress"][name] for name in fields] == ["", "", ""]


@pytest.mark.parametrize(
    ("legal", "shown"),
    [("Solidarity Foundation", "Solidarity Foundation (BYSOL)"), ("BYSOL Foundation", "BYSOL Foundation")],
)
def test_card_shows_the_legal_name_of_the_recipient(legal, shown):
    campaign = replace(VITALY, recipient=replace(VITALY.recipient, legal_name=legal))
    assert card(0, campaign=campaign)["eyebrow"] == shown
