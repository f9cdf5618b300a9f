"""Implement the port of payments with the official Stripe client."""

import asyncio
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from donation_card.adapters.stripe import webhook_signature
from donation_card.adapters.stripe.client import (
    StripeRejectedRequest,
    call,
    create_client,
    iterate_pages,
    mapped_parse_errors,
)
from donation_card.adapters.stripe.objects import (
    DECLINE_EVENT,
    HANDLED_EVENTS,
    LISTED_EVENTS,
    attributed,
    create_params,
    parse_attribution,
    parse_declined,
    parse_object,
    parse_or_skip,
    parse_session,
)
from donation_card.application.ports.payments import (
    Account,
    Attribution,
    CheckoutOrder,
    CheckoutSession,
    PaymentDeclined,
    RefundOrDispute,
    StripeRecord,
)
from donation_card.errors import IgnoredEvent, Invalid, ListIncomplete, NotFound, PaymentsUnavailable, PaymentUnknown
from donation_card.observability import metrics
from donation_card.observability.log_events import LogEvent, log

_LOOKUP_TIMEOUT = 3.0
"""Seconds to find the payment of a refund or a dispute. Stripe sends the event again if that is too short."""

_LISTING_DELAY = 600
"""Seconds after which Stripe lists the session of a payment. A payment that is older has no session."""


def _is_of_account(event: dict[str, Any], account_id: str) -> bool:
    """Return False if the event names another account.

    `account` is that of a connected account. An event of an organisation has a `context` instead: the path to its
    account, such as `org_1/acct_1`.
    """
    owners = filter(None, (event.get("account"), event.get("context")))
    return all(str(owner).rpartition("/")[2] == account_id for owner in owners)


