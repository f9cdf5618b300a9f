"""Validate the HTML of every page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from donation_card.web.campaign_responses import IMAGES

from tests.support.installation import running
from tests.support.ways import running_with_ways, write_campaign_with_fee

TOOLS = Path("tools/node_modules/.bin/html-validate").absolute()
PATHS = {
    "list": "/",
    "campaign": "/c/vitaly",
    "give": "/c/vitaly/give",
    "frame": "/c/vitaly/frame?theme=dark",
    "embed": "/c/vitaly/embed",
    "problem": "/c/nobody",
    "give-ways": "/c/ways/give",
    "transfer": "/c/ways/transfer",
}


@pytest.fixture(scope="module")
def installation(redis_url, tmp_path_factory):
    with running_with_ways(redis_url, tmp_path_factory.mktemp("ways")) as found:
        yield found


@pytest.mark.parametrize("lang", ["en", "be", "de"])
def test_every_page_is_valid_html(installation, tmp_path, lang):
    assert TOOLS.exists(), "run make install: the validator is not there"
    for name, path in PATHS.items():
        page = installation.client.get(path, params={"lang": lang}, headers={"accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        (tmp_path / f"{name}.html").write_text(page.text, "utf-8")
    started = installation.submit(token=installation.token(), amount="25", lang=lang)
    thanks = installation.client.get(installation.pay(started.headers["location"]).headers["location"])
    (tmp_path / "thanks.html").write_text(thanks.text, "utf-8")
    validate(tmp_path)


def validate(folder):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    found = subprocess.run(
        [TOOLS, "--config", "tools/htmlvalidate.json", "--formatter", "text", *folder.glob("*.html")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert (found.returncode, found.stdout.strip()) == (0, ""), found.stdout + found.stderr


def test_page_with_a_fee_and_redirect_methods_is_valid_html(redis_url, tmp_path):
    campaigns = write_campaign_with_fee(tmp_path / "campaigns")
    with running(redis_url, tmp_path / "sandbox", campaigns=campaigns) as installation:
        page = installation.client.get("/c/vitaly/give", headers={"accept": "text/html"})
    assert 'id="cover-fee"' in page.text
    assert 'id="open-stripe"' in page.text
    (tmp_path / "give.html").write_text(page.text, "utf-8")
    validate(tmp_path)


def test_no_url_matches_ad_blocker_patterns(installation):
    """Check paths against words that ad blockers stop."""
    for path in [*PATHS.values(), *(f"/c/vitaly/{name}" for name in IMAGES), "/widget/v1/donation-card.js"]:
        assert not any(word in path for word in ("/ad", "banner", "track", "pixel", "sponsor", "popup", "analytic"))
