"""The operator's switches under /sandbox: faults, the clock, debits, refunds, disputes, and what the totals must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripe_sandbox.bodies import read_limited
from stripe_sandbox.checkout import Checkout
from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import ApiError
from stripe_sandbox.faults import Faults, FaultSettings
from stripe_sandbox.objects import Json
from stripe_sandbox.reversals import Reversals
from stripe_sandbox.seed import Seed, seed
from stripe_sandbox.store import Store
from stripe_sandbox.webhooks import Webhooks

LARGEST_BODY = 16 * 1024

# Told by the objects' statuses and not by what moved on the balance: a second opinion, for the tests to hold sums to.
TOTALS = """
WITH gone AS (
  SELECT kind, json_extract(body, '$.payment_intent') AS payment, json_extract(body, '$.amount') AS amount
  FROM objects WHERE kind = 'refund' AND json_extract(body, '$.status') NOT IN ('failed', 'canceled')
  OR kind = 'dispute' AND json_extract(body, '$.status') NOT IN ('won')
    AND json_extract(body, '$.status') NOT LIKE 'warning%')
SELECT coalesce(json_extract(body, '$.metadata.campaign'), ''), json_extract(body, '$.currency'),
  sum(json_extract(body, '$.amount_total')), count(*),
  sum((SELECT coalesce(sum(amount), 0) FROM gone
    WHERE payment = json_extract(body, '$.payment_intent') AND gone.kind = 'refund')),
  sum((SELECT coalesce(sum(amount), 0) FROM gone
    WHERE payment = json_extract(body, '$.payment_intent') AND gone.kind = 'dispute'))
