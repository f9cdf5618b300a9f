"""Test `serve` as an operator runs it: several workers, edited campaigns, scheduled totals."""

import signal

import httpx
import pytest
from redis import Redis

from tests.support.image_files import add_picture
from tests.support.installation import WEBHOOK_SECRET, eventually, processes, running


@pytest.fixture
def serving(redis_url, tmp_path, sample_campaign):
    """`donation-card serve` with two workers, against a sandbox; return its installation and its log."""
    with processes(redis_url, tmp_path, sample_campaign) as (installation, process):
        yield installation, tmp_path / "log"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_two_workers_take_donations_and_log_no_secret(serving):
    installation, log = serving
    for amount in ("20", "30"):
        started = installation.submit(token=installation.token("roof"), amount="custom", custom_amount=amount)
        assert installation.pay(started.headers["location"]).status_code == 303
    eventually(lambda: installation.paid("roof") == (5000, 2), "both gifts are paid")
    eventually(
        lambda: httpx.get(f"{installation.sandbox}/sandbox/deliveries").json()["pending"] == 0,
        "every webhook was accepted",
    )
    progress = f"{installation.service}/v1/campaigns/roof/progress"
    eventually(lambda: len({httpx.get(progress).text for _ in range(20)}) == 1, "both workers show the same total")
    found = httpx.get(progress).json()
    assert (found["raised"], found["stale"]) == (0, False), "the total waits for the next period"
    printed = log.read_text()
    for secret in ("ada@example.org", "4242", "python-httpx", WEBHOOK_SECRET, "rk_test", "cs_test"):
        assert secret not in printed, printed


def test_workers_share_pictures_and_start_without_one(redis_url, tmp_path, sample_campaign):
    """A missing picture stops no start: an organiser who takes it back keeps the service."""
    add_picture(sample_campaign, "roof")
    (sample_campaign / "wall.toml").write_text((sample_campaign / "roof.toml").read_text("utf-8"), "utf-8")
    (sample_campaign / "roof.jpg").rename(sample_campaign / "taken.jpg")
    with processes(redis_url, tmp_path, sample_campaign) as (installation, _):
        card = f"{installation.service}/v1/campaigns/roof"
        assert httpx.get(card).json()["picture"] is None
        assert "roof.toml: picture.file: given no file" in (tmp_path / "log").read_text()
        (sample_campaign / "taken.jpg").rename(sample_campaign / "roof.jpg")
        eventually(lambda: all(httpx.get(card).json()["picture"] for _ in range(9)), "both workers show the picture")
        address = installation.service + httpx.get(card).json()["picture"]["url"]
        assert len({httpx.get(address).raise_for_status().content for _ in range(9)}) == 1


def test_edited_campaign_reloads_and_bad_edit_keeps_old(redis_url, tmp_path, sample_campaign):
    file = sample_campaign / "roof.toml"
    good = file.read_text("utf-8")
    with running(
        redis_url, tmp_path / "sandbox", campaigns=sample_campaign, demo_publication_interval=None
    ) as installation:
        installation.until_ready()

        def title():
            return installation.client.get("/v1/campaigns/roof", params={"lang": "en"}).json()["title"]

        assert title() == "A roof for the winter"
        file.write_text(good.replace("A roof for the winter", "A roof before the snow"), "utf-8")
        eventually(lambda: title() == "A roof before the snow", "the edit is shown")
        file.write_text(good.replace("goal = 900", "goal = 901"), "utf-8")
        eventually(lambda: installation.client.get("/readyz").status_code == 503, "the bad edit is reported")
        reason = installation.client.get("/readyz").json()["components"]["campaigns"]["reason"]
        assert "roof.toml" in reason
        assert "901" in reason
        assert title() == "A roof before the snow"
        file.write_text(good, "utf-8")
        installation.until_ready()
        assert title() == "A roof for the winter"
        second = sample_campaign / "well.toml"
        second.write_text(good.replace("A roof for", "A well for"), "utf-8")
        eventually(
            lambda: installation.client.get("/v1/campaigns/well/progress").status_code == 200,
            "a new file is a campaign",
        )
        second.unlink()
        eventually(lambda: installation.client.get("/v1/campaigns/well").status_code == 404, "and gone when removed")


