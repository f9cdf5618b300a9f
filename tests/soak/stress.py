"""Kill, empty, hang, disconnect and replace processes under load, and compare with the sandbox: `make stress`.

    python -m tests.soak.stress [part…] [--scale 0.1] [--seed 7]

Each part is bounded in count and time, talks to loopback only, ends what it started, and prints what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from donation_card.application.ports.payments import Account
from donation_card.application.ports.totals import ApplyResult
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.totals import Totals, expected_totals, payment, refund
from donation_card.errors import TotalsUnavailable
from redis import Redis
from stripe_sandbox import WebhookFaults
from stripe_sandbox.reversals import DISPUTE_TRANSITIONS, REFUND_TRANSITIONS

from tests.soak import leak_scenario
from tests.soak.restarts import restarts
from tests.support.installation import PAYS, Installation, eventually, processes
from tests.support.redis_servers import sentinels
from tests.support.redis_stores import totals_store

ROOF = Path("tests/support/roof.toml")
KEY = ("sk_test_x", "")


def campaign(folder: Path) -> Path:
    """Write the campaign "roof" with an immediate total and donations above the goal."""
    (folder / "campaigns").mkdir()
    text = (
        ROOF.read_text("utf-8")
        .replace('every = "6h"', 'every = "0"')
        .replace("accept_above_goal = false", "accept_above_goal = true")
    )
    (folder / "campaigns" / "roof.toml").write_text(text, "utf-8")
    return folder / "campaigns"


class Donors:
    """Give, refund and dispute through the sandbox, in a thread, until the end of the block."""

    def __init__(
        self, installation: Installation, dice: random.Random, *, take_back: bool = True, pause: float = 0.05
    ) -> None:
        self.installation, self.dice, self.take_back, self.pause = installation, dice, take_back, pause
        self.stopping, self.done = threading.Event(), 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Donors:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join(30)

    def run(self) -> None:
        with httpx.Client(base_url=self.installation.sandbox, auth=KEY, timeout=20) as http:
            while not self.stopping.wait(self.pause):
                self.one(http)
                self.done += 1

    def one(self, http: httpx.Client) -> None:
        what = self.dice.random()
        if not self.take_back or what < 0.7:
            give(http, self.dice.randint(2_00, 300_00))
        elif what < 0.8:
            self.move(http, "refunds", REFUND_TRANSITIONS)
        elif what < 0.9:
            self.move(http, "disputes", DISPUTE_TRANSITIONS)
        else:
            paid = http.get("/v1/payment_intents", params={"limit": 20}).json()["data"]
            if paid:
                chosen = self.dice.choice(paid)
                part = max(1, int(chosen["amount"] * self.dice.random()))
                path = self.dice.choice(["refunds", "disputes"])
                http.post(f"/sandbox/{path}", json={"payment_intent": chosen["id"], "amount": part})

    def move(self, http: httpx.Client, path: str, moves: dict[str, tuple[str, ...]]) -> None:
        listed = http.get(f"/v1/{path}", params={"limit": 20}).json()["data"]
        if movable := [each for each in listed if each["status"] in moves]:
            chosen = self.dice.choice(movable)
            http.post(f"/sandbox/{path}/{chosen['id']}", json={"status": self.dice.choice(moves[chosen["status"]])})


def give(http: httpx.Client, cents: int, campaign: str = "roof") -> None:
    params = {
        "mode": "payment",
        "ui_mode": "hosted_page",
        "submit_type": "donate",
        "success_url": "https://card.example/thanks",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": str(cents),
        "line_items[0][price_data][product_data][name]": "A roof",
    }
    for name, value in (("campaign", campaign), ("site", "gazette")):
        params[f"metadata[{name}]"] = params[f"payment_intent_data[metadata][{name}]"] = value
    session = http.post("/v1/checkout/sessions", data=params).raise_for_status().json()
    http.post(session["url"], data={"number": PAYS, "email": "ada@example.org"})


def quiet(installation: Installation) -> None:
    """Wait until every webhook was accepted and the totals equal the sandbox's."""

    def delivered() -> bool:
        return httpx.get(f"{installation.sandbox}/sandbox/deliveries").json()["pending"] == 0

    def agreed() -> bool:
        held = totals(installation)
        return held is not None and (held.raised, held.payments) == installation.kept("roof")

    eventually(delivered, "every webhook is accepted", 120)
    eventually(agreed, f"{totals(installation)} in Redis, {installation.kept('roof')} in the sandbox", 60)