FROM objects WHERE kind = 'checkout.session' AND json_extract(body, '$.payment_status') = 'paid' GROUP BY 1, 2
"""

Wish = TypeVar("Wish", bound=BaseModel)


class Advance(BaseModel):
    model_config = ConfigDict(extra="forbid")
    advance: Annotated[float, Field(ge=0, le=366 * 24 * 3600)]


class Settle(BaseModel):
    """Without a payment intent: every debit that is pending."""

    model_config = ConfigDict(extra="forbid")
    payment_intent: str | None = None
    outcome: Literal["succeeded", "failed"] | None = None


class MakeRefund(BaseModel):
    """Without an amount: all that is left. In minor units."""

    model_config = ConfigDict(extra="forbid")
    payment_intent: str
    amount: Annotated[int, Field(ge=1)] | None = None
    status: Literal["pending", "requires_action", "succeeded"] = "succeeded"


class MakeDispute(BaseModel):
    """Without an amount: the whole payment. `settled`: the currency its money moves in, where it is another one."""

    model_config = ConfigDict(extra="forbid")
    payment_intent: str
    amount: Annotated[int, Field(ge=1)] | None = None
    status: Literal["warning_needs_response", "needs_response"] = "needs_response"
    settled: str = ""


class Move(BaseModel):
    model_config = ConfigDict(extra="forbid")
    status: str


class Operator:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        faults: Faults,
        checkout: Checkout,
        reversals: Reversals,
        webhooks: Webhooks,
        public_url: str,
    ) -> None:
        self._public_url = public_url
        self._store, self._clock, self._faults = store, clock, faults
        self._checkout, self._reversals, self._webhooks = checkout, reversals, webhooks

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/faults", self.show_faults, methods=["GET"]),
            Route("/sandbox/faults", self.set_faults, methods=["POST"]),
            Route("/sandbox/faults", self.clear_faults, methods=["DELETE"]),
            Route("/sandbox/clock", self.show_clock, methods=["GET"]),
            Route("/sandbox/clock", self.advance_clock, methods=["POST"]),
            Route("/sandbox/settle", self.settle, methods=["POST"]),
            Route("/sandbox/refunds", self.make_refund, methods=["POST"]),
            Route("/sandbox/refunds/{id}", self.move_refund, methods=["POST"]),
            Route("/sandbox/disputes", self.make_dispute, methods=["POST"]),
            Route("/sandbox/disputes/{id}", self.move_dispute, methods=["POST"]),
            Route("/sandbox/seed", self.seed, methods=["POST"]),
            Route("/sandbox/deliveries", self.deliveries, methods=["GET"]),
            Route("/sandbox/totals", self.totals, methods=["GET"]),
        ]

    async def show_faults(self, request: Request) -> Response:
        return JSONResponse(self._faults.shown().model_dump())

    async def set_faults(self, request: Request) -> Response:
        wanted = await _read(request, FaultSettings)
        if isinstance(wanted, Response):
            return wanted
        self._faults.set(wanted)
        return await self.show_faults(request)

    async def clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return await self.show_faults(request)

    async def show_clock(self, request: Request) -> Response:
        return JSONResponse({"now": self._clock.now()})

    async def advance_clock(self, request: Request) -> Response:
        wanted = await _read(request, Advance)
        if isinstance(wanted, Response):
            return wanted
        self._clock.advance(wanted.advance)
        self._checkout.sweep()
        self._webhooks.wake()
        return await self.show_clock(request)

    async def settle(self, request: Request) -> Response:
        wanted = await _read(request, Settle)
        if isinstance(wanted, Response):
            return wanted
        succeeds = None if wanted.outcome is None else wanted.outcome == "succeeded"
        ids = [wanted.payment_intent] if wanted.payment_intent else self._checkout.pending_debits()
        return JSONResponse({"settled": [id for id in ids if self._checkout.settle(id, succeeds=succeeds)]})

    async def make_refund(self, request: Request) -> Response:
        wanted = await _read(request, MakeRefund)
        if isinstance(wanted, Response):
            return wanted
        return _done(lambda: self._reversals.refund(wanted.payment_intent, wanted.amount, wanted.status))

    async def make_dispute(self, request: Request) -> Response:
        wanted = await _read(request, MakeDispute)
        if isinstance(wanted, Response):
            return wanted
        return _done(
            lambda: self._reversals.dispute(wanted.payment_intent, wanted.amount, wanted.status, wanted.settled)
        )

    async def move_refund(self, request: Request) -> Response:
        return await _move(request, self._reversals.move_refund)

    async def move_dispute(self, request: Request) -> Response:
        return await _move(request, self._reversals.move_dispute)

    async def seed(self, request: Request) -> Response:
        wanted = await _read(request, Seed)
        if isinstance(wanted, Response):
            return wanted
        seed(self._store, wanted, int(self._clock.now()), self._public_url)
        return JSONResponse({"payments": wanted.payments})

    async def deliveries(self, request: Request) -> Response:
        """How many deliveries are in which state, and how many attempts were made for all of them."""
        counts = dict(self._store.rows("SELECT state, count(*) FROM deliveries GROUP BY state"))
        [[attempts]] = self._store.rows("SELECT coalesce(sum(attempts), 0) FROM deliveries")
        states = {state: counts.get(state, 0) for state in ("pending", "delivered", "failed")}
        return JSONResponse(states | {"attempts": attempts})

    async def totals(self, request: Request) -> Response:
        """By campaign and currency, in minor units: what was paid in how many payments, and what went back of it."""
        campaigns: dict[str, dict[str, dict[str, int]]] = {}
        for campaign, currency, *sums in self._store.rows(TOTALS):
            names = ("sum", "count", "refunded", "disputed")
            campaigns.setdefault(campaign, {})[currency] = dict(zip(names, sums, strict=True))
        asked = request.query_params.get("campaign")
        return JSONResponse(
            {"campaigns": campaigns} if asked is None else {"campaign": asked, "totals": campaigns.get(asked, {})}
        )


async def _move(request: Request, verb: Callable[[str, str], Json]) -> Response:
    wanted = await _read(request, Move)
    if isinstance(wanted, Response):
        return wanted
    return _done(lambda: verb(request.path_params["id"], wanted.status))


def _done(verb: Callable[[], Json]) -> Response:
    try:
        return JSONResponse(verb())
    except ApiError as error:
        return JSONResponse({"error": str(error)}, status_code=error.status)


async def _read(request: Request, shape: type[Wish]) -> Wish | Response:
    # a page of another origin cannot send this type unasked, so no site a developer visits can turn our switches
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return JSONResponse({"error": "send application/json"}, status_code=415)
    body = await read_limited(request, LARGEST_BODY)
    if body is None:
        return JSONResponse({"error": f"at most {LARGEST_BODY} bytes"}, status_code=413)
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        return JSONResponse({"error": str(error)}, status_code=400)
