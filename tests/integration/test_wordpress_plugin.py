"""The files of the WordPress plugin agree with each other and with the card. `make test-publishers` runs them."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import zipfile
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from donation_card import __version__
from donation_card.web.assets import CARD_SOURCES, current_card
from donation_card.web.presentation.snippet import LAYOUTS

from tools.wordpress_plugin import WORDPRESS_LOCALES, build, pack

SOURCE = Path("widget/wordpress")
PHP = {path.name: path.read_text("utf-8") for path in sorted(SOURCE.glob("*.php"))}
EDITOR = (SOURCE / "block/editor.js").read_text("utf-8")
BLOCK = json.loads((SOURCE / "block/block.json").read_text("utf-8"))
TRANSLATIONS = json.loads((SOURCE / "translations.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("plugin"))


def fields(text: str) -> dict[str, str]:
    """Return the header fields of the plugin or of its readme."""
    return dict(re.findall(r"^[ *]*([A-Z][A-Za-z ]+):\s+(.+)$", text, re.M))


def shown_texts() -> set[tuple[str | None, str]]:
    """Return each text of the code that WordPress translates, with its context."""
    call = r"""(?:\b|\\|_)(?:__|esc_html__|esc_html_e)\(\s*'((?:[^'\\]|\\.)*)',\s*'donation-card'"""
    texts = {(None, text) for code in (*PHP.values(), EDITOR) for text in re.findall(call, code)}
    texts |= {(None, fields(PHP["donation-card.php"])["Description"])}
    texts |= {("block title", BLOCK["title"]), ("block description", BLOCK["description"])}
    return texts | {("block keyword", word) for word in BLOCK["keywords"]}


def test_versions_of_the_plugin_are_the_products():
    header, readme = fields(PHP["donation-card.php"]), fields((SOURCE / "readme.txt").read_text("utf-8"))
    constant = re.search(r"const VERSION = '([^']+)'", PHP["donation-card.php"])[1]
    assert {header["Version"], readme["Stable tag"], constant, BLOCK["version"]} == {__version__}
    assert f"= {__version__} =" in (SOURCE / "readme.txt").read_text("utf-8")


def test_readme_has_each_field_that_the_directory_requires():
    text = (SOURCE / "readme.txt").read_text("utf-8")
    header, readme = fields(PHP["donation-card.php"]), fields(text)
    assert text.startswith(f"=== {header['Plugin Name']} ===\n")
    assert {"Contributors", "Tags", "Requires at least", "Tested up to", "Requires PHP", "Stable tag"} <= set(readme)
    for name in ("Requires at least", "Requires PHP", "License", "License URI"):
        assert header[name] == readme[name]
    assert len(readme["Tags"].split(",")) <= 5
    short_description = text.partition("\n\n")[2].partition("\n")[0]
    assert 20 < len(short_description) <= 150
    for section in ("Description", "External services", "Source", "Installation", "Changelog"):
        assert f"\n== {section} ==\n" in text


def test_bundled_card_is_the_served_one_with_its_source(plugin):
    assert (plugin / "card/donation-card.js").read_bytes() == current_card()
    for name in CARD_SOURCES:
        assert (plugin / "card/source" / name).read_bytes() == Path("widget", name).read_bytes()
    assert (plugin / "LICENSE").read_bytes() == Path("LICENSE").read_bytes()


def test_plugin_reserves_room_for_each_layout(plugin):
    rooms = dict(re.findall(r"'(\w+)' => '([^']+)'", (plugin / "card/rooms.php").read_text("utf-8")))
    assert set(rooms) == set(LAYOUTS[1:]) == set(BLOCK["attributes"]["layout"]["enum"]) - {""}
    assert all("padding-bottom:" in style for style in rooms.values())


def test_every_text_is_translated_into_every_language():
    texts = {(entry.get("context"), entry["text"]) for entry in TRANSLATIONS}
    assert texts == shown_texts()
    assert len(texts) == len(TRANSLATIONS)
    for entry in TRANSLATIONS:
        placeholders = sorted(re.findall(r"%(?:\d\$)?s", entry["text"]))
        for language in WORDPRESS_LOCALES:
            assert entry[language].strip(), entry["text"]
            assert sorted(re.findall(r"%(?:\d\$)?s", entry[language])) == placeholders, entry[language]


def test_catalogues_hold_every_translation(plugin):
    assert (plugin / "languages/donation-card.pot").exists()
    for language, locale in WORDPRESS_LOCALES.items():
        with (plugin / f"languages/donation-card-{locale}.po").open("rb") as file:
            catalogue = read_po(file)
        for entry in TRANSLATIONS:
            assert catalogue.get(entry["text"], entry.get("context")).string == entry[language]
        binary = (plugin / f"languages/donation-card-{locale}.mo").read_bytes()
        assert GNUTranslations(BytesIO(binary)).gettext("Only the button") != "Only the button"
        messages, *_, hash_table = struct.unpack_from("5I", binary, 8)
        assert hash_table == 28 + 16 * messages, "WordPress rejects the file"
        script = json.loads((plugin / f"languages/donation-card-{locale}-donation-card-editor.json").read_text("utf-8"))
        assert script["locale_data"]["messages"]["Only the button"][0]


def test_php_files_run_only_inside_wordpress():
    for name, code in PHP.items():
        guard = "WP_UNINSTALL_PLUGIN" if name == "uninstall.php" else "ABSPATH"
        assert f"defined( '{guard}' ) || exit;" in code, name


def test_plugin_loads_no_code_from_elsewhere():
    """Guidelines 4, 7 and 8 of the plugin directory: readable, no tracking, no code of third parties."""
    code = "\n".join((*PHP.values(), EDITOR))
    assert re.findall(r"\beval\(|base64_decode|create_function|wp_schedule|document\.cookie|Storage\b", code) == []
    assert re.findall(r"wp_(?:register|enqueue)_script\([^;]*https?://", code) == []
    assert "stripe" not in code.lower()
    assert code.count("wp_remote_get(") == 1


def test_plugin_stores_only_what_it_deletes():
    stored = set(re.findall(r"= '(donation_card_\w+)'", "\n".join(PHP.values())))
    assert stored == {"donation_card_services", "donation_card_newer_cards"}
    assert all(f"'{name}'" in PHP["uninstall.php"] for name in stored)


def test_zip_contains_one_folder_and_is_reproducible(plugin, tmp_path):
    pack(plugin, tmp_path / "first.zip")
    pack(build(tmp_path), tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "first.zip") as packed:
        names = packed.namelist()
    assert {name.partition("/")[0] for name in names} == {"donation-card"}
    assert "donation-card/translations.json" not in names


def test_editor_script_is_valid_without_a_build_step(plugin):
    node = shutil.which("node") or shutil.which("node", path=".venv/bin")
    if node is None:
        pytest.skip("Node.js is not on the PATH")
    subprocess.run([node, "--check", str(plugin / "block/editor.js")], check=True)


@pytest.mark.skipif(shutil.which("php") is None, reason="PHP is not installed; make test-publishers installs it")
def test_php_files_are_valid(plugin):
    for path in sorted(plugin.rglob("*.php")):
        subprocess.run(["php", "-l", str(path)], check=True, capture_output=True)
