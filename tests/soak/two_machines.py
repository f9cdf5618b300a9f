"""Break parts of an installation on two machines under load: `make two-machines`.

    python -m tests.soak.two_machines [event…] [--gifts 60]

Two instances of the service are behind the shipped proxy, on a Cluster of three primaries with a replica each. Donors
give through the sandbox, which sends webhooks again as Stripe does, and readers read through the proxy. After each
event every gift must be counted, and no read may have failed. Everything is on loopback, and the run ends by itself.
A run of all events writes its table to docs/two-machines.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from donation_card.application.ports.payments import Account
from donation_card.domain.totals import Totals
from donation_card.errors import TotalsUnavailable
from redis.exceptions import RedisError
from stripe_sandbox import SandboxSettings, create_sandbox

from tests.soak.stress import ROOF, give
from tests.support.installation import (
    WEBHOOK_SECRET,
    eventually,
    free_port,
    listening,
    ready,
    served,
    service_environment,
)
from tests.support.proxy import Proxy, proxied
from tests.support.redis_servers import Server, Topology, cluster, moving, node_id, owner_of, role
from tests.support.redis_stores import totals_store

PAGE = Path("docs/two-machines.md")
BEGIN, END = "<!-- made by `make two-machines` -->", "<!-- end -->"
CAMPAIGNS = [f"roof-{number}" for number in range(1, 13)]
KEY = ("rk_test_0123456789", "")
READERS, READ_PAUSE, GIFT_PAUSE = 4, 0.05, 0.05
PATHS = ("/v1/campaigns/{}", "/v1/campaigns/{}/progress", "/c/{}", "/c/{}/give", "/v1/campaigns/{}?lang=de")
AWAY = 3.0
"""Seconds until a killed instance starts again: longer than the proxy leaves it out, so that it is tried meanwhile."""

CAUGHT_UP_WITHIN = 120
"""Seconds until the last webhook must have been sent again and counted."""


class Instance:
    """One instance of the service with two workers. `kill` ends all its processes at once, as a machine ends."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.url = f"http://localhost:{environment['PORT']}"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    def start(self) -> None:
        with (self.folder / "log").open("a") as log:
            command = [sys.executable, "-m", "donation_card", "serve"]
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def until_ready(self) -> None:
        with httpx.Client(base_url=self.url, timeout=5) as client:
            eventually(lambda: ready(client), f"{self.folder.name} serves", 120)

    def kill(self) -> None:
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)


@dataclass
class Machines:
    cluster: Topology
    instances: list[Instance]
    proxy: Proxy
    sandbox: str
    account: Account

    def slot(self, campaign: str = "") -> int:
        """Return the slot of a campaign, or of the account."""
        of_campaign = f"/{campaign}/EUR" if campaign else ""
        return int(self.cluster.raw.keyslot(f"donation-card:{{{self.account.id}/test{of_campaign}}}:meta"))

    def counted(self) -> dict[str, Totals | None]:
        """Return the totals in Redis, by campaign."""

        async def read() -> dict[str, Totals | None]:
            store = totals_store(self.cluster.url, deadline=10)  # it is no question of time
            try:
                return {name: await store.totals(self.account, f"{name}/EUR") for name in CAMPAIGNS}
            finally:
                await store.close()

        return asyncio.run(read())

    def truth(self, client: httpx.Client) -> dict[str, Totals]:
        """Return the totals at the sandbox, by campaign."""
        found = {}
        for name in CAMPAIGNS:
            told = client.get("/sandbox/totals", params={"campaign": name}).json()["totals"].get("eur", {})
            found[name] = Totals(told.get("sum", 0), told.get("count", 0))
        return found

    def deliver_all(self) -> int:
        """Wait until the webhooks are accepted and every gift is counted. Return the number of gifts."""
        with httpx.Client(base_url=self.sandbox, timeout=20) as client:
            end = time.monotonic() + CAUGHT_UP_WITHIN
            while True:
                pending = client.get("/sandbox/deliveries").json()["pending"]
                truth = self.truth(client)
                with contextlib.suppress(TotalsUnavailable):
                    if not pending and self.counted() == truth:
                        return sum(each.payments for each in truth.values())
                assert time.monotonic() < end, f"a gift is lost: {pending} webhooks wait, and the truth is {truth}"
                time.sleep(0.5)

    def sent_again(self) -> int:
        """Return how often a webhook was sent again so far."""
        counts = httpx.get(f"{self.sandbox}/sandbox/deliveries", timeout=20).json()
        return int(counts["attempts"] - counts["delivered"] - counts["pending"])


