"""Test the metrics: counted by every worker, without data of a single donation."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
from donation_card import __version__

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.soak.stress import workers
from tests.support.installation import METRICS_TOKEN, eventually, processes

APPLIED = 'webhooks_total{outcome="applied",reason=""}'


def gained(installation, before):
    return Counter(installation.metrics()) - Counter(before)


def test_metrics_need_the_token(installation):
    for given in ({}, {"authorization": "Bearer"}, {"authorization": f"Bearer {METRICS_TOKEN}x"}):
        answer = installation.client.get("/metrics", headers=given)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert installation.metrics()[f'build_info{{version="{__version__}"}}'] == 1


def test_webhook_outcomes_are_counted_by_reason(installation):
    before = installation.metrics()
    event = session_event(installation)
    for each in (
        event,
        event,
        session_event(installation, metadata={}),
        session_event(installation, kind="customer.created"),
    ):
        assert post(installation, each).status_code == 200
    assert post(installation, event, secret="whsec_other").status_code == 400
    found = gained(installation, before)
    for outcome in (
        'outcome="applied",reason=""',
        'outcome="unchanged",reason=""',
        'outcome="ignored",reason="other_product"',
        'outcome="ignored",reason="unhandled_type"',
        'outcome="rejected",reason="signature_invalid"',
    ):
        assert found[f"webhooks_total{{{outcome}}}"] == 1, found
    assert found['totals_updates_total{kind="payment",source="webhook"}'] == 1


def test_session_is_counted_when_created_and_when_paid(installation):
    before = installation.metrics()
    token = installation.token()
    # embedded: the return address of a hosted page has a time, so a repetition in the next second is another order
    made = [installation.order("25", token=token).json() for _ in range(3)]
    installation.pay(f"{installation.sandbox}/embed/{made[0]['client_secret']}")
    eventually(lambda: gained(installation, before)['checkout_sessions_total{event="paid"}'] == 1, "it is paid")
    assert gained(installation, before)['checkout_sessions_total{event="created"}'] == 1
    first = installation.order("25", token=(other := installation.token())).json()
    installation.order("30", token=other, replaces_session=first["session_token"])
    eventually(
        lambda: gained(installation, before)['checkout_sessions_total{event="expired"}'] == 1, "the first is given up"
    )


def test_malformed_requests_are_counted_and_not_logged(installation, caplog):
    before = installation.metrics()["malformed_requests_total"]
    address = httpx.URL(installation.service)
    for _ in range(20):
        with socket.create_connection((address.host, address.port), timeout=60) as stranger:
            stranger.sendall(b"NONSENSE\r\n\r\n")
            assert stranger.recv(100).startswith(b"HTTP/1.1 400 ")
    assert installation.metrics()["malformed_requests_total"] == before + 20
    assert [record for record in caplog.records if record.name == "uvicorn.error"] == []


def test_request_durations_are_labelled_by_route_only(installation):
    session_token = installation.order("27", token=installation.token()).json()["session_token"]
    installation.client.get(f"/v1/checkout-sessions/{session_token}")
    installation.client.get("/c/typed-wrong")
    told = installation.client.get("/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"}).text
    routes = set(re.findall(r'route="([^"]+)"', told))
    assert {"/v1/checkout-sessions", "/v1/checkout-sessions/{session_token}", "/v1/stripe/webhook", "/c/{id}"} <= routes
    assert 'request_duration_seconds_count{route="/c/{id}",status="404"}' in told
    labels = re.sub(r" \S+$", "", told, flags=re.M)  # a duration can contain any digits
    for secret in (session_token, "typed-wrong", "2700", "ada@", "cs_test"):
        assert secret not in labels


def test_component_total_and_sync_gauges_are_exported(installation):
    found = installation.metrics()
    for part in ("totals", "figures", "reconcile", "campaigns", "payments"):
        assert found[f'component_ready{{component="{part}"}}'] == 1
    assert found['publication_stale{campaign="vitaly"}'] == 0
    for name in (
        'publication_timestamp_seconds{campaign="vitaly"}',
        'reconciliation_timestamp_seconds{type="rebuild"}',
    ):
        assert found[name] > 1.7e9
    installation.progress()  # it prepares the response
    before = installation.metrics()["cached_responses_total"]
    for _ in range(10):
        installation.progress()
    eventually(lambda: installation.metrics()["cached_responses_total"] >= before + 10, "reads are counted together")


def test_counters_of_a_dead_worker_are_kept(redis_url, tmp_path, sample_campaign):
    file = sample_campaign / "roof.toml"
    file.write_text(file.read_text("utf-8").replace('every = "6h"', 'every = "0"'), "utf-8")
    with processes(redis_url, tmp_path, sample_campaign) as (installation, process):
        folder = metrics_folder(workers(process)[0])
        send(installation, 20)
        assert installation.metrics()[APPLIED] == 20
        assert len(list(folder.glob("counter_*.db"))) == 2, "both have counted"
        before = set(workers(process))
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(now := set(workers(process))) == 2 and not now & before, "both are new", 60)
        installation.until_ready()
        assert installation.metrics()[APPLIED] == 20
        send(installation, 20)
        assert installation.metrics()[APPLIED] == 40
        assert len(list(folder.glob("counter_*.db"))) == 2, "the new ones count where the dead ones did"
        assert folder.stat().st_mode & 0o777 == 0o700
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not folder.exists()


def test_workers_export_no_donation_before_the_next_period(redis_url, tmp_path, sample_campaign):
    file = sample_campaign / "roof.toml"
    file.write_text(file.read_text("utf-8").replace('every = "6h"', 'every = "1d"'), "utf-8")
    with processes(redis_url, tmp_path, sample_campaign) as (installation, _):
        before = counters(installation)
        send(installation, 8)
        assert post(installation, session_event(installation), secret="whsec_other").status_code == 400
        changed = counters(installation).items() - before.items()
        rejected = 'webhooks_total{outcome="rejected",reason="signature_invalid"}'
        assert changed == {(rejected, 1.0)}, "failures are seen at once"
        assert installation.totals("roof").payments == 8


def counters(installation):
    kinds = re.compile("_(total|bucket|count|sum)")
    return {name: value for name, value in installation.metrics().items() if kinds.search(name)}


def run_worker(folder, does):
    code = f"from donation_card.observability import metrics; metrics.configure_metrics(); {does}"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)


def exported(folder, at, settled):
    told = run_worker(folder, f"metrics.renew_snapshot({at}, {settled}); print(metrics.render([], {settled}).decode())")
    return re.search(r'checkout_sessions_total{event="paid"} (\S+)', told.stdout)[1]


def test_new_worker_exports_the_donations_of_a_dead_one_in_time(tmp_path):
    run_worker(tmp_path, "metrics.renew_snapshot(100, 100); metrics.sessions.labels('paid').inc()")
    assert exported(tmp_path, 100, 100) == "0.0"
    assert exported(tmp_path, 200, 100) == "0.0", "a campaign in another time zone is still in its period"
    assert exported(tmp_path, 200, 200) == "1.0"
    assert len(list(tmp_path.glob("*/counter_*.db"))) == 2
    assert exported(tmp_path, 300, 300) == "1.0"
    assert [path.parent.name for path in sorted(tmp_path.glob("*/counter_*.db"))] == ["200", "300"]


def test_clock_that_was_ahead_stops_no_export(tmp_path):
    run_worker(tmp_path, "metrics.renew_snapshot(9_000, 9_000); metrics.sessions.labels('paid').inc()")
    assert exported(tmp_path, 100, 100) == "1.0"
    run_worker(tmp_path, "metrics.sessions.labels('paid').inc()")
    assert exported(tmp_path, 200, 200) == "2.0"


def test_gauges_of_a_dead_worker_are_dropped(tmp_path):
    worker = partial(run_worker, tmp_path)
    worker("metrics.attack_mode.metric.set(1); metrics.cached_reads.metric.inc(3)")
    told = worker("print(metrics.render([]).decode())").stdout
    for line in ("attack_mode 0.0", "cached_responses_total 3.0"):
        assert f"\ndonation_card_{line}\n" in told


def test_importing_metrics_opens_no_file(tmp_path):
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import donation_card.app"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def send(installation, events):
    """Over connections of their own, so that the kernel deals them out to both workers."""
    for _ in range(events):
        with httpx.Client(base_url=installation.service, timeout=60) as installation.client:
            assert (
                post(
                    installation, session_event(installation, metadata={"campaign": "roof", "site": "other"})
                ).status_code
                == 200
            )
    installation.client = httpx.Client(base_url=installation.service, timeout=60)


def metrics_folder(worker):
    environment = Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
    return Path(next(line for line in environment if line.startswith(b"PROMETHEUS")).partition(b"=")[2].decode())
