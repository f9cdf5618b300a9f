"""Test the rotation of each secret while donors give."""

import contextlib
import re
from dataclasses import dataclass, replace
from urllib.parse import quote

import httpx
import pytest
from donation_card.app import create_app
from donation_card.demo.embedded_valkey import EmbeddedValkey
from redis import Redis

from tests.integration.web.test_stripe_webhook import outcome, post, session_event
from tests.support.installation import METRICS_TOKEN, Installation, eventually, listening, running, served
from tests.support.oracle import public_total

OLD, NEW = "o0123456789abcdef" * 2, "n0123456789abcdef" * 2


@contextlib.contextmanager
def beside(installation: Installation, **changed: object):
    """Start another instance of the same installation, with other secrets."""
    bound = listening()
    url = f"http://localhost:{bound.getsockname()[1]}"
    settings = replace(installation.settings, **changed)
    with served((create_app(settings), bound)), httpx.Client(base_url=url, timeout=60) as client:
        other = Installation(settings, url, installation.sandbox, client)
        other.until_ready()
        yield other


@dataclass(frozen=True)
class Begun:
    """Hold what a donor has after the first half of a donation."""

    token: str
    handle: str
    thanks: str


def begin(installation: Installation) -> Begun:
    order = installation.order("25", ui_mode="hosted").raise_for_status().json()
    return Begun(installation.token(), order["session_token"], installation.pay(order["url"]).headers["location"])


def finishes(installation: Installation, begun: Begun) -> bool:
    answers = [
        installation.order("30", token=begun.token),
        installation.client.get(f"/v1/checkout-sessions/{begun.handle}"),
        installation.client.get(begun.thanks.replace(installation.settings.public_url, "")),
    ]
    return [answer.status_code for answer in answers] == [201, 200, 200]


@pytest.mark.parametrize(
    ("before", "after"),
    [((OLD,), (OLD, NEW)), ((OLD, NEW), (NEW, OLD)), ((NEW, OLD), (NEW,))],
    ids=["the new one behind", "the new one in front", "the old one dropped"],
)
def test_both_instances_accept_tokens_at_each_rotation_step(installation, before, after):
    """The recipe of docs/operate.md. Behind a proxy the next request may come to either of them."""
    with beside(installation, secret_keys=before) as one, beside(installation, secret_keys=after) as other:
        assert finishes(other, begin(one))
        assert finishes(one, begin(other))


def test_removed_key_reads_no_token(installation):
    with beside(installation, secret_keys=(OLD,)) as one, beside(installation, secret_keys=(NEW,)) as other:
        begun = begin(one)
        assert not finishes(other, begun)
        assert other.order("30", token=begun.token).json()["code"] == "token_invalid"


def test_secret_keys_never_move_the_public_total(sample_campaign, tmp_path):
    """A sum whose last full step is hidden with the publication key, and would be shown with either secret key."""
    key = "p0123456789abcdef" * 2
    roof = (sample_campaign / "roof.toml").read_text("utf-8")
    entry = '\n[[offline]]\ndate = 2026-11-20\namount = "{}"\nsource = {{ en = "A fair", de = "Ein Fest" }}\n'

    def expected(sum_given, key):
        return public_total(sum_given, 100_00, campaign="roof", goal=900_00, key=key)

    sum_given = next(
        each for each in range(100_00, 900_00, 1_00) if expected(each, key) < expected(each, OLD) == expected(each, NEW)
    )
    (sample_campaign / "roof.toml").write_text(roof + entry.format(sum_given / 100), "utf-8")
    shown = []
    for secret_keys in ((OLD,), (NEW, OLD), (NEW,)):
        folder = tmp_path / str(len(shown))
        options = {"secret_keys": secret_keys, "publication_key": key}
        with (
            EmbeddedValkey(folder / "valkey") as valkey,
            running(
                valkey.url,
                folder / "sandbox",
                campaigns=sample_campaign,
                demo_publication_interval=None,
                settings_options=options,
            ) as installation,
        ):
            installation.until_ready()
            shown.append(installation.progress("roof")["raised"])
    assert shown == [expected(sum_given, key)] * 3


def test_webhook_signed_with_either_secret_is_applied(installation):
    old, new = "whsec_old0123456789abcd", "whsec_new0123456789abcd"
    with beside(installation, stripe_webhook_secrets=(new, old)) as other:
        for secret in (old, new):
            assert outcome(post(other, session_event(other), secret=secret)) == "applied"
        assert post(other, session_event(other), secret="whsec_neither0123456789").status_code == 400
    with beside(installation, stripe_webhook_secrets=(new,)) as other:
        assert post(other, session_event(other), secret=old).status_code == 400


def test_donation_is_counted_across_a_stripe_key_change(installation):
    before = installation.totals()
    begun = begin(installation)
    with beside(installation, stripe_secret_key="rk_test_next0123456789") as other:
        assert finishes(other, begun)
        eventually(lambda: other.totals().raised == before.raised + 2500, "it is counted, in the same totals")


def test_metrics_are_read_with_either_token(installation):
    with beside(installation, metrics_tokens=(NEW, METRICS_TOKEN)) as other:
        statuses = [
            other.client.get("/metrics", headers={"authorization": f"Bearer {token}"}).status_code
            for token in (METRICS_TOKEN, NEW, OLD, "x")
        ]
    assert statuses == [200, 200, 404, 404]


def test_redis_password_changes_without_restart(tmp_path):
    with EmbeddedValkey(tmp_path / "valkey") as valkey:
        raw = Redis.from_url(valkey.url)
        raw.execute_command("ACL", "SETUSER", "card", "on", f">{OLD}", "~donation-card:*", "+@all")
        with running(url_for(valkey, OLD), tmp_path / "sandbox") as installation:
            installation.until_ready()
            raw.execute_command("ACL", "SETUSER", "card", f">{NEW}")
            with beside(installation, redis_url=url_for(valkey, NEW)) as other:
                raw.execute_command("ACL", "SETUSER", "card", f"<{OLD}")
                assert outcome(post(other, session_event(other))) == "applied"
                assert finishes(other, begin(installation))
                eventually(lambda: other.progress()["raised"] == 2500 + 2500, "both are counted")
        with pytest.raises(Exception, match="invalid username-password"):
            Redis.from_url(url_for(valkey, OLD)).ping()


def url_for(valkey: EmbeddedValkey, password: str) -> str:
    return re.sub("^unix://", f"unix://card:{quote(password)}@", valkey.url)
