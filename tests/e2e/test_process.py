"""Test the service as a process: shutdown, restart, missing file descriptors, a full disk."""

import asyncio
import contextlib
import os
import resource
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from donation_card.cli.serve import WORKER_START_TIMEOUT
from donation_card.demo.embedded_valkey import EmbeddedValkey
from redis import Redis

from tests.integration.web.test_stripe_webhook import post, session_event
from tests.soak.stress import workers
from tests.support.installation import accepted, connected, eventually, processes, running

DRAINED_WITHIN = 10
"""Seconds. On a shared machine a timeout may take three times as long."""

PROGRESS = "/v1/campaigns/roof/progress"


def test_open_requests_are_answered_during_shutdown(redis_url, tmp_path, sample_campaign):
    body = b"{}" * 1_000
    with processes(redis_url, tmp_path, sample_campaign) as (installation, process), accepted(installation) as slow:
        head = f"POST /v1/stripe/webhook HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        slow.sendall(head.encode() + body[:1_000])
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        slow.sendall(body[1_000:])
        slow.settimeout(3 * DRAINED_WITHIN)
        assert slow.recv(100).startswith(b"HTTP/1.1 400")
        assert process.wait(3 * DRAINED_WITHIN) == 0


def test_unfinished_client_does_not_block_shutdown(redis_url, tmp_path, sample_campaign):
    with (
        processes(redis_url, tmp_path, sample_campaign, workers=1) as (installation, process),
        accepted(installation) as slow,
    ):
        slow.sendall(b"POST /v1/stripe/webhook HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nabc")
        process.send_signal(signal.SIGTERM)
        process.wait(3 * DRAINED_WITHIN)


def test_slow_checkout_session_is_returned_during_shutdown(redis_url, tmp_path, sample_campaign):
    arrived = threading.Event()
    between = slow_to_create(arrived)
    with (
        processes(redis_url, tmp_path, sample_campaign, workers=1, between=between) as (installation, process),
        ThreadPoolExecutor(1) as donor,
    ):
        token = installation.token("roof")
        ordered = donor.submit(installation.order, "20", token=token)
        assert arrived.wait(DRAINED_WITHIN)
        process.send_signal(signal.SIGTERM)
        assert ordered.result(3 * DRAINED_WITHIN).status_code == 201


def test_rolling_restart_of_two_instances_fails_no_request(redis_url, tmp_path, sample_campaign):
    """Clients try the other instance if a connection is refused or closed, as proxies do."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        processes(redis_url, tmp_path / "a", sample_campaign, workers=1) as (first, process),
        processes(redis_url, tmp_path / "b", sample_campaign, workers=1) as (second, _),
        asking(first.service, second.service) as answers,
    ):
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(3 * DRAINED_WITHIN) in {0, -signal.SIGTERM}
        time.sleep(1)
    assert set(answers) == {200}


def test_replacing_workers_under_load_fails_no_request(redis_url, tmp_path, sample_campaign):
    """Send SIGHUP. A connection that closes between two requests is opened again, and never refused."""
    with (
        processes(redis_url, tmp_path, sample_campaign) as (installation, process),
        asking(installation.service, installation.service) as answers,
    ):
        before = set(workers(process))
        process.send_signal(signal.SIGHUP)
        eventually(lambda: len(now := set(workers(process))) == 2 and not now & before, "both are new", 60)
        time.sleep(0.5)
    assert set(answers) == {200}


def test_worker_that_dies_while_it_is_checked_is_replaced_at_once(redis_url, tmp_path, sample_campaign):
    """The check waits for an answer as long as a start may take. A killed worker must not use up that time."""
    with processes(redis_url, tmp_path, sample_campaign) as (_, process):
        before = workers(process)
        os.kill(before[0], signal.SIGSTOP)
        time.sleep(2)  # a check begins every half second, and waits now
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: len(set(workers(process)) - set(before)) == 1, "it is replaced", WORKER_START_TIMEOUT - 10)


@contextlib.contextmanager
def asking(*urls):
    """Read on kept connections and yield the list of statuses, 0 where no address answers.

    Begin once every worker knows the total: each new connection can meet another one.
    """
    answers, stopping = [], threading.Event()
    for url in urls:
        eventually(
            lambda url=url: {httpx.get(url + PROGRESS).status_code for _ in range(20)} == {200},
            "every worker knows",
            60,
        )

    def ask():
        with contextlib.ExitStack() as kept:
            clients = [kept.enter_context(httpx.Client(base_url=url, timeout=60)) for url in urls]
            while not stopping.is_set():
                answers.append(next(filter(None, (status(client) for client in clients)), 0))

    readers = [threading.Thread(target=ask) for _ in range(6)]
    for each in readers:
        each.start()
    try:
        yield answers
    finally:
        stopping.set()
        for each in readers:
            each.join(60)


def slow_to_create(arrived):
    def around(sandbox):
        async def app(scope, receive, send):
            if scope.get("method") == "POST" and scope["path"] == "/v1/checkout/sessions":
                arrived.set()
                await asyncio.sleep(2)
            await sandbox(scope, receive, send)

        return app

    return around


def test_service_sheds_load_without_file_descriptors(redis_url, tmp_path, sample_campaign):
    with processes(redis_url, tmp_path, sample_campaign, workers=2) as (installation, process):
        for worker in workers(process):
            used = len(os.listdir(f"/proc/{worker}/fd"))
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 8, used + 8))
        before = workers(process)
        with contextlib.ExitStack() as held:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    held.enter_context(connected(installation))
            time.sleep(1)
            spent = sum(cpu_seconds(worker) for worker in before)
            time.sleep(2)
            assert sum(cpu_seconds(worker) for worker in before) - spent < 1, "it waits, and does not spin"
            assert status(installation.client) == 200, "whoever was connected is served"
        with httpx.Client(base_url=installation.service, timeout=60) as client:
            eventually(lambda: status(client) == 200, "it answers again")
        assert workers(process) == before, "nobody died"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(client):
    """Return the status of a response, or 0 if the connection is refused or was closed."""
    try:
        return client.get(PROGRESS).status_code
    except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError):
        return 0


def test_service_recovers_after_redis_cannot_save(tmp_path):
    with EmbeddedValkey(tmp_path / "valkey") as valkey, running(valkey.url, tmp_path / "sandbox") as installation:
        installation.until_ready()
        installation.give("25")
        eventually(lambda: installation.progress()["raised"] == 25_00, "the gift is shown")
        with Redis.from_url(valkey.url) as redis:
            redis.save()
            in_the_way = valkey.directory / "dump.rdb"
            in_the_way.unlink()
            (in_the_way / "full").mkdir(parents=True)  # a snapshot cannot take the place of a folder
            redis.bgsave()
            eventually(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "err", "the snapshot failed")
            event = session_event(installation)
            assert post(installation, event).status_code == 503
            assert installation.progress()["raised"] == 25_00
            (in_the_way / "full").rmdir()
            in_the_way.rmdir()
            redis.bgsave()
            eventually(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "ok", "it can save again")
        assert post(installation, event).json() == {"outcome": "applied"}
