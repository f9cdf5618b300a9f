"""The limits stop card testing, and let donors through who prove work."""

from __future__ import annotations

from dataclasses import replace

import pytest
from donation_card.application.client_limits import UNKNOWN_NETWORK_FACTOR
from donation_card.application.ports.payments import PaymentDeclined
from donation_card.application.session_limits import CHALLENGES_PER_NETWORK, PER_NETWORK, Budgets, Client
from donation_card.domain.attack_detection import DECLINE_THRESHOLD
from donation_card.domain.campaign import OtherWay
from donation_card.errors import PaymentsUnavailable, RateLimited

from tests.support.fakes import ACCOUNT
from tests.unit.application.conftest import ROOF, Worker, paid_session

pytestmark = pytest.mark.anyio


def client(number: int = 1, **changes: object) -> Client:
    """A browser in the network of this number."""
    return replace(Client(f"11.0.{number}.1", has_javascript=True, form_hash="form"), **changes)  # type: ignore[arg-type]


async def admitted(worker: Worker, *clients: Client) -> list[str]:
    """Return `session`, or the code of the error, for each client."""
    results = []
    for each in clients:
        try:
            await worker.limits.admit(worker.campaign, each)
            results.append("session")
        except RateLimited as error:
            results.append(error.code)
    return results


async def start_attack(worker: Worker) -> None:
    for _ in range(DECLINE_THRESHOLD):
        worker.limits.record_signal(PaymentDeclined())
    await worker.limits.sync_attack_status()


async def test_network_has_a_limit(worker: Worker) -> None:
    requests = []
    for _ in range(PER_NETWORK.burst + 1):
        requests += await admitted(worker, client())
        worker.clock.advance(1)
    assert requests == ["session"] * PER_NETWORK.burst + ["challenge_required"]
    assert await admitted(worker, client(2)) == ["session"]


async def test_campaign_has_a_limit_without_proof(worker: Worker) -> None:
    burst = worker.limits.budgets.unproven.burst
    requests = await admitted(worker, *(client(number) for number in range(burst + 1)))
    assert requests == ["session"] * burst + ["challenge_required"]


async def test_proof_lifts_the_limit_once(worker: Worker) -> None:
    await start_attack(worker)
    proven = client(proof="solved:form:1")
    assert await admitted(worker, client()) == ["challenge_required"]
    assert await admitted(worker, proven, proven) == ["session", "challenge_required"]
    assert await admitted(worker, client(proof="wrong")) == ["challenge_required"]


async def test_proof_stays_used_without_redis(worker: Worker) -> None:
    await start_attack(worker)
    proven = client(proof="solved:form:1")
    assert await admitted(worker, proven) == ["session"]
    worker.limiter.available = False
    assert await admitted(worker, proven, client(proof="solved:form:2")) == ["challenge_required", "session"]


async def test_proof_without_room_is_counted_once(worker: Worker) -> None:
    await start_attack(worker)
    room = worker.limits.budgets.campaign.burst
    proofs = [client(proof=f"solved:form:{number}") for number in range(room + 1)]
    assert (await admitted(worker, *proofs, proofs[-1]))[room:] == ["rate_limited"] * 2
    await worker.limits.sync_attack_status()
    assert worker.limiter._of(ACCOUNT).attack_state.signals.proofs_rejected == 1


async def test_replaced_session_counts_as_a_proof(worker: Worker) -> None:
    await start_attack(worker)
    await worker.limits.admit(ROOF, client(), replaces="attempt")
    with pytest.raises(RateLimited, match="challenge_required"):
        await worker.limits.admit(ROOF, client(), replaces="attempt")


async def test_browser_without_javascript_has_a_reserve(worker: Worker) -> None:
    await start_attack(worker)
    plain = client(has_javascript=False)
    assert await admitted(worker, plain, plain, plain) == ["session", "session", "rate_limited"]
    others = [client(number, has_javascript=False) for number in range(2, 9)]
    assert await admitted(worker, *others) == ["session"] * 4 + ["rate_limited"] * 3


async def test_fallback_url_replaces_the_reserve() -> None:
    worker = Worker(campaign=replace(ROOF, fallback_url="https://give.example"))
    await start_attack(worker)
    with pytest.raises(RateLimited) as caught:
        await worker.limits.admit(worker.campaign, client(has_javascript=False))
    assert caught.value.code == "challenge_required"
    assert caught.value.params["fallback_url"] == "https://give.example"


