"""Test rate limits and the proof of work."""

import asyncio
import contextlib
import hashlib
import json
import re
import time
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import altcha
import httpx
import pytest
from donation_card.adapters import proof_of_work
from donation_card.app import create_app
from donation_card.application.ports.payments import Account
from donation_card.application.session_limits import CHALLENGES_PER_NETWORK, PER_NETWORK, WITHOUT_JS_PER_NETWORK
from donation_card.cli.attack_mode import set_attack_mode
from donation_card.demo.embedded_valkey import EmbeddedValkey
from donation_card.domain.attack_detection import DECLINE_THRESHOLD
from redis import Redis

from tests.integration.web.test_stripe_webhook import outcome, post, session_event
from tests.support import contract
from tests.support.installation import DECLINED, eventually, listening, processes, running, served
from tests.support.redis_stores import rate_limiter
from tests.support.refused_orders import refuse

networks = (f"11.{n // 250}.{n % 250}.7" for n in range(60_000))


@pytest.fixture(scope="module", autouse=True)
def easy():
    """Challenges that take milliseconds; how much work they are is no question here."""
    before, proof_of_work.MEAN_ATTEMPTS = proof_of_work.MEAN_ATTEMPTS, 4
    yield
    proof_of_work.MEAN_ATTEMPTS = before


@pytest.fixture
def attacked(installation):
    """Force the attack status of the installation on."""
    force(installation, "on")
    yield installation
    force(installation, "auto")


def force(installation, wanted):
    with ThreadPoolExecutor(1) as thread:
        said = thread.submit(lambda: asyncio.run(set_attack_mode(installation.settings, wanted))).result()
    eventually(lambda: mode(installation) == said, "the workers know")
    return said


def mode(installation):
    return in_words(installation.client.get("/readyz").json()["attack_mode"])


def in_words(attack):
    """As `attack-mode` prints it."""
    state = f"on, level {attack['level']} of {attack['max_level']}" if attack["level"] else "off"
    return f"{state} (forced)" if attack["forced"] else state


def order(installation, network=None, *, amount="25", token=None, proof=None, **more):
    """`network`: an address that the proxy says; the test's own names none."""
    body = {
        "form_token": token or installation.token(),
        "amount": amount,
        **({"proof": proof} if proof else {}),
        **more,
    }
    headers = {"x-forwarded-for": network} if network else {}
    return installation.client.post("/v1/checkout-sessions", json=body, headers=headers)


def submit(installation, network=None, *, token=None, **fields):
    headers = {"accept": "text/html", **({"x-forwarded-for": network} if network else {})}
    fields = {"form_token": token or installation.token(), "amount": "25", **fields}
    return installation.client.post("/v1/checkout-sessions", data=fields, headers=headers)


def code(answer):
    return answer.status_code, answer.json().get("code", "")


def solve(installation, token):
    """Solve a challenge as `solve.js` does."""
    form = hashlib.sha256(token.encode()).hexdigest()
    challenge = installation.client.get("/v1/challenge", params={"form_hash": form}).raise_for_status().json()
    solution = altcha.solve_challenge(altcha.Challenge.from_dict(challenge))
    found = {"counter": solution.counter, "derivedKey": solution.derived_key}
    return b64encode(json.dumps({"challenge": challenge, "solution": found}).encode()).decode()


def use_up(installation, network):
    for n in range(PER_NETWORK.burst):
        assert order(installation, network).status_code == 201, n


def test_only_a_network_over_its_limit_needs_a_proof(installation):
    crowded, token = next(networks), installation.token()
    use_up(installation, crowded)
    refused = order(installation, crowded, token=token)
    assert code(refused) == (429, "challenge_required")
    assert refused.json()["params"] == {"campaign": "vitaly"}
    assert order(installation, next(networks)).status_code == 201
    assert order(installation, crowded, token=token, proof=solve(installation, token)).status_code == 201, (
        "a proof lifts the limit"
    )
    assert code(order(installation, crowded)) == (429, "challenge_required"), "for one session"


