"""Build the WordPress plugin: the files of widget/wordpress/, the joined card with its source, and the translations."""

import argparse
import json
import shutil
import struct
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po
from donation_card import __version__
from donation_card.adapters.campaign_files.loader import read_campaign
from donation_card.application.ports.campaigns import MAX_CAMPAIGNS
from donation_card.web.assets import CARD_SOURCES, current_card
from donation_card.web.presentation.snippet import LAYOUTS, placeholder_style
from donation_card.web.presentation.translations import translations_for

ROOT = Path(__file__).parents[1]
PLUGIN, WIDGET = ROOT / "widget" / "wordpress", ROOT / "widget"
NAME = "donation-card"
WORDPRESS_LOCALES = {"be": "bel", "de": "de_DE", "lt": "lt_LT", "pl": "pl_PL", "ru": "ru_RU", "uk": "uk"}
"""The names that WordPress gives to our languages. English stands in the code."""

_NO_DATE = datetime(1980, 1, 1, tzinfo=UTC)
"""The same source makes the same files, so they have no date. A zip file has none before this."""


def build(folder: Path) -> Path:
    """Write the plugin into `folder`, which is replaced. Return its path there."""
    plugin = folder / NAME
    shutil.rmtree(plugin, ignore_errors=True)
    shutil.copytree(PLUGIN, plugin, ignore=shutil.ignore_patterns("translations.json"))
    shutil.copy(ROOT / "LICENSE", plugin / "LICENSE")
    _write_card(plugin / "card")
    _write_translations(plugin / "languages")
    return plugin


def _write_card(folder: Path) -> None:
    """Write the card, its readable source, and the room that articles reserve for each layout."""
    (folder / "source").mkdir(parents=True)
    (folder / f"{NAME}.js").write_bytes(current_card())
    for name in CARD_SOURCES:
        shutil.copy(WIDGET / name, folder / "source" / name)
    campaign, t = read_campaign(ROOT / "campaigns" / "vitaly.toml"), translations_for("en")
    layouts = {f"'{layout}'": placeholder_style(campaign, t, layout) for layout in LAYOUTS[1:]}
    rows = {str(n): placeholder_style(campaign, t, "card", [campaign] * (n - 1)) for n in range(2, MAX_CAMPAIGNS + 1)}
    for name, rooms in (("rooms.php", layouts), ("rooms-of-several.php", rows)):
        styles = "".join(f"\t{key} => '{style}',\n" for key, style in rooms.items())
        head = "<?php\n// Styles that reserve the room of a card until it is drawn. A build step writes this file.\n"
        (folder / name).write_text(f"{head}defined( 'ABSPATH' ) || exit;\nreturn array(\n{styles});\n", "utf-8")


def _write_translations(folder: Path) -> None:
    """Write one template, and for each language a catalogue as text, for PHP, and for the editor's script."""
    folder.mkdir()
    with (folder / f"{NAME}.pot").open("wb") as file:
        write_po(file, _catalogue(None), omit_header=False, width=120)
    for language, locale in WORDPRESS_LOCALES.items():
        catalogue = _catalogue(language)
        stem = folder / f"{NAME}-{locale}"
        with Path(f"{stem}.po").open("wb") as file:
            write_po(file, catalogue, width=120)
        Path(f"{stem}.mo").write_bytes(_binary_catalogue(catalogue))
        texts = {message.id: [message.string] for message in catalogue if message.id and not message.context}
        messages = {"": {"domain": "messages", "lang": locale}, **texts}
        script = {"domain": "messages", "locale_data": {"messages": messages}}
        Path(f"{stem}-{NAME}-editor.json").write_text(json.dumps(script, ensure_ascii=False), "utf-8")


def _binary_catalogue(catalogue: Catalog) -> bytes:
    """Return the file for PHP. WordPress rejects it unless it names where a hash table would stand; Babel writes 0."""
    written = BytesIO()
    write_mo(written, catalogue)
    header, rest = written.getvalue()[:24], written.getvalue()[28:]
    (messages,) = struct.unpack_from("I", header, 8)
    return header + struct.pack("I", 28 + 16 * messages) + rest


def _catalogue(language: str | None) -> Catalog:
    """Return the texts in a language. Without one, return the template."""
    project = {"project": "Donation Card", "version": __version__, "header_comment": "# The texts of the plugin. MIT."}
    dates = {"creation_date": _NO_DATE, "revision_date": _NO_DATE}
    catalogue = Catalog(locale=language, charset="utf-8", fuzzy=False, **project, **dates)
    for entry in json.loads((PLUGIN / "translations.json").read_text("utf-8")):
        catalogue.add(entry["text"], entry[language] if language else "", context=entry.get("context"))
    return catalogue


def pack(plugin: Path, archive: Path) -> None:
    """Zip the plugin for Plugins → Add New → Upload."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in plugin.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(plugin.parent)), _NO_DATE.timetuple()[:6])
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "dist" / "wordpress")
    folder = parser.parse_args().folder
    archive = folder / f"{NAME}-{__version__}.zip"
    pack(build(folder), archive)
    print(f"{archive} is written. Upload it in WordPress: Plugins → Add New → Upload Plugin.")


if __name__ == "__main__":
    main()