async def test_other_way_is_no_reason_to_refuse() -> None:
    worker = Worker(campaign=replace(ROOF, other_ways=(OtherWay("https://coins.example", {}),)))
    await start_attack(worker)
    await worker.limits.admit(worker.campaign, client(has_javascript=False))


async def test_wait_is_rounded_up_to_seconds(worker: Worker) -> None:
    await start_attack(worker)
    plain = client(has_javascript=False)
    await admitted(worker, plain, plain)
    with pytest.raises(RateLimited) as caught:
        await worker.limits.admit(ROOF, plain)
    assert caught.value.params == {"retry_after": 10, "campaign": "roof"}


async def test_challenges_have_a_limit(worker: Worker) -> None:
    for number in range(1, CHALLENGES_PER_NETWORK.burst + 1):
        assert worker.limits.issue_challenge("11.0.1.1", "form") == {"challenge": f"form:{number}", "level": 0}
    with pytest.raises(RateLimited) as caught:
        worker.limits.issue_challenge("11.0.1.1", "form")
    assert caught.value.params == {"retry_after": 2}
    worker.clock.advance(3_601)  # the salt changes, and all counts are discarded
    assert worker.limits.issue_challenge("11.0.1.1", "form")


@pytest.mark.parametrize(
    "address", [None, "", "unknown", "127.0.0.1", "172.17.0.1", "fe80::1%eth0", "1.2.3.4, 5.6.7.8"]
)
async def test_clients_without_public_address_share_a_limit(worker: Worker, address: str | None) -> None:
    allowed = 0
    while await admitted(worker, client(address=address if allowed % 2 else None)) == ["session"]:
        allowed += 1
        worker.clock.advance(0.25)  # as fast as the campaign allows
    rate = PER_NETWORK.multiply(UNKNOWN_NETWORK_FACTOR)
    assert allowed == rate.burst + allowed * 250 // rate.interval_ms
    assert await admitted(worker, client(1)) == ["session"], "a known network keeps its own limit"


async def test_attack_is_detected_and_shared(worker: Worker) -> None:
    other = Worker()
    other.limits.limiter = worker.limiter
    assert not worker.limits.attack_status.effective_level
    await start_attack(worker)
    await other.limits.sync_attack_status()
    assert other.limits.attack_status.effective_level == 1


@pytest.mark.parametrize("others", [0, 1, 500])
@pytest.mark.parametrize("own", [0, DECLINE_THRESHOLD - 1, DECLINE_THRESHOLD + 1])
@pytest.mark.parametrize("declined", [DECLINE_THRESHOLD - 1, DECLINE_THRESHOLD])
async def test_attack_status_does_not_tell_if_others_gave(worker: Worker, declined: int, own: int, others: int) -> None:
    """A card tester gives as often as cards are declined. The status must be the same without other donors."""
    for number in range(own + others):
        worker.limits.record_signal(paid_session(number))
    for _ in range(declined):
        worker.limits.record_signal(PaymentDeclined())
    await worker.limits.sync_attack_status()
    assert worker.limits.attack_status.effective_level == int(declined == DECLINE_THRESHOLD)


async def test_signals_wait_for_the_account(worker: Worker) -> None:
    worker.payments.error = PaymentsUnavailable()
    with pytest.raises(PaymentsUnavailable):
        await start_attack(worker)
    worker.payments.error = None
    await worker.limits.sync_attack_status()
    assert worker.limits.attack_status.effective_level == 1


async def test_attack_goes_on_without_redis(worker: Worker) -> None:
    await start_attack(worker)
    worker.limiter.available = False
    await worker.limits.sync_attack_status()
    assert worker.limits.attack_status.effective_level == 1
    assert await admitted(worker, client()) == ["challenge_required"]


async def test_worker_allows_a_part_without_redis(worker: Worker) -> None:
    worker.limiter.available = False
    burst = worker.limits.budgets.unproven.burst // 2
    requests = await admitted(worker, *(client(number) for number in range(burst + 1)))
    assert requests == ["session"] * burst + ["challenge_required"]


def test_budgets_divide_the_limit_of_stripe() -> None:
    budgets = Budgets.from_stripe_limit(25)
    assert [rate.interval_ms for rate in (budgets.total, budgets.campaign, budgets.unproven, budgets.reads)] == [
        83,
        100,
        250,
        100,
    ]
    assert budgets.total.burst == 10