def totals(installation: Installation) -> Totals | None:
    with contextlib.suppress(TotalsUnavailable):
        return installation.totals("roof")
    return None


IMPATIENT = {
    "retry_delays": (0.3,) * 400,
    "webhook_faults": WebhookFaults(extra_copies=1, max_jitter=0.5, attempt_failure_rate=0.1),
    "delivery_timeout": 3.0,
}


@contextlib.contextmanager
def started_installation(
    folder: Path, redis_url: str, **options: Any
) -> Iterator[tuple[Installation, subprocess.Popen[bytes]]]:
    with processes(redis_url, folder, campaign(folder), sandbox_options=IMPATIENT, **options) as (
        installation,
        process,
    ):
        yield installation, process


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the workers: the supervisor's children except its resource tracker."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    found = []
    for child in children:
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


# ── the parts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def kills(folder: Path, dice: random.Random, count: int) -> str:
    """Kill workers with SIGKILL under load. Events that were not acknowledged are sent again and count once."""
    checks = 0
    with (
        EmbeddedValkey(folder / "valkey") as valkey,
        started_installation(folder, valkey.url) as (installation, process),
    ):
        left = count
        while left:
            with Donors(installation, dice) as donors:
                for _ in range(min(left, 100)):
                    eventually(lambda: workers(process), "a worker is there to be killed", 60)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(dice.choice(workers(process)), signal.SIGKILL)
                        left -= 1
                    time.sleep(dice.uniform(0.05, 0.6))
            quiet(installation)
            checks += 1
        return f"{count} workers killed, {donors.done} deeds in the last round, {checks} times the sandbox's sums"


def wipes(folder: Path, dice: random.Random, count: int) -> str:
    """Empty Redis or set it back to an old state. Readers never see a lower total that is not marked stale."""
    lowest, seen, unknown = 0, 0, 0
    with EmbeddedValkey(folder / "valkey") as valkey, started_installation(folder, valkey.url) as (installation, _):
        backups: list[tuple[float, dict[bytes, Any]]] = []
        with Donors(installation, dice, take_back=False, pause=0.2) as donors:
            for number in range(count):
                with Redis.from_url(valkey.url) as raw:
                    backups = [*backups, (time.monotonic(), copy(raw))][-10:]
                    how = dice.choice(["flush", "flush", "old backup", "a key"])
                    if how == "a key":
                        if keys := list(raw.scan_iter("donation-card:*")):
                            raw.delete(dice.choice(keys))
                    else:
                        # The next sync finds what such a backup lost, if it is of this generation or seconds old:
                        # cursors have whole seconds, and a worker looks once a second (docs/failure-model.md).
                        now, current = time.monotonic(), generations(backups[-1][1])
                        older = [each for taken, each in backups if now - taken > 5 and generations(each) != current]
                        raw.flushall()
                        if how == "old backup" and older:
                            restore(raw, dice.choice(older))
                until = time.monotonic() + dice.uniform(0.3, 2)
                while time.monotonic() < until:
                    answer = installation.client.get("/v1/campaigns/roof/progress")
                    if answer.status_code == 200:
                        told = answer.json()
                        assert told["raised"] >= lowest or told["stale"], (told, lowest, how)
                        assert told["raised"] > 0 or not lowest, (told, lowest, how)
                        lowest = max(lowest, told["raised"]) if not told["stale"] else lowest
                        seen += 1
                    else:
                        assert answer.status_code == 503
                        unknown += 1
                    time.sleep(0.05)
                if number % 20 == 19:
                    quiet_but_for_reconcile(installation)
        quiet_but_for_reconcile(installation)
        return f"{count} times lost, {donors.done} gifts, {seen} figures read, {unknown} times 503, never one too low"


def quiet_but_for_reconcile(installation: Installation) -> None:
    """Wait until the totals equal the sandbox's, while donors continue."""

    def agreed() -> bool:
        before, held, after = installation.kept("roof"), totals(installation), installation.kept("roof")
        return held is not None and before[0] <= held.raised <= after[0]

    eventually(agreed, "the totals have caught up", 120)


