"""Read the status of a checkout session for its donor, without exceeding Stripe's read limit."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from donation_card.application.payment_recorder import PaymentRecorder
from donation_card.application.ports.payments import CheckoutSession, Payments, SessionStatus
from donation_card.domain.rate_limits import Bucket, BucketStore, Rate
from donation_card.errors import NotFound, PaymentsUnavailable

READ_INTERVAL = 2.0
"""Seconds between two reads of the same session from Stripe. The interval doubles after every ten reads."""

READS_PER_ATTEMPT = Rate(interval_ms=2_000, burst=5)
"""Reads for one attempt to donate, for any number of session ids: the id in the address can be changed at will."""

_MAX_SESSIONS = 1_000
_MAX_BUCKETS = 10_000


@dataclass(slots=True)
class CachedRead:
    """The last read of a session from Stripe, finished or not."""

    requested_at: float
    task: asyncio.Task[CheckoutSession]
    count: int

    def is_fresh(self, now: float) -> bool:
        if not self.task.done():
            return True
        if self.task.exception():
            return False
        final = self.task.result().status in {SessionStatus.PAID, SessionStatus.EXPIRED}
        return final or now - self.requested_at < READ_INTERVAL * 2 ** min(self.count // 10, 5)


@dataclass(slots=True)
class SessionReader:
    """`rate` limits the reads of all workers together."""

    payments: Payments
    recorder: PaymentRecorder
    rate: Rate
    workers: int = 1
    _reads: OrderedDict[str, CachedRead] = field(default_factory=OrderedDict, init=False)
    _buckets: BucketStore = field(default_factory=lambda: BucketStore(_MAX_BUCKETS), init=False)

    async def get_status(self, session_id: str, campaign: str, attempt_id: str) -> CheckoutSession:
        """Return a session. Record it if it is paid, so that the donor does not wait for the webhook.

        Raise NotFound if this campaign and attempt did not start the session. Raise PaymentsUnavailable
        (`payment_status_unknown`) if Stripe does not answer: the session may be paid.
        """
        try:
            session = await self._read(session_id, attempt_id)
        except PaymentsUnavailable as error:
            raise PaymentsUnavailable("payment_status_unknown") from error
        if (session.campaign, session.attempt_id) != (campaign, attempt_id):
            raise NotFound("session_unknown")
        await self.recorder.record_if_paid(session)
        return session

    async def _read(self, session_id: str, attempt_id: str) -> CheckoutSession:
        """Read at most once in each interval and share the result. Use the last one if the limit is reached.

        Raise PaymentsUnavailable if the limit is reached and there is no result.
        """
        now = asyncio.get_running_loop().time()
        cached = self._reads.get(session_id)
        if cached is None or not cached.is_fresh(now):
            if self._is_allowed(attempt_id, now):
                cached = self._start_read(session_id, now, cached.count + 1 if cached else 1)
            elif cached is None or cached.task.exception():
                raise PaymentsUnavailable(reason="read_limit_reached")
        return await asyncio.shield(cached.task)

    def _is_allowed(self, attempt_id: str, now: float) -> bool:
        buckets = (
            Bucket("reads", self.rate.split(self.workers)),
            Bucket(attempt_id, READS_PER_ATTEMPT.split(self.workers)),
        )
        return not self._buckets.retry_after(buckets, int(now * 1_000))

    def _start_read(self, session_id: str, now: float, count: int) -> CachedRead:
        read = CachedRead(now, asyncio.create_task(self.payments.get_session(session_id)), count)
        self._reads[session_id] = read
        self._reads.move_to_end(session_id)
        while len(self._reads) > _MAX_SESSIONS:
            self._reads.popitem(last=False)
        return read
