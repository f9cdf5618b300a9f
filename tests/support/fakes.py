"""In-memory fakes of the ports, held to the same contract tests as the adapters (tests/integration/contracts)."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from donation_card.adapters.memory_rate_limiter import MemoryRateLimiter
from donation_card.application.ports.campaigns import Campaigns
from donation_card.application.ports.limits import LimitResult
from donation_card.application.ports.payments import (
    Account,
    Attribution,
    CheckoutOrder,
    CheckoutSession,
    PaymentDeclined,
    RefundOrDispute,
    SessionStatus,
    StripeRecord,
    UiMode,
)
from donation_card.application.ports.tokens import FormToken, SessionHandle
from donation_card.application.ports.totals import ApplyResult, Rebuild, RebuildReport, SyncHistory, SyncRun
from donation_card.domain.attack_detection import NO_SIGNALS, Signals
from donation_card.domain.campaign import Campaign
from donation_card.domain.lifetimes import FORM_TOKEN_LIFETIME, MAX_AHEAD, STALE_AFTER
from donation_card.domain.publication import (
    PublicationPolicy,
    PublishedTotal,
    next_published_total,
    periods_around,
)
from donation_card.domain.rate_limits import Bucket
from donation_card.domain.totals import ObjectKind, ObjectState, Totals, campaign_of
from donation_card.errors import IgnoredEvent, Invalid, NotFound, PaymentsUnavailable, PaymentUnknown, TotalsUnavailable

ACCOUNT = Account("acct_ada", livemode=False)


@dataclass
class FakeClock:
    """Stand still until a test advances it. Calling it returns the time in UTC."""

    at: float = 1_800_000_000.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def advance(self, seconds: float) -> None:
        self.at += seconds

    def milliseconds(self) -> int:
        return int(self.at * 1_000)


class FakeCampaigns(Campaigns):
    def __init__(self, *campaigns: Campaign) -> None:
        self.by_id = {campaign.id: campaign for campaign in campaigns}
        self.error: str | None = None
        self.changed = False

    def get(self, campaign_id: str) -> Campaign:
        if campaign_id not in self.by_id:
            raise NotFound("campaign_unknown")
        return self.by_id[campaign_id]

    def all(self) -> Sequence[Campaign]:
        return list(self.by_id.values())

    def put(self, campaign: Campaign) -> None:
        self.by_id[campaign.id] = campaign
        self.changed = True

    def reload(self) -> bool:
        changed, self.changed = self.changed, False
        return changed

    def load_errors(self) -> str | None:
        return self.error


@dataclass
class _Generation:
    """Hold the objects of one generation, and the time up to which it is complete."""

    objects: dict[tuple[ObjectKind, str], ObjectState] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    """Payment that is reversed but does not count → the number of updates when its first reversal came."""
    cursor: int | None = None

    def apply(self, state: ObjectState, updates: int = 0) -> bool:
        name = state.kind, state.object_id
        known = self.objects.get(name)
        later = (state.version, -state.amount) > ((known.version, -known.amount) if known else (0, 0))
        if state.version == 0 or not later:
            return False
        self.objects[name] = state
        if state.kind is ObjectKind.PAYMENT:
            self.waiting.pop(state.payment, None)
        elif (ObjectKind.PAYMENT, state.payment) not in self.objects:
            self.waiting.setdefault(state.payment, updates)
        return known is None or (known.amount != state.amount and (ObjectKind.PAYMENT, state.payment) in self.objects)

    def counted(self) -> list[ObjectState]:
        return [each for each in self.objects.values() if (ObjectKind.PAYMENT, each.payment) in self.objects]

    def totals(self) -> Totals:
        payments = sum(state.kind is ObjectKind.PAYMENT for state in self.objects.values())
        return Totals(sum(state.amount for state in self.counted()), payments)

    def by_site(self) -> dict[str, int]:
        sums: dict[str, int] = defaultdict(int)
        for state in self.counted():
            sums[state.site] += state.amount
        return {site: total for site, total in sums.items() if total}


@dataclass
class _CampaignTotals:
    current: str = ""
    rebuild: str = ""
    generations: dict[str, _Generation] = field(default_factory=dict)
    published: PublishedTotal | None = None
    updates: int = 0


class FakeTotalsStore:
    """Keep totals in memory. `available = False` makes every method raise TotalsUnavailable."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock, self.available = clock, True
        self._ids = itertools.count(1)
        self._totals: dict[tuple[Account, str], _CampaignTotals] = {}
        self._leases: dict[Account, str] = {}
        self._histories: dict[Account, SyncHistory] = {}
        self._accounts: dict[str, Account] = {}
        self._registered: dict[Account, dict[str, str]] = {}
        """Account → campaign → a text that is different for each."""

    def wipe(self) -> None:
        """Lose everything, as a Redis that restarts empty."""
        self._totals.clear()
        self._leases.clear()
        self._histories.clear()
        self._accounts.clear()
        self._registered.clear()

    async def apply(self, account: Account, state: ObjectState) -> ApplyResult:
        totals = self._opened(account, state.campaign)
        totals.updates += 1
        if totals.rebuild:
            totals.generations[totals.rebuild].apply(state, totals.updates)
        applied = totals.generations[totals.current].apply(state, totals.updates)
        return ApplyResult.APPLIED if applied else ApplyResult.UNCHANGED

    async def publish_if_due(
        self,
        account: Account,
        campaign: str,
        policy: PublicationPolicy,
        *,
        now: datetime,
        offline: int,
        listed: int = 0,
        ended: bool,
        synced_since: int = 0,
    ) -> PublishedTotal | None:
        self._check_available()
        found = self._totals.get((account, campaign))
        if found is None:
            return None
        server_time = self.clock().timestamp()
        generation = found.generations.get(found.current)
        complete = generation is not None and generation.cursor is not None
        complete = complete and (generation.cursor or 0) <= server_time + MAX_AHEAD
        oldest = max(server_time - STALE_AFTER, synced_since)
        if generation is None or not complete or (generation.cursor or 0) < oldest:
            return found.published and replace(found.published, stale=True)
        starts = [int(server_time)] if policy.immediate else periods_around(policy, now)
        begun = [start for start in starts if start <= server_time]
        if begun:
            found.published = next_published_total(
                policy,
                found.published,
                generation.totals(),
                period_start=begun[-1],
                offline=offline,
                listed=listed,
                ended=ended,
                now=server_time,
            )
        return found.published

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        self._check_available()
        found = self._totals.get((account, campaign))
        generation = found and found.generations.get(found.current)
        return generation.totals() if generation and generation.cursor is not None else None

    async def lease(self, account: Account, owner: str) -> bool:
        self._check_available()
        return self._leases.setdefault(account, owner) == owner

    async def release(self, account: Account, owner: str) -> None:
        self._check_available()
        if self._leases.get(account) == owner:
            del self._leases[account]

    async def sync_history(self, account: Account) -> SyncHistory:
        self._check_available()
        return replace(self._histories.get(account, SyncHistory()), registry=self._registry(account))

    async def save_sync_history(self, account: Account, history: SyncHistory) -> bool:
        self._check_available()
        if history.registry != self._registry(account):
            return False
        self._histories[account] = history
        return True

    async def campaigns(self, account: Account) -> set[str]:
        self._check_available()
        return set(self._registered.get(account, ()))

    async def register_campaigns(self, account: Account, campaigns: Iterable[str]) -> None:
        self._check_available()
        for campaign in campaigns:
            self._register(account, campaign)

    async def begin_sync(self, account: Account, campaign: str) -> SyncRun:
        totals = self._opened(account, campaign)
        return SyncRun(totals.current, totals.generations[totals.current].cursor, totals.updates)

    async def advance_cursor(self, account: Account, campaign: str, run: SyncRun, cursor: int) -> int | None:
        self._check_available()
        found = self._totals.get((account, campaign))
        if found is None or found.current != run.generation or found.generations[run.generation].cursor is None:
            return None
        generation = found.generations[run.generation]
        stored = generation.cursor or 0
        generation.cursor = cursor if stored > self.clock().timestamp() + MAX_AHEAD else max(stored, cursor)
        return sum(since <= run.updates for since in generation.waiting.values())

    async def begin_rebuild(self, account: Account, campaign: str) -> Rebuild:
        totals = self._opened(account, campaign)
        totals.generations.pop(totals.rebuild, None)
        totals.rebuild = self._new_generation(totals)
        return Rebuild(campaign, totals.rebuild, "salt")

    async def apply_to_rebuild(self, account: Account, rebuild: Rebuild, state: ObjectState) -> bool:
        found = self._of_rebuild(account, rebuild)
        if found is None:
            return False
        found.generations[rebuild.generation].apply(state)
        return True

    async def promote_rebuild(self, account: Account, rebuild: Rebuild, cursor: int) -> RebuildReport | None:
        found = self._of_rebuild(account, rebuild)
        if found is None:
            return None
        report = self._compared(found, rebuild)
        del found.generations[found.current]
        found.current, found.rebuild = rebuild.generation, ""
        found.generations[rebuild.generation].cursor = cursor
        return report

    async def discard_rebuild(self, account: Account, rebuild: Rebuild) -> RebuildReport | None:
        found = self._of_rebuild(account, rebuild)
        if found is None:
            return None
        report = self._compared(found, rebuild)
        del found.generations[rebuild.generation]
        found.rebuild = ""
        return report

    async def save_account(self, fingerprint: str, account: Account) -> None:
        self._check_available()
        self._accounts[fingerprint] = account

    async def load_account(self, fingerprint: str) -> Account | None:
        self._check_available()
        return self._accounts.get(fingerprint)

    async def ping(self) -> None:
        self._check_available()

    async def close(self) -> None: ...

    def _check_available(self) -> None:
        if not self.available:
            raise TotalsUnavailable(reason="ConnectionError")

    def _opened(self, account: Account, campaign: str) -> _CampaignTotals:
        self._check_available()
        key = account, campaign
        if key not in self._totals:
            history, names = self._histories.get(account, SyncHistory()), self._registered.get(account, {})
            new = campaign_of(campaign) not in map(campaign_of, names)  # then it has no payment at Stripe
            self._register(account, campaign)
            totals = self._totals[key] = _CampaignTotals()
            totals.current = self._new_generation(totals)
            if new and history.last_rebuild_at is not None:
                totals.generations[totals.current].cursor = history.last_sync_at
        return self._totals[key]

    def _register(self, account: Account, name: str) -> None:
        names = self._registered.setdefault(account, {})
        known = {campaign_of(each): number for each, number in names.items()}
        names.setdefault(name, known.get(campaign_of(name)) or str(next(self._ids)))

    def _registry(self, account: Account) -> str:
        return " ".join(sorted({*self._registered.get(account, {}).values()}))

    def _new_generation(self, totals: _CampaignTotals) -> str:
        name = f"{next(self._ids):016x}"
        totals.generations[name] = _Generation()
        return name

    def _of_rebuild(self, account: Account, rebuild: Rebuild) -> _CampaignTotals | None:
        self._check_available()
        found = self._totals.get((account, rebuild.campaign))
        return found if found is not None and found.rebuild == rebuild.generation else None

    def _compared(self, found: _CampaignTotals, rebuild: Rebuild) -> RebuildReport:
        before, after = found.generations[found.current], found.generations[rebuild.generation]
        uncounted = list(after.waiting.values()).count(0)
        if before.cursor is None:
            return RebuildReport(rebuild.campaign, None, after.totals(), mismatch=False, uncounted=uncounted)
        mismatch = (before.totals(), before.by_site()) != (after.totals(), after.by_site())
        return RebuildReport(rebuild.campaign, before.totals(), after.totals(), mismatch, uncounted)