def test_donor_without_javascript_has_a_separate_quota(installation):
    crowded = next(networks)
    use_up(installation, crowded)
    for _ in range(WITHOUT_JS_PER_NETWORK.burst):
        assert submit(installation, crowded).status_code == 303
    token = installation.token()
    page = submit(installation, crowded, token=token, lang="be")
    assert page.status_code == 429
    assert 'data-code="rate_limited"' in page.text
    assert 'lang="be"' in page.text, "in the form's language, not the browser's"
    assert 'href="/c/vitaly/give?lang=be"' in page.text, "never a dead end"
    assert int(page.headers["retry-after"]) > 0


def test_untrusted_forwarded_header_changes_nothing(installation):
    app = create_app(installation.settings)

    async def from_a_stranger(scope, receive, send):
        await app(scope | {"client": ("11.99.1.1", 4711)}, receive, send)

    port, found = listening(), []
    with served((from_a_stranger, port)):
        for n in range(PER_NETWORK.burst + 1):
            told = {"x-forwarded-for": f"11.98.{n}.1", "x-real-ip": f"11.98.{n}.1", "forwarded": f"for=11.98.{n}.1"}
            body, origin = (
                {"form_token": installation.token(), "amount": "25"},
                f"http://localhost:{port.getsockname()[1]}",
            )
            found.append(httpx.post(f"{origin}/v1/checkout-sessions", json=body, headers=told).status_code)
    assert found == [201] * PER_NETWORK.burst + [429]


def test_attack_requires_a_proof_that_works_once(attacked):
    token = attacked.token()
    assert code(order(attacked, token=token)) == (429, "challenge_required")
    proof = solve(attacked, token)
    assert order(attacked, token=token, proof=proof).status_code == 201
    assert code(order(attacked, token=token, proof=proof)) == (429, "challenge_required"), "replayed"
    assert code(order(attacked, token=token, proof=proof, amount="30")) == (429, "challenge_required"), "replayed"


def test_proof_works_only_for_its_own_form(attacked):
    mine, theirs = attacked.token(), attacked.token()
    assert code(order(attacked, token=mine, proof=solve(attacked, theirs))) == (429, "challenge_required")


def changed(proof, **parameters):
    found = json.loads(b64decode(proof))
    found["challenge"]["parameters"] |= parameters
    return b64encode(json.dumps(found).encode()).decode()


def test_changed_challenge_is_refused(attacked):
    token = attacked.token()
    proof = solve(attacked, token)
    for change in ({"keyPrefix": "00"}, {"cost": 1}, {"expiresAt": int(time.time()) + 9_999}, {"data": {}}):
        assert code(order(attacked, token=token, proof=changed(proof, **change))) == (429, "challenge_required")
    guessed = json.loads(b64decode(proof))
    guessed["solution"]["derivedKey"] = "00" * 32
    guess = b64encode(json.dumps(guessed).encode()).decode()
    assert code(order(attacked, token=token, proof=guess)) == (429, "challenge_required")
    assert order(attacked, token=token, proof=proof).status_code == 201


def test_network_with_too_many_challenges_waits(attacked):
    def ask(network):
        told = {"form_hash": "0" * 64}
        return attacked.client.get("/v1/challenge", params=told, headers={"x-forwarded-for": network})

    greedy = next(networks)
    answers = [ask(greedy) for _ in range(CHALLENGES_PER_NETWORK.burst * 2)]
    assert {answer.status_code for answer in answers[: CHALLENGES_PER_NETWORK.burst]} == {200}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert code(refused) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) == CHALLENGES_PER_NETWORK.interval_ms // 1_000
    assert ask(next(networks)).status_code == 200
    assert ask("127.0.0.1").status_code == 200, "an onion's visitors have no network"


def test_expired_proof_is_refused(attacked, monkeypatch):
    token = attacked.token()
    with monkeypatch.context() as earlier:
        earlier.setattr(proof_of_work, "CHALLENGE_LIFETIME", -1)
        late = solve(attacked, token)
    assert code(order(attacked, token=token, proof=late)) == (429, "challenge_required")


@pytest.mark.parametrize("proof", ["x", "e30=", "W10=", b64encode(b"\xff{").decode(), "п" * 20, "=" * 1_999])
def test_malformed_proof_breaks_nothing(attacked, proof):
    assert code(order(attacked, proof=proof)) == (429, "challenge_required")


