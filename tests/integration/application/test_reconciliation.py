"""Test the comparison of the totals with Stripe: syncs and rebuilds, also interrupted ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from donation_card.adapters.stripe.payments import StripePayments
from donation_card.application.ports.payments import StripeRecord
from donation_card.application.ports.totals import SyncHistory
from donation_card.application.reconciliation import REBUILD_INTERVAL, SYNC_INTERVAL
from donation_card.cli.main import cli
from donation_card.domain.totals import Totals, payment, totals_name
from donation_card.observability import metrics
from redis import Redis
from structlog.testing import capture_logs

from tests.support.harness import HarnessWorker, TotalsHarness
from tests.support.installation import Installation, eventually, running
from tests.support.sandbox import KEY, sandbox_with

HOUR = 3_600


@pytest.fixture
def harness(redis_url: str, sample_campaign: Path) -> Iterator[TotalsHarness]:
    with sandbox_with(clock=time.time, seed=None) as sandbox:
        yield TotalsHarness(sandbox, redis_url, sample_campaign)


@contextmanager
def alarms() -> Iterator[list[str]]:
    """Return the errors in the log."""
    said: list[str] = []
    with capture_logs() as logs:
        yield said
    said += [line["event"] for line in logs if line["log_level"] == "error"]


# ── what is found ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_first_sync_finds_all_and_logs_no_mismatch(harness: TotalsHarness) -> None:
    payment = harness.give()
    harness.give()
    harness.sandbox.operate("refunds", payment_intent=payment, amount=500)
    with alarms() as said:
        assert harness.pass_() == Totals(45_00, 2)
    assert said == []


def test_sync_finds_changes_without_webhooks(harness: TotalsHarness) -> None:
    harness.pass_()
    first, second = harness.give(), harness.give()
    harness.sandbox.operate("refunds", payment_intent=first, amount=500)
    harness.sandbox.operate("disputes", payment_intent=second, amount=2500, status="needs_response")
    assert harness.pass_() == Totals(20_00, 2)


def test_sync_finds_old_session_paid_after_cursor(harness: TotalsHarness) -> None:
    session = harness.sandbox.create()
    harness.advance(80 * 60)
    harness.pass_()
    harness.sandbox.operate("faults", webhooks={"never_recorded_rate": 1.0})
    harness.sandbox.pay(session)
    assert harness.pass_() == Totals(25_00, 1)


def test_sync_finds_late_change_of_an_old_refund(harness: TotalsHarness) -> None:
    refund = harness.sandbox.operate("refunds", payment_intent=harness.give(), amount=500)
    harness.pass_()
    harness.advance(6 * HOUR)
    harness.pass_()
    harness.sandbox.operate(f"refunds/{refund['id']}", status="failed")
    assert harness.pass_() == Totals(25_00, 1)


def test_sync_without_event_permission_finds_the_rest(harness: TotalsHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = harness.worker()

    async def refused(changed: int) -> AsyncIterator[StripeRecord]:
        async for told in StripePayments(
            "sk_test_wrong", [], api_base=f"{harness.sandbox.url}/nowhere"
        ).list_changed_since(0):
            yield told

    harness.pass_()
    harness.give()
    monkeypatch.setattr(worker.payments, "list_changed_since", refused)
    with alarms() as said:
        assert harness.run(harness.sync(worker)) == Totals(25_00, 1)
    assert said == ["event_list_failed"]


def test_rebuild_finds_late_change_and_logs_mismatch(harness: TotalsHarness) -> None:
    refund = harness.sandbox.operate("refunds", payment_intent=harness.give(), amount=500)
    harness.pass_()
    harness.advance(6 * HOUR)
    harness.pass_()
    harness.sandbox.operate("faults", webhooks={"never_recorded_rate": 1.0})
    harness.sandbox.operate(f"refunds/{refund['id']}", status="failed")
    assert harness.pass_() == Totals(20_00, 1)
    harness.advance(REBUILD_INTERVAL)
    counted = metrics.render([])
    with alarms() as said:
        assert harness.pass_() == Totals(25_00, 1)
    assert said == ["totals_mismatch"]
    assert b'reconciliation_mismatches_total{campaign="roof"}' in metrics.render([])
    assert counted != metrics.render([])


def test_rebuild_ignores_donation_with_pending_webhook(harness: TotalsHarness) -> None:
    harness.pass_()
    harness.advance(REBUILD_INTERVAL)
    harness.give()
    with alarms() as said:
        assert harness.pass_() == Totals(25_00, 1)
    assert said == []


def test_campaign_without_file_is_counted_and_logged(harness: TotalsHarness) -> None:
    elsewhere = {"campaign": "no-file", "site": "gazette"}
    harness.give(metadata=elsewhere, payment_intent_data={"metadata": elsewhere})
    with alarms() as said:
        assert harness.pass_() == Totals(0, 0)
    assert set(said) == {"campaign_unknown"}
    harness.advance(REBUILD_INTERVAL)
    harness.pass_()

    async def found() -> Totals | None:
        worker = harness.worker()
        return await worker.totals_store.totals(await worker.account.get(), totals_name("no-file", "EUR"))

    assert harness.run(found()) == Totals(25_00, 1)


def test_refund_of_another_product_is_looked_up_once_in_a_run(harness: TotalsHarness) -> None:
    payment = harness.give(metadata={"order": "7"}, payment_intent_data={"metadata": {"order": "7"}})
    harness.sandbox.operate("refunds", payment_intent=payment, amount=500)
    worker = harness.worker()

    async def twice() -> int:
        await worker.reconciliation.run()
        await worker.reconciliation.run()
        return worker.payments.lookups

    assert harness.run(twice()) == 2, "for its event; the list of sessions says it otherwise"


# ── when it is due ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("history", "due"), [(SyncHistory(), 0), (SyncHistory(1_000, 1_000), SYNC_INTERVAL)])
def test_account_is_synchronised_in_regular_intervals(harness: TotalsHarness, history: SyncHistory, due: int) -> None:
    harness.ahead = -time.time()
    worker = harness.worker()
    for campaign in worker.campaigns.all():
        worker.progress._progress[campaign.totals_name] = SETTLED

    def is_due(at: float) -> bool:
        harness.ahead = at - time.time()
        return worker.reconciliation._is_due(history)

    assert [is_due(1_000 + due - 5), is_due(1_000 + due + 5)] == [due == 0, True]


class SETTLED:
    stale = False


def test_one_of_many_workers_reconciles(harness: TotalsHarness) -> None:
    workers = [harness.worker() for _ in range(5)]

    async def together() -> list[int]:
        await asyncio.gather(*(worker.reconciliation.run_if_due() for worker in workers))
        return sorted(worker.payments.listings for worker in workers)

    assert harness.run(together()) == [0, 0, 0, 0, 1]
    harness.pass_()


def test_two_parallel_reconciliations_are_correct(harness: TotalsHarness) -> None:
    harness.give()

    async def together() -> Totals | None:
        workers = [harness.worker() for _ in range(3)]
        await asyncio.gather(*(worker.reconciliation.run() for worker in workers), return_exceptions=True)
        return await harness.sync()

    assert harness.run(together()) == Totals(25_00, 1)


@pytest.mark.parametrize("seen", range(3))
def test_killed_rebuild_marks_and_leaves_nothing(harness: TotalsHarness, seen: int) -> None:
    for _ in range(3):
        harness.give()
    worker = harness.worker()
    worker.payments.stop_after = seen

    async def killed() -> Totals | None:
        account = await worker.account.get()
        with pytest.raises(asyncio.CancelledError):
            await worker.reconciliation.run()
        return await worker.totals_store.totals(account, "roof/EUR")

    assert harness.run(killed()) is None
    assert harness.pass_() == Totals(75_00, 3)


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────────────


def command(harness: TotalsHarness, *arguments: str) -> tuple[int, str]:
    """Run a command of the service, and return its exit status and output."""
    environment = {
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_PUBLISHABLE_KEY": "pk_test_0123456789",
        "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
        "STRIPE_API_BASE": harness.sandbox.url,
        "REDIS_URL": harness.redis_url,
        "PUBLIC_URL": "http://localhost:8000",
        "SECRET_KEYS": "0123456789abcdef" * 2,
        "CAMPAIGNS_DIR": str(harness.campaigns),
    }
    result = CliRunner().invoke(cli, [*arguments], env=environment)
    return result.exit_code, result.output


def rebuild(harness: TotalsHarness, *options: str) -> tuple[int, list[str]]:
    """Gives the exit code and the campaign's line of the closing table."""
    status, output = command(harness, "rebuild", *options)
    lines = [line for line in output.splitlines() if line.startswith("roof")]
    assert lines, output
    return status, lines[0].split()