@contextlib.contextmanager
def two_machines(folder: Path) -> Iterator[Machines]:
    campaigns = folder / "campaigns"
    campaigns.mkdir()
    text = ROOF.read_text("utf-8").replace('every = "6h"', 'every = "0"')
    text = text.replace("accept_above_goal = false", "accept_above_goal = true")
    for name in CAMPAIGNS:
        (campaigns / f"{name}.toml").write_text(text, "utf-8")
    bound = listening()
    sandbox = f"http://127.0.0.1:{bound.getsockname()[1]}"
    plain, tls, *ports = (free_port() for _ in range(4))
    webhooks = f"http://127.0.0.1:{plain}/v1/stripe/webhook"
    settings = SandboxSettings(public_url=sandbox, webhook_url=webhooks, webhook_secret=WEBHOOK_SECRET)
    with contextlib.ExitStack() as up:
        servers = up.enter_context(cluster(folder / "cluster", replicas=1))
        up.enter_context(served((create_sandbox(settings), bound)))
        instances = []
        for name, port in zip(("first", "second"), ports, strict=True):
            environment = service_environment(servers.url, folder / name, campaigns, sandbox, port)
            public = {"PUBLIC_URL": f"https://localhost:{tls}", "WEB_CONCURRENCY": "2", "REDIS_MIN_REPLICAS_ACK": "1"}
            instances.append(Instance(folder / name, environment | public))
            up.callback(instances[-1].kill)
        first, second = instances
        proxy = up.enter_context(proxied(folder / "nginx", first.url, tls, more=[second.url], plain=plain))
        for instance in instances:
            instance.start()
        for instance in instances:
            instance.until_ready()
        account = httpx.get(f"{sandbox}/v1/account", auth=KEY).json()["id"]
        yield Machines(servers, instances, proxy, sandbox, Account(account, livemode=False))


@dataclass
class Load:
    """Give and read in two threads. `giving` is cleared while the sums are compared; reading goes on."""

    machines: Machines
    gifts: int = 0
    reads: list[float] = field(default_factory=list)
    """When each good answer arrived."""
    stale: int = 0
    """Good answers with a public total that could not be confirmed."""
    failed: Counter[str] = field(default_factory=Counter)
    giving: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        self.threads = [threading.Thread(target=each) for each in (self.donors, lambda: asyncio.run(self.readers()))]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.giving.set()
        for thread in self.threads:
            thread.join(60)

    def donors(self) -> None:
        with httpx.Client(base_url=self.machines.sandbox, auth=KEY, timeout=20) as client:
            for name in itertools.cycle(CAMPAIGNS):
                self.giving.wait()
                if self.ended.wait(GIFT_PAUSE):
                    return
                give(client, random.randint(2_00, 300_00), name)
                self.gifts += 1

    async def readers(self) -> None:
        url, trust = self.machines.proxy.url, self.machines.proxy.trust
        async with httpx.AsyncClient(base_url=url, verify=trust, timeout=20) as client:
            await asyncio.gather(*(self.reader(client, number) for number in range(READERS)))

    async def reader(self, client: httpx.AsyncClient, number: int) -> None:
        dice = random.Random(number)
        while not self.ended.is_set():
            path = dice.choice(PATHS).format(dice.choice(CAMPAIGNS))
            text = ""
            try:
                response = await client.get(path)
                answer, text = str(response.status_code), response.text
            except httpx.HTTPError as error:
                answer = type(error).__name__
            if answer == "200":
                self.reads.append(time.monotonic())
                self.stale += '"stale":true' in text
            else:
                self.failed[f"{answer} {path.replace('-', ' ')}"] += 1
            await asyncio.sleep(READ_PAUSE)


# ── the events ────────────────────────────────────────────────────────────────────────────────────────────────────


def nothing(_: Machines) -> None: ...


def kill_instance(machines: Machines) -> None:
    instance = machines.instances[0]
    instance.kill()
    time.sleep(AWAY)
    instance.start()
    instance.until_ready()


def kill_primary(machines: Machines) -> None:
    """Kill the primary of the account's keys. It returns once its replica was promoted, as its replica."""
    old = owner_of(machines.cluster, machines.slot())
    old.kill()
    promoted(machines, old)
    old.start()
    follows(old)


def restart_primary(machines: Machines) -> None:
    """Kill the primary of the account's keys and start it at once. It is the primary again, and has lost everything."""
    old = owner_of(machines.cluster, machines.slot())
    old.kill()
    old.start()


def suspend_primary(machines: Machines) -> None:
    """Suspend the primary of the account's keys: it hangs, and its connections stay open."""
    old = owner_of(machines.cluster, machines.slot())
    old.signal(signal.SIGSTOP)
    try:
        promoted(machines, old)
        time.sleep(4)
    finally:
        old.signal(signal.SIGCONT)
    follows(old)