def copy(raw: Any) -> dict[bytes, Any]:
    return {key: raw.hgetall(key) for key in raw.scan_iter("donation-card:*") if raw.type(key) == b"hash"}


def generations(backup: dict[bytes, Any]) -> set[bytes | None]:
    """Return the current generations in a backup."""
    return {held.get(b"current") for key, held in backup.items() if key.endswith(b":meta")}


def restore(raw: Any, backup: dict[bytes, Any]) -> None:
    for key, held in backup.items():
        if held:
            raw.hset(key, mapping=held)


def failovers(folder: Path, dice: random.Random, count: int) -> str:
    """Kill the primary under updates. The next one has every update that all replicas acknowledged."""

    async def story() -> str:
        with sentinels(folder) as watched:
            account, said, asked, number = Account("acct_stress", livemode=False), 0, 0, 0
            store = totals_store(watched.url, replicas=2)
            shadow = await store.begin_rebuild(account, "roof")
            assert await store.promote_rebuild(account, shadow, int(time.time()))
            acknowledged: list[Any] = []
            stopping = False

            async def donor() -> None:
                nonlocal number, said, asked
                while not stopping:
                    number += 1
                    state, made = payment("roof", f"pi_{number}", dice.randint(1, 300_00)), False
                    while not made and not stopping:
                        asked += 1
                        try:
                            await store.apply(account, state)
                        except TotalsUnavailable:
                            await asyncio.sleep(0.1)
                        else:
                            made = True
                            acknowledged.append(state)
                            said += 1
                    await asyncio.sleep(0.01)

            for _ in range(count):
                stopping = False
                donors = [asyncio.ensure_future(donor()) for _ in range(4)]
                await asyncio.sleep(dice.uniform(0.2, 0.6))
                await asyncio.to_thread(watched.failover)
                stopping = True
                await asyncio.gather(*donors)
                for state in acknowledged[-200:]:
                    again = await patiently(partial(store.apply, account, state))
                    assert again is ApplyResult.UNCHANGED, f"{state.object_id} was acknowledged, and lost"
                held = await patiently(partial(store.totals, account, "roof"))
                assert held is not None
                assert held.payments >= len(acknowledged)
                await asyncio.to_thread(eventually, watched.settled, "the replicas follow", 60)
            held = await patiently(partial(store.totals, account, "roof"))
            missing = expected_totals(acknowledged).payments - held.payments
            await store.close()
            return f"{count} primaries killed, {said} gifts acknowledged of {asked} attempts, {max(0, missing)} lost"

    return asyncio.run(story())


async def patiently(attempt: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except TotalsUnavailable:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)


