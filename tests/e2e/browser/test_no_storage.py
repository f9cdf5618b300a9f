"""Test that no page uses cookies or storage."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

EVERYTHING = """async () => ({
  cookies: document.cookie,
  local: localStorage.length,
  session: sessionStorage.length,
  databases: (await indexedDB.databases()).length,
  caches: 'caches' in window ? (await caches.keys()).length : 0,
  workers: 'serviceWorker' in navigator ? (await navigator.serviceWorker.getRegistrations()).length : 0,
  name: window.name,
})"""
NOTHING = {"cookies": "", "local": 0, "session": 0, "databases": 0, "caches": 0, "workers": 0, "name": ""}
PAGES = ["/", "/c/vitaly", "/c/vitaly/give", "/c/vitaly/frame", "/c/vitaly/embed", "/c/vitaly/thanks", "/c/nobody"]


@pytest.mark.parametrize("lang", ["en", "be"])
def test_no_page_uses_cookies_or_storage(page, context, installation, lang):
    for path in PAGES:
        page.goto(f"{installation.service}{path}?lang={lang}", wait_until="networkidle")
        assert page.evaluate(EVERYTHING) == NOTHING, path
    assert context.cookies() == []


def test_no_script_uses_a_storage_api():
    for script in [Path("widget/donation-card.js"), *Path("service/donation_card/web/static").glob("*.js")]:
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", script.read_text("utf-8"), flags=re.S)
        assert not re.search(r"cookie|localStorage|sessionStorage|indexedDB|caches\b|serviceWorker", code), script