def test_rebuild_command_prints_totals_and_mismatch(harness: TotalsHarness) -> None:
    harness.give()
    assert rebuild(harness) == (0, ["roof", "unknown", "25.00", "EUR", "1"])
    harness.give()
    told = (1, ["roof", "25.00", "EUR", "50.00", "EUR", "25.00", "EUR", "1", "→", "2"])
    assert rebuild(harness, "--dry-run") == told
    assert rebuild(harness) == told, "the dry run has changed nothing"
    assert rebuild(harness) == (0, ["roof", "50.00", "EUR", "50.00", "EUR", "0.00", "EUR", "2"])


def test_totals_command_says_that_a_clock_was_ahead(harness: TotalsHarness) -> None:
    harness.give()
    harness.pass_()

    async def synchronise(ahead: int) -> None:
        worker = harness.worker()
        store, account = worker.totals_store, await worker.account.get()
        history = replace(await store.sync_history(account), last_sync_at=int(time.time()) + ahead)
        assert await store.save_sync_history(account, history)

    harness.run(synchronise(3 * 3_600))
    status, output = command(harness, "totals", "roof")
    assert (status, "a clock was ahead" in output, "25.00" in output) == (1, True, False)
    harness.run(synchronise(0))
    assert command(harness, "totals", "roof")[0] == 0


