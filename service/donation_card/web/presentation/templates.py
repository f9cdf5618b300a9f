"""Load the HTML templates, and render them with what all pages have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from donation_card.domain.campaign import Campaign
from donation_card.settings import Settings
from donation_card.web.assets import Assets, fallback_style
from donation_card.web.http.headers import content_hash
from donation_card.web.presentation.translations import LOCALES, Translations, translations_for

_TEMPLATES = Path(__file__).parent.parent / "templates"


class Templates:
    """Render a template with the values that it needs. Templates receive finished texts."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        self.settings = settings
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,  # an upgrade replaces the files under a running worker
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
        self._environment.globals |= {"asset": assets.urls.__getitem__, "integrity": assets.integrity.__getitem__}
        self._environment.globals["fallback_style"] = fallback_style()
        for name in self._environment.list_templates():
            self._environment.get_template(name)
        files = [*sorted(_TEMPLATES.iterdir()), *sorted(LOCALES.iterdir())]
        self.files_hash = content_hash(b"".join(path.read_bytes() for path in files) + fallback_style().encode())
        self.assets = assets

    def render(self, template: str, t: Translations, **values: Any) -> str:
        test_mode_text = None if self.settings.livemode else t.translate("card.test_mode")
        common = {"lang": t.language, "dir": t.dir, "t": t.translate, "test_mode_text": test_mode_text}
        common["public_url"] = self.settings.public_url
        defaults: dict[str, Any] = {"languages": [], "canonical": None, "robots": None}
        return self._environment.get_template(template).render({**defaults, **common, **values})

    def asset_sources(self, name: str) -> tuple[str, str]:
        return self.script_sources(self.assets.urls[name], self.assets.integrity[name])

    def script_sources(self, address: str, integrity: str) -> tuple[str, str]:
        """Return the sources of one script for `script-src`: its hash, and its URL, which contains the hash.

        Some browsers of 2023 do not compare the hash of an external script, but all compare the URL.
        """
        return f"'{integrity}'", f"{self.settings.public_url}{address}"

    def framers(self, *campaigns: Campaign) -> tuple[str, ...]:
        """Return the sources of the pages that each of the campaigns lets frame it."""
        hosts = [set(each.publisher_hosts) for each in campaigns if each.publisher_hosts]
        sites = tuple(f"https://{site}" for site in sorted(set.intersection(*hosts))) if hosts else ("https:",)
        demo = (self.settings.demo_article_origin,) if self.settings.demo_article_origin else ()
        return ("'self'", *sites, *demo)


def language_links(offered: Sequence[str], t: Translations, path: str, query: str = "") -> list[dict[str, str | bool]]:
    return [
        {
            "lang": other,
            "name": translations_for(other).translate("language"),
            "url": f"{path}?lang={other}{query}",
            "current": other == t.language,
        }
        for other in offered
    ]