class StripePayments:
    """Implement `ports.Payments`."""

    def __init__(
        self,
        secret_key: str,
        webhook_secrets: Sequence[str],
        *,
        api_base: str | None = None,
        account_id: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`account_id`: the account of the key. Without it the account is read, which needs a right of its own."""
        self._account_id, self._now = account_id, now
        self._livemode = "_live_" in secret_key
        self.key_fingerprint = hashlib.sha256(b"donation-card:" + secret_key.encode()).hexdigest()[:32]
        self._webhook_secrets = tuple(webhook_secrets)
        self._client, self._http = create_client(secret_key, api_base)

    async def account(self) -> Account:
        if self._account_id:
            return Account(self._account_id, self._livemode)
        found = await call(self._client.v1.accounts.retrieve_current_async())
        async with mapped_parse_errors():
            return Account(found.id, self._livemode)

    async def create_session(self, order: CheckoutOrder, idempotency_key: str) -> CheckoutSession:
        created = await call(
            self._client.v1.checkout.sessions.create_async(
                create_params(order), options={"idempotency_key": idempotency_key}
            )
        )
        async with mapped_parse_errors():
            replayed = (
                created.last_response is not None and created.last_response.headers.get("idempotent-replayed") == "true"
            )
            session = parse_session(created.to_dict(), replayed=replayed)
            if session.campaign is None:
                raise ValueError("not the session that was ordered")
            return session

    async def get_session(self, session_id: str) -> CheckoutSession:
        found = await call(self._client.v1.checkout.sessions.retrieve_async(session_id))
        async with mapped_parse_errors():
            return parse_session(found.to_dict())

    async def expire_session(self, session_id: str) -> CheckoutSession:
        try:
            found = await call(self._client.v1.checkout.sessions.expire_async(session_id))
        except StripeRejectedRequest:  # the session is not open
            return await self.get_session(session_id)
        async with mapped_parse_errors():
            return parse_session(found.to_dict())

    async def attribution(self, payment_intent: str) -> Attribution | None:
        no_retry: Any = {"max_network_retries": 0}
        v1 = self._client.v1
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT):
                page = await call(
                    v1.checkout.sessions.list_async({"payment_intent": payment_intent, "limit": 1}, options=no_retry)
                )
                async with mapped_parse_errors():
                    if page.data:
                        return parse_attribution(page.data[0].to_dict())
                found = await call(v1.payment_intents.retrieve_async(payment_intent, options=no_retry))
        except NotFound as error:
            raise PaymentUnknown(reason="not_found") from error
        except TimeoutError as error:
            raise PaymentsUnavailable(reason="TimeoutError") from error
        async with mapped_parse_errors():
            if found.created > self._now() - _LISTING_DELAY:
                raise PaymentUnknown(reason="not_listed")
            return None

    async def list_created_since(self, created: int, *, before: int | None = None) -> AsyncIterator[StripeRecord]:
        filter_by = {"created": {"gte": created}, "limit": 100}
        # The captured amount of a payment, without a request for each. A sync also reads the country of the bank; a
        # rebuild lists every session and does not. An open or expired session is no money. An account that was tested
        # by card thieves has thousands of them.
        expanded = "data.payment_intent.latest_charge" if created else "data.payment_intent"
        sessions = {"gte": created} | ({} if before is None else {"lt": before})
        complete = {"created": sessions, "limit": 100, "expand": [expanded], "status": "complete"}
        incomplete: list[ListIncomplete] = []
        # There are few reversals, so they are kept until their sessions come.
        reversals: defaultdict[str, list[RefundOrDispute]] = defaultdict(list)
        for kind, resource in (("refund", "refunds"), ("dispute", "disputes")):
            async for record in self._list(kind, resource, filter_by, incomplete):
                if isinstance(record, RefundOrDispute) and record.payment_intent:
                    reversals[record.payment_intent].append(record)
                else:
                    yield record
        async for record in self._list("session", "checkout/sessions", complete, incomplete):
            yield record
            if isinstance(record, CheckoutSession) and record.payment_intent:
                for reversal in reversals.pop(record.payment_intent, ()):
                    yield attributed(reversal, record)
        for reversal in chain.from_iterable(reversals.values()) if before is None else ():
            yield reversal
        if incomplete:
            raise incomplete[0]

    async def _list(
        self, kind: str, resource: str, params: Any, incomplete: list[ListIncomplete]
    ) -> AsyncIterator[StripeRecord]:
        """List objects. Add a ListIncomplete to `incomplete` instead of raising it, so that all else is read."""
        as_of = int(self._now())
        try:
            async for found in iterate_pages(self._client, resource, **params):
                if (record := parse_or_skip(kind, found, as_of)) is not None:
                    yield record
        except ListIncomplete as error:
            log.error(LogEvent.LIST_INCOMPLETE, kind=kind, reason=str(error))
            metrics.not_counted.labels("list_incomplete").inc()
            incomplete.append(error)

    async def list_changed_since(self, changed: int) -> AsyncIterator[StripeRecord]:
        params: Any = {"created": {"gte": changed}, "types": LISTED_EVENTS, "limit": 100}
        async for event in iterate_pages(self._client, "events", **params):
            fields = event if isinstance(event, dict) else {}
            kind = HANDLED_EVENTS.get(str(fields.get("type")), "event")
            data = fields.get("data")
            subject = data.get("object") if isinstance(data, dict) else None
            record = parse_or_skip(kind, subject, fields.get("created"), within=fields.get("id"))
            if record is not None:
                yield record

    def parse_event(
        self, body: bytes, signature: bytes, now: datetime, account: Account
    ) -> StripeRecord | PaymentDeclined:
        webhook_signature.verify(body, signature, self._webhook_secrets, now)
        try:
            event = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Invalid("event_malformed") from error
        if not isinstance(event, dict):
            raise Invalid("event_malformed")
        kind = HANDLED_EVENTS.get(event["type"]) if isinstance(event.get("type"), str) else None
        if kind is None and event.get("type") != DECLINE_EVENT:
            raise IgnoredEvent("unhandled_type")
        if event.get("livemode") is not self._livemode:
            raise IgnoredEvent("other_mode")
        if not _is_of_account(event, account.id):
            raise IgnoredEvent("other_account")
        data = event.get("data")
        subject = data.get("object") if isinstance(data, dict) else None
        return parse_object(kind, subject, event.get("created")) if kind else parse_declined(subject)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # no types in the Stripe client
