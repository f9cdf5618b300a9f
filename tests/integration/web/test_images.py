"""Test badge, preview and QR code."""

import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import segno
from donation_card.domain.campaign import LANGUAGES, Status
from donation_card.web.presentation import card as view, images as pictures, qr_code
from donation_card.web.presentation.translations import translations_for
from PIL import Image, ImageChops

from tests.integration.web.test_card_json import VITALY, card, figure

STAGES = {"started": 0, "begun": 140_000, "funded": 350_000}
SVG = "{http://www.w3.org/2000/svg}"
PNGS = {pictures.badge_png: ((720, 192), 20_000), pictures.open_graph_png: ((1200, 630), 80_000)}


def drawn(lang, stage="begun", *, ribbon=True):
    if stage in STAGES:
        made = card(STAGES[stage], lang)
    else:
        status = Status.HIDDEN if stage == "hidden" else Status.OPEN
        campaign = replace(VITALY, status=status)
        shown = figure(140_000) if stage == "hidden" else None
        made = view.card_json(campaign, shown, translations_for(lang), status, test=False)
    return made | {"test_mode_text": translations_for(lang).translate("card.test_mode") if ribbon else None}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("stage", [*STAGES, "unknown", "hidden"])
def test_badge_has_a_text_and_names_no_person(lang, stage):
    made = drawn(lang, stage)
    badge = ElementTree.fromstring(pictures.badge_svg(made))
    assert badge.get("role") == "img"
    assert badge.findtext(f"{SVG}title") == made["labels"]["dialog_title"]
    words = [text.text for text in badge.iter(f"{SVG}text")]
    told = badge.findtext(f"{SVG}desc")
    if stage in STAGES:
        assert made["progress"]["raised_text"] in words
        assert made["progress"]["raised_text"] in told
        assert len(list(badge.iter(f"{SVG}rect"))) >= 2 + len(made["needs"])
    else:
        assert not any(sign in told for sign in "€0")
    if stage == "hidden":
        assert words == [made["eyebrow"], made["test_mode_text"], made["notice"]]
    name = VITALY.text[lang].purpose.split()[-1]
    assert name[:4] not in "".join([*words, told])


@pytest.mark.parametrize("draw", PNGS)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("stage", [*STAGES, "unknown", "hidden"])
def test_image_text_fits_and_file_is_small(draw, lang, stage):
    size, most = PNGS[draw]
    body = draw(drawn(lang, stage))
    picture = Image.open(io.BytesIO(body)).convert("RGB")
    assert picture.size == size
    assert len(body) < most
    paper = Image.new("RGB", size, picture.getpixel((1, 1)))
    left, top, right, bottom = ImageChops.difference(picture, paper).getbbox()
    margin = 20 if draw is pictures.open_graph_png else 4
    assert min(left, top, size[0] - right, size[1] - bottom) >= margin


@pytest.mark.parametrize("draw", [*PNGS, pictures.badge_svg])
def test_equal_cards_draw_equal_bytes(draw):
    assert draw(drawn("be")) == draw(drawn("be"))
    assert draw(drawn("be")) != draw(drawn("be", "funded"))


def test_hidden_campaign_draws_one_neutral_image():
    other = replace(
        VITALY, status=Status.HIDDEN, text={tag: replace(text, title="Another") for tag, text in VITALY.text.items()}
    )
    made = view.card_json(other, None, translations_for("en"), Status.HIDDEN, test=True)
    for draw in (*PNGS, pictures.badge_svg):
        assert draw(made) == draw(drawn("en", "hidden"))


@pytest.mark.parametrize("title", ["W" * 80, "Ж " * 40, "a" * 40 + " " + "b" * 39, "x", "Ein " * 20])
def test_long_title_shrinks_or_gets_an_ellipsis(title):
    picture = Image.open(io.BytesIO(pictures.open_graph_png(drawn("en", ribbon=False) | {"title": title}))).convert(
        "RGB"
    )
    _, _, right, _ = ImageChops.difference(picture, Image.new("RGB", picture.size, picture.getpixel((1, 1)))).getbbox()
    assert right <= 1200 - 70


def test_organiser_text_is_escaped_in_svg():
    evil = '<script>&"'
    made = drawn("en")
    badge = ElementTree.fromstring(pictures.badge_svg(made | {"labels": made["labels"] | {"dialog_title": evil}}))
    assert f"{evil} ›" in [text.text for text in badge.iter(f"{SVG}text")]
    hidden = ElementTree.fromstring(pictures.badge_svg(drawn("en", "hidden") | {"eyebrow": evil}))
    assert evil in [text.text for text in hidden.iter(f"{SVG}text")]


def test_badge_has_an_edge_a_verb_and_sans_figures():
    badge = pictures.badge_svg(drawn("en")).decode()
    assert ">Give to BYSOL ›<" in badge
    assert re.findall(r"\.paper\{stroke:(#\w+)\}", badge) == ["#766a4f", "#968a6f"]
    assert set(re.findall(r'font-family="([^"]+)"', badge)) == {"system-ui,sans-serif"}


@pytest.mark.parametrize("size", [64, 256, 2048])
def test_qr_code_has_size_and_quiet_zone(size):
    url = "https://give.example.org/c/vitaly"
    code = ElementTree.fromstring(qr_code.qr_svg(url, size))
    assert (code.get("width"), code.get("height")) == (str(size), str(size))
    modules, _ = segno.make(url, error="m", micro=False).symbol_size(border=4)
    assert code.get("viewBox") == f"0 0 {modules} {modules}"
    assert code.findtext(f"{SVG}title") == "QR · give.example.org"


def test_qr_code_of_an_address_is_drawn_once_for_all_sizes(monkeypatch):
    drawn_codes, make = [], segno.make
    monkeypatch.setattr(
        qr_code.segno, "make", lambda *args, **options: drawn_codes.append(args) or make(*args, **options)
    )
    codes = {qr_code.qr_svg("https://give.example.org/c/drawn-once", size) for size in range(64, 264)}
    assert len(codes) == 200
    assert len(drawn_codes) == 1