class FakeRateLimiter:
    """Apply the limits of the domain in memory, separately for each account."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms, self.available = now_ms, True
        self._limiters: dict[Account, MemoryRateLimiter] = {}

    async def acquire(
        self, account: Account, buckets: Sequence[Bucket], *, consume_once: str = "", signals: Signals = NO_SIGNALS
    ) -> LimitResult:
        return await self._of(account).acquire(account, buckets, consume_once=consume_once, signals=signals)

    async def set_override(self, account: Account, override: str) -> None:
        await self._of(account).set_override(account, override)

    async def close(self) -> None: ...

    def _of(self, account: Account) -> MemoryRateLimiter:
        if not self.available:
            raise TotalsUnavailable(reason="ConnectionError")
        return self._limiters.setdefault(account, MemoryRateLimiter(now=self.now_ms))


class FakeFormSessionStore:
    def __init__(self) -> None:
        self.available = True
        self._orders: dict[tuple[Account, str], set[str]] = defaultdict(set)
        self._sessions: dict[tuple[Account, str], str] = {}

    async def begin_order(self, account: Account, form_hash: str, order_key: str, max_orders: int) -> str | None:
        self._check_available()
        orders = self._orders[account, form_hash]
        if order_key not in orders and len(orders) >= max_orders:
            return None
        orders.add(order_key)
        return self._sessions.get((account, form_hash), "")

    async def record_session(self, account: Account, form_hash: str, encrypted_session: str) -> str:
        self._check_available()
        previous = self._sessions.get((account, form_hash), "")
        self._sessions[account, form_hash] = encrypted_session
        return previous

    def _check_available(self) -> None:
        if not self.available:
            raise TotalsUnavailable(reason="ConnectionError")


class FakeChallenges:
    """Accept `solved:FORM_HASH:NUMBER` as a proof of the challenge with this number."""

    def __init__(self) -> None:
        self.levels: list[int] = []

    def issue(self, form_hash: str, level: int) -> dict[str, object]:
        self.levels.append(level)
        return {"challenge": f"{form_hash}:{len(self.levels)}", "level": level}

    def verify(self, proof: str, form_hash: str) -> str | None:
        kind, _, name = proof.partition(":")
        return name if kind == "solved" and name.startswith(f"{form_hash}:") else None


class FakePayments:
    """Behave as a small Stripe in memory. Every request raises `error` if it is set."""

    key_fingerprint = "fingerprint"

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.error: Exception | None = None
        self.event_list_error: Exception | None = None
        self.create_errors: list[Exception] = []
        """Raised by the next calls of `create_session`, one each."""
        self.sessions: dict[str, CheckoutSession] = {}
        self.reversals: dict[str, RefundOrDispute] = {}
        self.changed: list[StripeRecord] = []
        self.other_payments: set[str] = set()
        """Payments of other products. Any other payment without a session is unknown."""
        self.requests: list[str] = []
        self._created: dict[str, int] = {}
        self._by_key: dict[str, str] = {}
        self._events: dict[bytes, StripeRecord | PaymentDeclined] = {}

    async def account(self) -> Account:
        self._request("account")
        return ACCOUNT

    async def create_session(self, order: CheckoutOrder, idempotency_key: str) -> CheckoutSession:
        self._request("create_session")
        if self.create_errors:
            raise self.create_errors.pop(0)
        if idempotency_key in self._by_key:
            return replace(self.sessions[self._by_key[idempotency_key]], replayed=True)
        number = len(self.sessions) + 1
        embedded = order.page.ui_mode is UiMode.EMBEDDED
        session = CheckoutSession(
            id=f"cs_test_{number}",
            status=SessionStatus.OPEN,
            amount=order.amount,
            campaign=order.campaign,
            site=order.site,
            attempt_id=order.attempt_id,
            payment_intent=None,
            created=self._now(),
            expires_at=order.expires_at,
            client_secret=f"cs_test_{number}_secret" if embedded else None,
            url=None if embedded else f"https://checkout.example/{number}",
        )
        self.sessions[session.id], self._by_key[idempotency_key] = session, session.id
        return session

    async def get_session(self, session_id: str) -> CheckoutSession:
        self._request("get_session")
        if session_id not in self.sessions:
            raise NotFound("session_unknown")
        return self.sessions[session_id]

    async def expire_session(self, session_id: str) -> CheckoutSession:
        self._request("expire_session")
        if session_id not in self.sessions:
            raise NotFound("session_unknown")
        if self.sessions[session_id].status is SessionStatus.OPEN:
            self._set_status(session_id, SessionStatus.EXPIRED)
        return self.sessions[session_id]

    async def attribution(self, payment_intent: str) -> Attribution | None:
        self._request("attribution")
        for session in self.sessions.values():
            if session.payment_intent == payment_intent:
                return Attribution(session.campaign, session.site) if session.campaign else None
        if payment_intent not in self.other_payments:
            raise PaymentUnknown(reason="not_found")
        return None

    async def list_created_since(self, created: int) -> AsyncIterator[StripeRecord]:
        self._request("list_created_since")
        for session in list(self.sessions.values()):
            if session.created >= created and session.status in {SessionStatus.PAID, SessionStatus.PROCESSING}:
                yield session
        for reversal in list(self.reversals.values()):
            if self._created[reversal.id] >= created:
                yield reversal

    async def list_changed_since(self, changed: int) -> AsyncIterator[StripeRecord]:
        self._request("list_changed_since")
        if self.event_list_error:
            raise self.event_list_error
        for record in list(self.changed):
            yield record

    def parse_event(
        self, body: bytes, signature: bytes, now: datetime, account: Account
    ) -> StripeRecord | PaymentDeclined:
        if signature != b"valid":
            raise Invalid("signature_invalid")
        if body not in self._events:
            raise IgnoredEvent("unhandled_type")
        return self._events[body]

    async def close(self) -> None: ...

    # what a donor, a bank or Stripe does

    def pay(self, session_id: str, *, processing: bool = False) -> CheckoutSession:
        session = self.sessions[session_id]
        self.sessions[session_id] = replace(session, payment_intent=f"pi_{session_id}")
        self._set_status(session_id, SessionStatus.PROCESSING if processing else SessionStatus.PAID)
        return self.sessions[session_id]

    def reverse(self, record: RefundOrDispute) -> RefundOrDispute:
        self.reversals[record.id] = record
        self._created.setdefault(record.id, self._now())
        return record

    def event(self, record: StripeRecord | PaymentDeclined) -> bytes:
        """Return the body of a webhook about this record."""
        body = json.dumps({"event": len(self._events)}).encode()
        self._events[body] = record
        return body

    def _set_status(self, session_id: str, status: SessionStatus) -> None:
        self.sessions[session_id] = replace(self.sessions[session_id], status=status, client_secret=None, url=None)

    def _now(self) -> int:
        return int(self.clock().timestamp())

    def _request(self, name: str) -> None:
        self.requests.append(name)
        if self.error:
            raise self.error


def stripe_unavailable() -> PaymentsUnavailable:
    return PaymentsUnavailable(reason="timeout")


class FakeTokens:
    """Write tokens as readable JSON. They are not secret, and anybody could forge them."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self._attempts = itertools.count(1)

    def issue_form_token(self, campaign: str, site: str) -> str:
        return json.dumps(["form", campaign, site, f"attempt-{next(self._attempts)}", self._now()])

    def read_form_token(self, token: str) -> FormToken:
        campaign, site, attempt_id, issued_at = self._read(token, "form", 4)
        if self._now() - int(issued_at) > FORM_TOKEN_LIFETIME:
            raise Invalid("token_expired", campaign=str(campaign))
        return FormToken(str(campaign), str(site), str(attempt_id), int(issued_at))

    def issue_handle(self, handle: SessionHandle) -> str:
        return json.dumps(["handle", handle.session_id, handle.campaign, handle.attempt_id])

    def read_handle(self, text: str) -> SessionHandle:
        return SessionHandle(*self._read(text, "handle", 3))

    def issue_return_token(self, campaign: str, attempt_id: str, return_url: str) -> str:
        return json.dumps(["return", campaign, attempt_id, return_url])

    def read_return_token(self, text: str) -> tuple[str, str, str]:
        campaign, attempt_id, return_url = self._read(text, "return", 3)
        return campaign, attempt_id, return_url

    def encrypt(self, attempt_id: str, text: str) -> str:
        return json.dumps([attempt_id, text])

    def decrypt(self, attempt_id: str, encrypted: str) -> str:
        try:
            owner, text = json.loads(encrypted)
        except ValueError:
            return ""
        return str(text) if owner == attempt_id else ""

    def idempotency_key(self, attempt_id: str, *parameters: object) -> str:
        return hashlib.sha256(repr((attempt_id, *parameters)).encode()).hexdigest()

    def _now(self) -> int:
        return int(self.clock().timestamp())

    def _read(self, token: str, kind: str, length: int) -> list[str]:
        if not token:
            raise Invalid("token_missing")
        try:
            found_kind, *values = json.loads(token)
        except (ValueError, TypeError):
            raise Invalid("token_invalid") from None
        if found_kind != kind or len(values) != length:
            raise Invalid("token_invalid")
        return list(values)