def test_second_session_of_a_form_needs_no_new_proof(attacked):
    token = attacked.token()
    inline = order(attacked, token=token, proof=solve(attacked, token)).json()["session_token"]
    assert submit(attacked, token=token, replaces_session=inline).status_code == 303
    assert code(order(attacked, token=token, amount="30", replaces_session=inline)) == (429, "challenge_required")


def test_operator_reads_and_forces_attack_status(installation):
    assert mode(installation) == "off"
    assert force(installation, "on") == "on, level 1 of 5 (forced)"
    assert code(order(installation)) == (429, "challenge_required")
    assert force(installation, "off") == "off (forced)"
    assert order(installation).status_code == 201
    assert force(installation, "auto") == "off"


def test_declined_cards_raise_attack_status_and_no_total(redis_url, tmp_path):
    with running(redis_url, tmp_path) as installation:
        installation.until_ready()
        for _ in range(2):
            url = order(installation, ui_mode="hosted").json()["url"]
            for _ in range(DECLINE_THRESHOLD // 2):
                installation.pay(url, DECLINED)
        eventually(lambda: mode(installation) == "on, level 1 of 5", "it turned itself on")
        assert code(order(installation)) == (429, "challenge_required")
        assert installation.totals().raised == 0
        force(installation, "off")
        assert order(installation).status_code == 201, "an operator may know better"


def test_declined_payment_is_counted_and_not_applied(installation):
    payment = {"id": "pi_declined", "object": "payment_intent", "metadata": {"campaign": "vitaly", "site": "other"}}
    event = session_event(installation, kind="payment_intent.payment_failed") | {"data": {"object": payment}}
    answer = post(installation, event)
    assert (outcome(answer), answer.json()["reason"]) == ("ignored", "payment_declined")
    strange = event | {"data": {"object": payment | {"metadata": {}}}}
    assert post(installation, strange).json()["reason"] == "other_product"
    for broken in (None, [], {"metadata": 3}):
        assert post(installation, event | {"data": {"object": broken}}).status_code == 400


@pytest.fixture(scope="module")
def linked(redis_url, tmp_path_factory):
    """Start an installation whose campaign has a fallback URL."""
    campaigns = tmp_path_factory.mktemp("campaigns")
    text = Path("tests/support/roof.toml").read_text("utf-8")
    (campaigns / "roof.toml").write_text(f'fallback_url = "https://donate.example.org/roof"\n{text}', "utf-8")
    with running(redis_url, tmp_path_factory.mktemp("sandbox"), campaigns=campaigns) as installation:
        installation.until_ready()
        installation.client.event_hooks["response"] = [lambda response: (response.read(), contract.check(response))]
        yield installation


def test_attack_sends_form_without_javascript_to_fallback(linked):
    force(linked, "on")
    page = submit(linked, token=linked.token("roof"), lang="be")
    assert page.status_code == 429
    assert 'data-code="challenge_required"' in page.text
    assert 'href="https://donate.example.org/roof"' in page.text
    assert order(linked, token=linked.token("roof")).json()["fallback_url"] == "https://donate.example.org/roof"


def test_limits_continue_in_memory_while_redis_is_down(tmp_path):
    with contextlib.ExitStack() as redis:
        url = redis.enter_context(EmbeddedValkey(tmp_path / "valkey")).url
        with running(url, tmp_path / "sandbox") as installation:
            installation.until_ready()
            force(installation, "on")
            earlier = installation.token()
            spent = solve(installation, earlier)
            assert order(installation, token=earlier, proof=spent).status_code == 201
            redis.close()
            eventually(lambda: installation.client.get("/readyz").status_code == 503, "it is noticed")
            assert mode(installation) == "on, level 1 of 5 (forced)", "nothing is turned off by an outage"
            token = installation.token()
            assert code(order(installation, token=token)) == (429, "challenge_required")
            proof = solve(installation, token)
            assert order(installation, token=token, proof=proof).status_code == 201
            assert code(order(installation, token=token, proof=proof)) == (429, "challenge_required"), "replayed"
            assert code(order(installation, token=earlier, proof=spent)) == (429, "challenge_required"), "replayed"


def test_two_workers_share_attack_status_and_spent_proofs(redis_url, tmp_path, sample_campaign):
    with processes(redis_url, tmp_path, sample_campaign, workers=2) as (installation, _):
        force(installation, "on")
        eventually(lambda: {mode_of_any(installation) for _ in range(12)} == {"on, level 1 of 5 (forced)"}, "both know")
        token = installation.token("roof")
        body = {"form_token": token, "amount": "25", "proof": solve(installation, token)}
        with ThreadPoolExecutor(6) as threads:  # each on a connection of its own, to whichever worker takes it
            answers = list(
                threads.map(lambda _: httpx.post(f"{installation.service}/v1/checkout-sessions", json=body), range(12))
            )
        assert sorted(answer.status_code for answer in answers) == [201] + [429] * 11
        force(installation, "auto")


def mode_of_any(installation):
    return in_words(httpx.get(f"{installation.service}/readyz").json()["attack_mode"])


class Reads:
    """Counts what the sandbox is asked about single sessions."""

    def __init__(self):
        self.paths = []

    def __call__(self, stripe):
        async def app(scope, receive, send):
            if scope["type"] == "http" and scope["method"] == "GET" and "/checkout/sessions/" in scope["path"]:
                self.paths.append(scope["path"])
            await stripe(scope, receive, send)

        return app


def test_nobody_can_exhaust_the_stripe_read_budget(redis_url, tmp_path):
    reads = Reads()
    with running(redis_url, tmp_path, between=reads) as installation:
        installation.until_ready()
        session_token = order(installation).json()["session_token"]
        for _ in range(20):
            assert installation.client.get(f"/v1/checkout-sessions/{session_token}").json()["status"] == "open"
        assert len(reads.paths) <= 2, "one for the session and interval"

        hosted = submit(installation).headers["location"]
        session = httpx.URL(hosted).path.rsplit("/", 1)[1]
        found = httpx.get(f"{installation.sandbox}/v1/checkout/sessions/{session}", auth=("sk_test_x", "")).json()
        page = found["success_url"].removeprefix(installation.service).replace("{CHECKOUT_SESSION_ID}", session)
        reads.paths.clear()
        statuses = {
            installation.client.get(re.sub(r"session_id=[^&]+", f"session_id=cs_test_{n}", page)).status_code
            for n in range(30)
        }
        assert statuses == {404, 503}
        assert len(reads.paths) <= 7, "an address of thanks names any session, and is read as seldom as one"

        installation.pay(hosted)
        eventually(lambda: installation.client.get(page).status_code == 200, "the donor is thanked", seconds=20)
        reads.paths.clear()
        time.sleep(2.5)
        assert installation.client.get(page).status_code == 200
        assert reads.paths == [], "what is settled is not read again"


@pytest.mark.parametrize("form", ["", "x", "0" * 63, "G" * 64])
def test_challenge_without_form_is_refused(installation, form):
    assert installation.client.get("/v1/challenge", params={"form_hash": form}).status_code == 400


def test_limits_use_the_account_of_the_payments(installation):
    account = httpx.get(f"{installation.sandbox}/v1/account", auth=("sk_test_x", "")).json()["id"]

    async def taken():
        limits = rate_limiter(installation.settings.redis_url)
        before = (await limits.acquire(Account(account, livemode=False), ())).attack_status
        await limits.close()
        return before

    with ThreadPoolExecutor(1) as thread:
        assert str(thread.submit(lambda: asyncio.run(taken())).result()) == mode(installation)


def test_refused_orders_leave_no_keys_in_redis(tmp_path):
    """`python -m tests.soak.refused_orders` sends 100,000."""
    with (
        EmbeddedValkey(tmp_path / "valkey") as valkey,
        running(valkey.url, tmp_path / "sandbox") as installation,
        Redis.from_url(valkey.url) as redis,
    ):
        installation.until_ready()
        force(installation, "on")
        refuse(installation, 50)
        before = redis.dbsize()
        codes = refuse(installation, 1_000)
        assert redis.dbsize() <= before + 5
        assert codes.keys() == {"challenge_required", "campaign_unknown", "amount_above_maximum", "token_invalid"}
        assert installation.paid() == (0, 0)
        force(installation, "auto")
        order(installation).raise_for_status()
        assert redis.dbsize() > before, "an order that is admitted leaves a key"