def test_donation_within_period_keeps_public_total(redis_url, tmp_path, sample_campaign):
    with running(
        redis_url, tmp_path / "sandbox", campaigns=sample_campaign, demo_publication_interval=None
    ) as installation:
        installation.until_ready()
        before = installation.client.get("/v1/campaigns/roof/progress")
        for _ in range(3):
            started = installation.submit(token=installation.token("roof"), amount="custom", custom_amount="150")
            thanks = installation.client.get(installation.pay(started.headers["location"]).headers["location"]).text
        assert "follows around" in thanks
        assert "€100" in thanks
        eventually(lambda: installation.totals("roof").raised == 45_000, "all three are counted")
        after = installation.client.get("/v1/campaigns/roof/progress")
        assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
        card = installation.client.get("/v1/campaigns/roof", params={"lang": "en"}).json()
        assert card["progress"]["raised_text"] == "Just started"
        assert "max-age=30" in installation.client.get("/v1/campaigns/roof").headers["cache-control"]


def test_hidden_or_paused_campaign_takes_no_donation(redis_url, tmp_path, sample_campaign):
    file = sample_campaign / "roof.toml"
    good = file.read_text("utf-8")
    with running(redis_url, tmp_path / "sandbox", campaigns=sample_campaign) as installation:
        installation.until_ready()
        token = installation.token("roof")
        file.write_text(good.replace('status = "open"', 'status = "paused"'), "utf-8")
        eventually(lambda: "paused" in installation.client.get("/c/roof/give").text, "the page says so")
        assert installation.order("20", token=token).json()["code"] == "campaign_closed"
        file.write_text(good.replace('status = "open"', 'status = "hidden"'), "utf-8")
        eventually(lambda: installation.client.get("/c/roof").status_code == 404, "nothing of it is told")
        for path in ("/v1/campaigns/roof/progress", "/c/roof/give"):
            assert installation.client.get(path).status_code == 404, path
        assert installation.order("20", token=token).json()["code"] == "campaign_hidden"


OFFLINE = """
[[offline]]
date = 2026-11-20
amount = "437.50"
list = true
source = { en = "Concert in Vilnius", de = "Konzert in Vilnius" }
"""


def test_bank_file_is_counted_and_stays_when_redis_is_emptied(redis_url, tmp_path, sample_campaign):
    with running(redis_url, tmp_path / "sandbox", campaigns=sample_campaign) as installation:
        installation.until_ready()
        location = installation.submit(token=installation.token("roof"), amount="custom", custom_amount="20").headers[
            "location"
        ]
        installation.pay(location)
        eventually(lambda: installation.progress("roof")["raised"] == 20_00, "the payment is counted")
        bank_file = 'sum = "125.00"\ndonations = 5\nlast_day = 2026-11-20\n'
        (sample_campaign / "roof.bank.toml").write_text(bank_file, "utf-8")
        eventually(lambda: installation.progress("roof")["raised"] == 145_00, "the transfers are counted")
        account = httpx.get(f"{installation.sandbox}/v1/account", auth=("sk_test_x", "")).json()["id"]
        with Redis.from_url(redis_url) as raw:
            raw.delete(*raw.scan_iter(f"donation-card:{{{account}/*"))
        eventually(lambda: installation.progress("roof")["raised"] == 145_00, "all sources come back")


def test_offline_donation_is_shown_without_restart(redis_url, tmp_path, sample_campaign):
    file = sample_campaign / "roof.toml"
    with running(redis_url, tmp_path / "sandbox", campaigns=sample_campaign) as installation:
        installation.until_ready()
        file.write_text(file.read_text("utf-8") + OFFLINE, "utf-8")
        eventually(lambda: installation.progress("roof")["raised"] == 437_50, "the concert is counted")
        assert installation.totals("roof").raised == 0, "the totals in Redis are of payments only"
        page = installation.client.get("/c/roof", params={"lang": "de"}).text
        for words in ("Konzert in Vilnius", "437,50\u00a0€"):
            assert words in page
        installation.pay(
            installation.submit(token=installation.token("roof"), amount="custom", custom_amount="20").headers[
                "location"
            ]
        )
        eventually(lambda: installation.progress("roof")["raised"] == 457_50, "both are counted")


def test_added_campaign_starts_at_a_known_zero(redis_url, tmp_path, sample_campaign):
    with running(redis_url, tmp_path / "sandbox", campaigns=sample_campaign) as installation:
        installation.until_ready()
        (sample_campaign / "well.toml").write_text((sample_campaign / "roof.toml").read_text("utf-8"), "utf-8")
        eventually(lambda: installation.client.get("/v1/campaigns/well/progress").status_code == 200, "it is shown")
        assert installation.progress("well")["raised"] == 0
        assert (installation.totals("well").raised, installation.totals("well").payments) == (0, 0)
        installation.pay(
            installation.submit(token=installation.token("well"), amount="custom", custom_amount="20").headers[
                "location"
            ]
        )
        eventually(lambda: installation.progress("well")["raised"] == 20_00, "its first gift is counted")