def promoted(machines: Machines, old: Server) -> None:
    def answered() -> bool:
        with contextlib.suppress(AssertionError, RedisError):
            return bool(owner_of(machines.cluster, machines.slot(), without=old))
        return False

    eventually(answered, "the replica is promoted", 30)


def follows(server: Server) -> None:
    def linked() -> bool:
        return server.client().info("replication").get("master_link_status") == "up"

    eventually(linked, "the old primary follows the new one", 30)


def move_slots(machines: Machines) -> None:
    """Move the slot of the account and one of a campaign, key by key, slowly enough that both halves are used."""
    for slot in (machines.slot(), machines.slot(CAMPAIGNS[0])):
        with moving(machines.cluster, slot, another_primary(machines, slot)) as move_keys:
            time.sleep(0.5)
            assert move_keys(1), "the slot has keys"
            while move_keys(1):
                time.sleep(0.3)


def move_slots_at_once(machines: Machines) -> None:
    """Move the same slots with the atomic migration of Valkey 9."""
    for slot in (machines.slot(), machines.slot(CAMPAIGNS[0])):
        source, target = owner_of(machines.cluster, slot), another_primary(machines, slot)
        arguments = ("SLOTSRANGE", slot, slot, "NODE", node_id(target))
        source.client().execute_command("CLUSTER", "MIGRATESLOTS", *arguments)
        eventually(lambda target=target, slot=slot: owner_of(machines.cluster, slot) is target, "the slot moved", 30)


def another_primary(machines: Machines, slot: int) -> Server:
    source = owner_of(machines.cluster, slot)
    return next(each for each in machines.cluster.servers if each is not source and role(each) == "master")


EVENTS: dict[str, tuple[str, Callable[[Machines], None]]] = {
    "nothing": ("nothing", nothing),
    "instance": ("an instance is killed (SIGKILL), and starts after 3 s", kill_instance),
    "primary": ("a primary is killed, and its replica promoted", kill_primary),
    "suspended": ("a primary hangs, and its replica is promoted", suspend_primary),
    "emptied": ("a primary starts at once, without its data", restart_primary),
    "slots": ("two slots are moved, key by key", move_slots),
    "at-once": ("two slots are moved at once (Valkey 9)", move_slots_at_once),
}


def run_event(machines: Machines, load: Load, name: str, gifts: int) -> tuple[bool, str]:
    """Cause one event under load, and count. Return True if nothing was lost and no read failed, and a row."""
    before, resent = machines.deliver_all(), machines.sent_again()
    given, failed, stale, began = load.gifts, load.failed.total(), load.stale, time.monotonic()
    load.giving.set()
    eventually(lambda: load.gifts >= given + gifts // 2, "gifts come before the event")
    what, cause = EVENTS[name]
    cause(machines)
    until = load.gifts + gifts // 2
    eventually(lambda: load.gifts >= until, "gifts come after the event")
    load.giving.clear()
    time.sleep(0.5)  # the last gift is on its way to the sandbox
    over = time.monotonic()
    counted, sent = machines.deliver_all() - before, load.gifts - given
    late, resent = time.monotonic() - over, machines.sent_again() - resent
    times = [began, *(at for at in load.reads if at > began)]
    gap = max(after - at for at, after in itertools.pairwise(times))
    lost, stale = load.failed.total() - failed, load.stale - stale
    cells = (sent, counted, resent, f"{late:.0f} s", len(times) - 1 + lost, lost, stale, f"{gap:.1f} s")
    return sent == counted and not lost, f"| {what} | {' | '.join(map(str, cells))} |"


def run(folder: Path, events: list[str], gifts: int) -> tuple[bool, str]:
    """Run events on a new installation, and print a table. Return True if every law held, and the table."""
    of_gifts = ("gifts sent", "gifts counted", "webhooks sent again", "last gift counted after")
    heads = ("event", *of_gifts, "reads", "reads failed", "reads marked stale", "longest time between two reads")
    table, held = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * 8}"], True
    print("\n".join(table), flush=True)
    with two_machines(folder) as machines, Load(machines) as load:
        for name in events:
            good, row = run_event(machines, load, name, gifts)
            print(row, flush=True)
            table.append(row)
            held = held and good
    for what, number in load.failed.most_common(10):
        print(f"failed: {number} × {what}")
    return held, "\n".join(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("event", nargs="*", help=", ".join(EVENTS))
    parser.add_argument("--gifts", type=int, default=60, help="gifts around each event")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="two-machines-") as folder:
        held, table = run(Path(folder), wanted.event or list(EVENTS), wanted.gifts)
    if not wanted.event:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}", "utf-8")
    sys.exit(not held)


if __name__ == "__main__":
    main()
