"""Test what readers get of a campaign's picture: addresses, texts, headers, and nothing of the file itself."""

from __future__ import annotations

import re
from html import unescape

import pytest
from donation_card.domain.campaign import LANGUAGES

from tests.support.image_files import MARKER, WITH_METADATA, decode, encode, photo
from tests.support.installation import eventually
from tests.support.shipped import VITALY_TEXT

FILE = WITH_METADATA["jpg"](photo(1600, 1200))


def picture(name: str, more: str = "") -> str:
    alts = ", ".join(f'{lang} = "A <b>quiet</b> & bright room ({lang})"' for lang in LANGUAGES)
    return f'\n[picture]\nfile = "{name}"\nalt = {{ {alts} }}\n{more}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaigns")
    text = VITALY_TEXT
    files = {
        "one": text + picture("a.jpg", 'credit = "Photo: <Ada>"'),
        "two": text + picture("copy.jpg"),
        "none": text,
        "gone": text + picture("gone.jpg"),
        "small": text + picture("small.png"),
    }
    for name, body in files.items():
        (folder / f"{name}.toml").write_text(body, "utf-8")
    for name in ("a.jpg", "copy.jpg", "gone.jpg"):
        (folder / name).write_bytes(FILE if name != "gone.jpg" else encode(photo(640, 360, seed=5), "JPEG"))
    (folder / "small.png").write_bytes(encode(photo(700, 400), "PNG"))
    return folder


def card(installed, campaign, lang="en"):
    return installed.client.get(f"/v1/campaigns/{campaign}?lang={lang}").raise_for_status().json()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_answer_has_addresses_sizes_and_texts(installed, lang):
    found = card(installed, "one", lang)["picture"]
    assert found["alt"] == f"A <b>quiet</b> & bright room ({lang})"
    assert found["credit"] == "Photo: <Ada>"
    assert [(each["type"], each["width"], each["height"]) for each in found["files"]] == [
        ("image/webp", 640, 360), ("image/webp", 1280, 720), ("image/jpeg", 640, 360), ("image/jpeg", 1280, 720),
    ]  # fmt: skip
    assert found["url"] == found["files"][0]["url"]
    assert card(installed, "none", lang)["picture"] is None


def test_each_address_sends_pixels_and_nothing_else(installed):
    for file in card(installed, "one")["picture"]["files"]:
        answer = installed.client.get(file["url"]).raise_for_status()
        assert answer.headers["content-type"] == file["type"]
        assert decode(answer.content).size == (file["width"], file["height"])
        assert answer.headers["cache-control"] == "public, max-age=30, stale-while-revalidate=30"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "immutable" not in str(answer.headers)
        assert "content-encoding" not in answer.headers
        again = installed.client.get(file["url"], headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert file["width"] > 640 or len(answer.content) <= 45_000


def test_no_answer_and_no_file_has_metadata(installed, tmp_path_factory):
    paths = [
        "/c/one",
        "/v1/campaigns/one",
        "/c/one/share.png",
        "/c/one/updates.atom",
        f"/oembed?url={installed.service}/c/one",
    ]
    paths += [file["url"] for file in card(installed, "one")["picture"]["files"]]
    assert FILE.count(MARKER.encode()) > 5
    for path in paths:
        answer = installed.client.get(path).raise_for_status()
        assert MARKER not in str(answer.headers)
        assert MARKER.encode() not in answer.content
    stored = list(installed.settings.picture_cache_dir.rglob("*"))
    assert len(stored) >= 5
    assert not any(MARKER.encode() in path.read_bytes() for path in stored)


def test_small_picture_is_not_enlarged(installed):
    files = card(installed, "small")["picture"]["files"]
    assert [(each["width"], each["height"]) for each in files] == [(640, 360), (700, 394)] * 2


def test_same_file_of_two_campaigns_has_one_address(installed):
    one, two = (card(installed, each)["picture"] for each in ("one", "two"))
    assert one["files"] == two["files"]


@pytest.mark.parametrize(
    "name",
    [
        "{hash}-641.webp", "{hash}-640.png", "{hash}-0640.webp", "{hash}-640", "{hash}", "x", "../a.jpg",
        "..%2fa.jpg", "%2e%2e/a.jpg", "a.jpg", "{other}-640.webp", "{hash}-640.webp/x", "{upper}-640.webp",
    ],
)  # fmt: skip
def test_other_names_are_not_found(installed, name):
    known = card(installed, "one")["picture"]["url"].split("/")[2].split("-")[0]
    path = name.format(hash=known, other="0" * 32, upper=known.upper() if known.upper() != known else "X")
    assert installed.client.get(f"/pictures/{path}").status_code == 404


def test_page_shows_the_picture_without_javascript(installed):
    html = installed.client.get("/c/one?lang=de").text
    figure = re.search(r'<figure class="picture">.*?</figure>', html, re.DOTALL)[0]
    files = card(installed, "one")["picture"]["files"]
    for file in (*files[:2], files[-1]):
        assert file["url"] in figure
    assert 'width="1280" height="720"' in figure
    assert "A <b>quiet</b> & bright room (de)" in unescape(figure)
    assert "Photo: <Ada>" in unescape(figure)
    assert "<b>quiet" not in figure
    assert '<figure class="picture">' not in installed.client.get("/c/none").text
    assert "img-src 'self'" in installed.client.get("/c/one").headers["content-security-policy"]


def test_oembed_names_the_largest_jpeg(installed):
    document = installed.client.get(f"/oembed?url={installed.service}/c/one").json()
    largest = card(installed, "one")["picture"]["files"][-1]
    assert document["thumbnail_url"] == installed.service + largest["url"]
    assert (document["thumbnail_width"], document["thumbnail_height"]) == (1280, 720)
    assert "thumbnail_url" not in installed.client.get(f"/oembed?url={installed.service}/c/none").json()


def test_share_image_shows_the_picture(installed):
    shared = [decode(installed.client.get(f"/c/{each}/share.png").content).convert("RGB") for each in ("one", "none")]
    with_photo, plain = (len(image.crop((800, 100, 1200, 500)).getcolors(300_000)) for image in shared)
    assert with_photo > 100 > plain
    assert all(image.size == (1200, 630) for image in shared)


def test_deleted_file_takes_the_picture_away(installed, folder):
    found = card(installed, "gone")["picture"]
    assert installed.client.get(found["url"]).status_code == 200
    (folder / "gone.jpg").unlink()
    eventually(lambda: card(installed, "gone")["picture"] is None, "the picture is gone")
    assert installed.client.get(found["url"]).status_code == 404
    warnings = installed.client.get("/readyz").json()["warnings"]
    assert any("gone.toml: picture.file: given no file" in each for each in warnings)
    eventually(
        lambda: not list(installed.settings.picture_cache_dir.glob(f"{found['url'].split('/')[2][:32]}*")),
        "its images are deleted",
    )


def test_hidden_campaign_shows_no_picture(installed, folder):
    found = card(installed, "small")["picture"]
    assert installed.client.get(found["url"]).status_code == 200
    path = folder / "small.toml"
    path.write_text(path.read_text("utf-8").replace('status = "open"', 'status = "hidden"', 1), "utf-8")
    eventually(lambda: card(installed, "small")["status"] == "hidden", "the campaign is hidden")
    assert card(installed, "small")["picture"] is None
    for file in found["files"]:
        assert installed.client.get(file["url"]).status_code == 404