def test_totals_command_shows_each_source_exactly(harness: TotalsHarness) -> None:
    file = harness.campaigns / "roof.toml"
    offline = '\n[[offline]]\ndate = 2026-01-02\namount = "37.50"\nsource = { en = "A fair", de = "Ein Markt" }\n'
    file.write_text(file.read_text("utf-8") + offline, "utf-8")
    harness.give()
    bank_file = 'sum = "1000.00"\ndonations = 4\nlast_day = 2026-11-20\n'
    (harness.campaigns / "roof.bank.toml").write_text(bank_file, "utf-8")
    assert command(harness, "totals", "roof")[0] == 1, "the total is not known yet"
    harness.pass_()

    async def give_yen() -> None:
        worker = harness.worker()
        account = await worker.account.get()
        await worker.totals_store.apply(account, payment("roof/JPY", "pi_yen", 2_500))
        await worker.reconciliation.rebuild()
        await worker.totals_store.apply(account, payment("roof/JPY", "pi_yen", 2_500))

    harness.run(give_yen())
    status, output = command(harness, "totals", "roof")
    assert status == 0
    for line in (
        "raised    1062.50 EUR before fees",
        "stripe    25.00 EUR in 1 payments",
        "offline   37.50 EUR in 1 entries of the campaign file",
        "transfer  1000.00 EUR in 4 bank transfers; statements until 2026-11-20, ",
        "other     2500 JPY in 1 payments, not shown: the file has EUR",
    ):
        assert line in output


# ── a running service ─────────────────────────────────────────────────────────────────────────────────────────────


def keys(installation: Installation, name: str) -> list[bytes]:
    with Redis.from_url(installation.settings.redis_url) as raw:
        account = httpx.get(f"{installation.sandbox}/v1/account", auth=("sk_test_x", "")).json()["id"]
        return list(raw.scan_iter(f"donation-card:{{{account}/test*}}:{name}"))


