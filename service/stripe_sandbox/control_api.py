"""Control the sandbox over HTTP under `/sandbox`: faults, clock, debits, reversals, edits and expected totals."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.bounded_body import JsonBody, read_limited
from stripe_sandbox.clock import Clock
from stripe_sandbox.delivery_queue import DeliveryQueue
from stripe_sandbox.faults import FaultChange, Faults
from stripe_sandbox.object_edits import ObjectEdits
from stripe_sandbox.objects import Json
from stripe_sandbox.reversals import Reversals
from stripe_sandbox.rights import Rights
from stripe_sandbox.seeding import SeedPayments, seed_payments
from stripe_sandbox.session_lifecycle import SessionLifecycle
from stripe_sandbox.store import Store

MAX_BODY = 16 * 1024

# Computed from the statuses of the objects and not from balance transactions: an independent result for the tests.
TOTALS_QUERY = """
WITH reversal AS (
  SELECT kind, json_extract(body, '$.payment_intent') AS payment, json_extract(body, '$.amount') AS amount
  FROM objects WHERE kind = 'refund' AND json_extract(body, '$.status') NOT IN ('failed', 'canceled')
  OR kind = 'dispute' AND json_extract(body, '$.status') NOT IN ('won')
    AND json_extract(body, '$.status') NOT LIKE 'warning%')
SELECT coalesce(json_extract(body, '$.metadata.campaign'), ''), json_extract(body, '$.currency'),
  sum(json_extract(body, '$.amount_total')), count(*),
  sum((SELECT coalesce(sum(amount), 0) FROM reversal
    WHERE payment = json_extract(body, '$.payment_intent') AND reversal.kind = 'refund')),
  sum((SELECT coalesce(sum(amount), 0) FROM reversal
    WHERE payment = json_extract(body, '$.payment_intent') AND reversal.kind = 'dispute'))
FROM objects WHERE kind = 'checkout.session' AND json_extract(body, '$.payment_status') = 'paid' GROUP BY 1, 2
"""

Body = TypeVar("Body", bound=JsonBody)


class AdvanceClock(JsonBody):
    advance_seconds: Annotated[float, Field(ge=0, le=366 * 24 * 3600)]


class SettleDebits(JsonBody):
    """Without `payment_intent` all pending debits settle; without `outcome` each as its test number says."""

    payment_intent: str | None = None
    outcome: Literal["succeeded", "failed"] | None = None


class CreateRefund(JsonBody):
    """`amount` is in minor units; without it the whole rest is refunded."""

    payment_intent: str
    amount: Annotated[int, Field(ge=1)] | None = None
    status: Literal["pending", "requires_action", "succeeded"] = "succeeded"


class CreateDispute(JsonBody):
    """`amount` is in minor units; without it the whole payment is disputed.

    `settlement_currency` is the currency of the balance transactions, if it is not the payment's.
    """

    payment_intent: str
    amount: Annotated[int, Field(ge=1)] | None = None
    status: Literal["warning_needs_response", "needs_response"] = "needs_response"
    settlement_currency: str = ""


class SetRights(JsonBody):
    """Set which rights of a restricted key are missing: `rak_event_read`."""

    key: str
    lacks: list[str]


class MoveMoney(JsonBody):
    """A balance transaction to append to a dispute, such as a correction of the exchange rate.

    `amount` is in minor units of `currency`, which is the settlement currency of the dispute if it is not given.
    """

    amount: int
    reporting_category: str = "dispute"
    currency: str = ""


class EditMetadata(JsonBody):
    """Edit metadata as a person does in Stripe's dashboard. An empty value removes its key."""

    id: str
    metadata: dict[str, str]


class OverwriteFields(JsonBody):
    """Set any fields of an object and remove those in `without`: unknown statuses, nulls, an older shape.

    `event` is the type of an event to send with the changed object.
    """

    id: str
    fields: dict[str, Any] = Field(default_factory=dict)
    without: list[str] = Field(default_factory=list)
    event: str | None = None


class StatusChange(JsonBody):
    status: str


