"""The operator's switches under /sandbox: faults, the clock, settling of debits, and what the totals must be."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.sandbox.bodies import read_limited
from service.sandbox.checkout import Checkout
from service.sandbox.clock import Clock
from service.sandbox.faults import Faults, FaultSettings
from service.sandbox.store import Store
from service.sandbox.webhooks import Webhooks

LARGEST_BODY = 16 * 1024

Wish = TypeVar("Wish", bound=BaseModel)


class Advance(BaseModel):
    model_config = ConfigDict(extra="forbid")
    advance: Annotated[float, Field(ge=0, le=366 * 24 * 3600)]


class Settle(BaseModel):
    """Without a payment intent: every debit that is pending."""

    model_config = ConfigDict(extra="forbid")
    payment_intent: str | None = None
    outcome: Literal["succeeded", "failed"] | None = None


class Operator:
    def __init__(self, store: Store, clock: Clock, faults: Faults, checkout: Checkout, webhooks: Webhooks) -> None:
        self._store, self._clock, self._faults, self._checkout, self._webhooks = (
            store,
            clock,
            faults,
            checkout,
            webhooks,
        )

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/faults", self.show_faults, methods=["GET"]),
            Route("/sandbox/faults", self.set_faults, methods=["POST"]),
            Route("/sandbox/faults", self.clear_faults, methods=["DELETE"]),
            Route("/sandbox/clock", self.show_clock, methods=["GET"]),
            Route("/sandbox/clock", self.advance_clock, methods=["POST"]),
            Route("/sandbox/settle", self.settle, methods=["POST"]),
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

    async def deliveries(self, request: Request) -> Response:
        """How many deliveries are in which state, and how many attempts were made for all of them."""
        counts = dict(self._store.rows("SELECT state, count(*) FROM deliveries GROUP BY state"))
        [[attempts]] = self._store.rows("SELECT coalesce(sum(attempts), 0) FROM deliveries")
        states = {state: counts.get(state, 0) for state in ("pending", "delivered", "failed")}
        return JSONResponse(states | {"attempts": attempts})

    async def totals(self, request: Request) -> Response:
        """By campaign and currency: the sum in minor units, and the number, of the sessions that were paid."""
        rows = self._store.rows(
            "SELECT coalesce(json_extract(body, '$.metadata.campaign'), ''), json_extract(body, '$.currency'), "
            "sum(json_extract(body, '$.amount_total')), count(*) FROM objects WHERE kind = 'checkout.session' "
            "AND json_extract(body, '$.payment_status') = 'paid' GROUP BY 1, 2"
        )
        campaigns: dict[str, dict[str, dict[str, int]]] = {}
        for campaign, currency, amount, count in rows:
            campaigns.setdefault(campaign, {})[currency] = {"sum": amount, "count": count}
        asked = request.query_params.get("campaign")
        return JSONResponse(
            {"campaigns": campaigns} if asked is None else {"campaign": asked, "totals": campaigns.get(asked, {})}
        )


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