def damage(installation: Installation, harm: str) -> None:
    with Redis.from_url(installation.settings.redis_url) as raw:
        if harm == "everything is gone":
            raw.delete(*keys(installation, "*"))
        elif harm == "the account is forgotten":
            raw.delete(*keys(installation, "account"))
        elif harm == "the campaign is gone":
            raw.delete(*keys(installation, "meta"), *keys(installation, "versions:*"), *keys(installation, "totals:*"))
        elif harm == "a sum was changed by hand":
            raw.hset(keys(installation, "totals:*")[0], "raised", 1_00)
        else:
            raw.delete(*keys(installation, f"{harm.split()[1]}:*"))


@pytest.mark.parametrize(
    "harm",
    [
        *("everything is gone", "the account is forgotten", "the campaign is gone"),
        *("the versions are gone", "the totals are gone", "a sum was changed by hand"),
    ],
)
def test_readers_see_last_total_while_lost_keys_are_rebuilt(redis_url: str, tmp_path: Path, harm: str) -> None:
    with running(redis_url, tmp_path) as installation:
        installation.until_ready()
        installation.give("25")
        eventually(lambda: installation.progress()["raised"] == 25_00, "the gift is shown")
        damage(installation, harm)
        seen = set()

        def mended() -> bool:
            answer = installation.progress()
            seen.add(answer["raised"])
            return installation.totals() == Totals(25_00, 1) and not answer["stale"]

        eventually(mended, "the totals are known again")
        installation.give("15")
        eventually(lambda: installation.progress()["raised"] == 40_00, "the next gift is shown")
    assert seen == {25_00}, "unknown is not zero"


def test_donation_into_an_empty_redis_is_counted(redis_url: str, tmp_path: Path) -> None:
    with running(redis_url, tmp_path) as installation:
        installation.until_ready()
        installation.give("25")
        eventually(lambda: installation.totals() == Totals(25_00, 1), "the gift is counted")
        damage(installation, "everything is gone")
        installation.give("15")
        eventually(lambda: installation.totals() == Totals(40_00, 2), "both are counted")


# ── a clock that was ahead ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("restarted", [False, True])
def test_clock_40_days_ahead_for_8_seconds_does_no_harm(harness: TotalsHarness, *, restarted: bool) -> None:
    """The clocks of the worker and of Redis are ahead, that of Stripe is not. `restarted`: the worker starts then."""
    ahead, wrong_seconds = 40 * 86_400, 8

    def start() -> HarnessWorker:
        worker = harness.worker("30m")
        jump = harness.ahead
        # The uptime is monotonic: only `advance` moves it, and no jump of the clock.
        worker.progress.uptime = lambda: time.monotonic() + (harness.ahead - jump) % ahead
        worker.progress._uptime_at_start = worker.progress.uptime()
        return worker

    async def tick(worker: HarnessWorker) -> int | None:
        """Return the public total, or None while it is unknown or stale."""
        await worker.reconciliation.run_if_due()
        await worker.progress.refresh(worker.campaigns.get("roof"))
        progress = worker.progress.get(worker.campaigns.get("roof"))
        return progress.raised.amount if progress and not progress.stale else None

    async def story() -> None:
        worker = start()
        assert await tick(worker) == 0
        harness.ahead += ahead
        if restarted:
            await worker.close()
            worker = start()
        for _ in range(wrong_seconds):
            await tick(worker)
            harness.advance(1)
        harness.ahead -= ahead
        for _ in range(8):
            await asyncio.to_thread(harness.give)
        counted = metrics.future_instants.metric._value.get()
        await tick(worker)
        assert metrics.future_instants.metric._value.get() > counted, "ClockWrong fires: deploy/alerts.test.yml"
        account = await worker.account.get()
        assert await worker.totals_store.totals(account, totals_name("roof", "EUR")) == Totals(200_00, 8)
        history = await worker.totals_store.sync_history(account)
        assert abs((history.last_sync_at or 0) - worker.clock().timestamp()) < 60
        harness.advance(30 * 60)
        assert await tick(worker) == 100_00, "the first step is published below 200"
        await worker.close()

    harness.run(story())