class ControlApi:
    def __init__(
        self,
        store: Store,
        clock: Clock,
        faults: Faults,
        sessions: SessionLifecycle,
        reversals: Reversals,
        queue: DeliveryQueue,
        rights: Rights,
        edits: ObjectEdits,
        public_url: str,
    ) -> None:
        self._store, self._clock, self._faults, self._sessions = store, clock, faults, sessions
        self._reversals, self._queue, self._rights, self._public_url = reversals, queue, rights, public_url
        self._edits = edits

    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/faults", self.get_faults, methods=["GET"]),
            Route("/sandbox/faults", self.set_faults, methods=["POST"]),
            Route("/sandbox/faults", self.clear_faults, methods=["DELETE"]),
            Route("/sandbox/clock", self.get_clock, methods=["GET"]),
            Route("/sandbox/seed", self.seed_payments, methods=["POST"]),
            Route("/sandbox/deliveries", self.get_deliveries, methods=["GET"]),
            Route("/sandbox/totals", self.get_totals, methods=["GET"]),
            _post("/sandbox/clock", AdvanceClock, self.advance_clock),
            _post("/sandbox/settle", SettleDebits, self.settle_debits),
            _post("/sandbox/rights", SetRights, self._rights.take),
            _post("/sandbox/refunds", CreateRefund, self._reversals.create_refund),
            _post("/sandbox/refunds/{id}", StatusChange, self._reversals.update_refund),
            _post("/sandbox/disputes", CreateDispute, self._reversals.create_dispute),
            _post("/sandbox/disputes/{id}", StatusChange, self._reversals.update_dispute),
            _post("/sandbox/disputes/{id}/balance-transactions", MoveMoney, self._reversals.move_money),
            _post("/sandbox/metadata", EditMetadata, self._edits.edit_metadata),
            _post("/sandbox/fields", OverwriteFields, self._edits.overwrite),
        ]

    async def get_faults(self, request: Request) -> Response:
        return JSONResponse(self._faults.current().model_dump())

    async def set_faults(self, request: Request) -> Response:
        body = await _parse_body(request, FaultChange)
        self._faults.apply(body)
        return await self.get_faults(request)

    async def clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return await self.get_faults(request)

    async def get_clock(self, request: Request) -> Response:
        return JSONResponse({"now": self._clock.now()})

    def advance_clock(self, advance_seconds: float) -> Json:
        advance(self._clock, self._sessions, self._queue, advance_seconds)
        return {"now": self._clock.now()}

    def settle_debits(self, payment_intent: str | None, outcome: str | None) -> Json:
        succeeds = None if outcome is None else outcome == "succeeded"
        ids = [payment_intent] if payment_intent else self._sessions.pending_debits()
        return {"settled": [id for id in ids if self._sessions.settle(id, succeeds=succeeds)]}

    async def seed_payments(self, request: Request) -> Response:
        body = await _parse_body(request, SeedPayments)
        seed_payments(self._store, body, int(self._clock.now()), self._public_url)
        return JSONResponse({"payments": body.payments})

    async def get_deliveries(self, request: Request) -> Response:
        return JSONResponse(self._queue.counts())

    async def get_totals(self, request: Request) -> Response:
        """Return the sums by campaign and currency, in minor units: paid, number of payments, refunded, disputed."""
        campaigns: dict[str, dict[str, dict[str, int]]] = {}
        for campaign, currency, *sums in self._store.rows(TOTALS_QUERY):
            names = ("sum", "count", "refunded", "disputed")
            campaigns.setdefault(campaign, {})[currency] = dict(zip(names, sums, strict=True))
        name = request.query_params.get("campaign")
        return JSONResponse(
            {"campaigns": campaigns} if name is None else {"campaign": name, "totals": campaigns.get(name, {})}
        )


def advance(clock: Clock, sessions: SessionLifecycle, queue: DeliveryQueue, seconds: float) -> None:
    """Move the virtual clock forward, run what is due by then, and have due webhooks sent."""
    clock.advance(seconds)
    sessions.run_due()
    queue.wake()


def _post(path: str, schema: type[JsonBody], action: Callable[..., Json]) -> Route:
    """Return the route of an action. Its arguments are the fields of the body, and the id in the path."""

    async def respond(request: Request) -> Response:
        body = await _parse_body(request, schema)
        return JSONResponse(action(**request.path_params, **body.model_dump()))

    return Route(path, respond, methods=["POST"])


async def _parse_body(request: Request, schema: type[Body]) -> Body:
    """Return the body. Raise ApiError (400, 413, 415)."""
    # A page of another origin cannot send this content type without a CORS preflight, which is refused.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ApiError("send application/json", status=415)
    try:
        return schema.model_validate_json(await read_limited(request, MAX_BODY))
    except ValidationError as error:
        raise ApiError(str(error)) from error


async def respond_to_error(request: Request, error: Exception) -> Response:
    """Respond to an ApiError outside the API of Stripe, which has a format of its own."""
    assert isinstance(error, ApiError)
    return JSONResponse({"error": str(error)}, status_code=error.status)