def replies(folder: Path, dice: random.Random, count: int) -> str:
    """Lose replies and connections in a proxy, so that clients repeat what was done already."""

    async def story() -> str:
        lost = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal lost
            up_reader, up_writer = await asyncio.open_unix_connection(str(valkey.directory / "s"))
            with contextlib.suppress(OSError):
                while command := await reader.read(65_536):
                    if dice.random() < 0.02:  # lost on the way there
                        lost += 1
                        break
                    up_writer.write(command)
                    answer = await up_reader.read(65_536)
                    if dice.random() < 0.1:  # lost on the way back
                        lost += 1
                        break
                    writer.write(answer)
            writer.close()
            up_writer.close()

        with EmbeddedValkey(folder / "valkey") as valkey:
            proxy = await asyncio.start_unix_server(serve, str(folder / "lossy"))
            account, store = Account("acct_stress", livemode=False), totals_store(f"unix://{folder}/lossy")
            states = [payment("roof", f"pi_{n}", dice.randint(1, 300_00)) for n in range(count)]
            states += [
                refund("roof", f"re_{n}", f"pi_{n}", 1, dice.choice(["pending", "failed"])) for n in range(count // 5)
            ]
            dice.shuffle(states)
            shadow = await patiently(partial(store.begin_rebuild, account, "roof"))
            compared = await patiently(partial(store.promote_rebuild, account, shadow, int(time.time())))
            assert compared
            for start in range(0, len(states), 50):
                batch = states[start : start + 50]
                await asyncio.gather(*(patiently(partial(store.apply, account, state)) for state in batch))
            honest = totals_store(valkey.url)
            assert await honest.totals(account, "roof") == expected_totals(states)
            shadow = await patiently(partial(store.begin_rebuild, account, "roof"))
            for state in states[: count // 2]:
                assert await patiently(partial(store.apply_to_rebuild, account, shadow, state))
            await patiently(partial(store.discard_rebuild, account, shadow))
            assert await honest.totals(account, "roof") == expected_totals(states)
            proxy.close()
            await store.close()
            await honest.close()
        return f"{len(states)} states joined, {lost} questions or answers lost, nothing doubled"

    return asyncio.run(story())


def hangs(folder: Path, dice: random.Random, count: int) -> str:
    """Suspend Redis. Readers are served, webhooks are refused in time and sent again."""
    slowest, stale = 0.0, 0
    with EmbeddedValkey(folder / "valkey") as valkey, started_installation(folder, valkey.url) as (installation, _):
        with Redis.from_url(valkey.url) as raw:
            server = raw.info("server")["process_id"]
        with Donors(installation, dice) as donors:
            eventually(lambda: installation.progress("roof")["raised"] > 0, "the first gift is shown", 60)
            for _ in range(count):
                os.kill(server, signal.SIGSTOP)
                try:
                    until = time.monotonic() + dice.uniform(0.2, 4)
                    while time.monotonic() < until:
                        began = time.monotonic()
                        told = installation.progress("roof")
                        slowest = max(slowest, time.monotonic() - began)
                        assert told["raised"] > 0
                        stale += told["stale"]
                        time.sleep(0.02)
                finally:
                    os.kill(server, signal.SIGCONT)
                time.sleep(dice.uniform(0.1, 1))
        quiet(installation)
    return f"{count} times hung, {donors.done} deeds, slowest read {slowest * 1000:.0f} ms, {stale} stale figures read"


def outage(folder: Path, dice: random.Random, count: int) -> str:
    """Make Stripe's API unavailable for an hour of the virtual clock, while donors pay."""
    with EmbeddedValkey(folder / "valkey") as valkey, started_installation(folder, valkey.url) as (installation, _):
        given = 0
        for _ in range(count):
            with httpx.Client(base_url=installation.sandbox, auth=KEY, timeout=20) as http:
                before = installation.kept("roof")
                for _ in range(5):
                    give(http, dice.randint(2_00, 300_00))
                    given += 1
                kind = dice.choice(["500", "429", "reset"])
                installation.operate("faults", api={"kind": kind, "remaining": 10_000})
                for _ in range(12):
                    installation.operate("clock", advance_seconds=300)
                    assert installation.client.get("/v1/campaigns/roof/progress").status_code == 200
                    time.sleep(0.05)
                http.delete("/sandbox/faults").raise_for_status()
                assert installation.kept("roof")[1] == before[1] + 5
            quiet(installation)
        return f"{count} hours without Stripe, {given} gifts, all counted"


PARTS: dict[str, tuple[Callable[[Path, random.Random, int], str], int]] = {
    "replies": (replies, 20_000),
    "outage": (outage, 20),
    "hangs": (hangs, 60),
    "failovers": (failovers, 100),
    "wipes": (wipes, 200),
    "kills": (kills, 1_000),
    "leak-markers": (leak_scenario.scenario, 1_000),
    "restarts": (restarts, 100_000),
}


def run(part: str, scale: float, seed: int) -> str:
    work, count = PARTS[part]
    folder = Path(tempfile.mkdtemp(prefix=f"stress-{part}-"))
    began = time.monotonic()
    try:
        told = work(folder, random.Random(f"{part} {seed}"), max(1, round(count * scale)))
    except BaseException:
        log = folder / "log"
        print(f"{part}: failed with --seed {seed}; what it left is in {folder}", file=sys.stderr)
        if log.exists():
            print("\n".join(log.read_text(errors="replace").splitlines()[-20:]), file=sys.stderr)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return f"{part:10} {time.monotonic() - began:6.0f} s   {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}, scale {wanted.scale}", flush=True)
    for part in wanted.part or list(PARTS):
        print(run(part, wanted.scale, wanted.seed), flush=True)


if __name__ == "__main__":
    main()
