"""What every request to the API passes: its key, its body, the operator's faults, its idempotency key."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import re

import stripe
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stripe_sandbox import errors
from stripe_sandbox.api import Call, Endpoint
from stripe_sandbox.bodies import read_limited
from stripe_sandbox.events import current_request
from stripe_sandbox.faults import ApiFault, Faults
from stripe_sandbox.forms import Tree, decode
from stripe_sandbox.idempotency import Answer, Idempotency
from stripe_sandbox.ids import new_id
from stripe_sandbox.store import Store

LARGEST_BODY = 256 * 1024
LONGEST_HANG = 120  # seconds; Stripe's own clients give up after 80

log = logging.getLogger(__name__)


class Gate:
    def __init__(self, store: Store, faults: Faults, idempotency: Idempotency) -> None:
        self._store, self._faults, self._idempotency = store, faults, idempotency

    async def handle(self, endpoint: Endpoint, request: Request) -> Response:
        request_id = new_id("req_", 14)
        try:
            authenticate(request.headers.get("authorization", ""))
            version = api_version(request.headers.get("stripe-version"))
            params = decode(await _parameters(request))
            return await self._with_faults(endpoint, request, params, request_id, version)
        except errors.ApiError as error:
            return _response(_failure(error, request_id), request, stripe.api_version)

    async def _with_faults(
        self, endpoint: Endpoint, request: Request, params: Tree, request_id: str, version: str
    ) -> Response:
        fault = self._faults.take_api()
        if fault and fault.kind == "429":
            raise errors.too_many_requests()
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        where = f"{request.method} {request.url.path}"
        answer = self._idempotency.replay(key, where, params) if key else None
        lost = fault is not None and fault.kind in ("hang", "reset")
        with self._idempotency.running(key):
            if fault and lost and not fault.executed:
                return await _no_answer(fault, request)
            if answer is None:
                call = Call(request.path_params.get("id", ""), params)
                answer = self._execute(endpoint, call, key, where, fault, request_id)
        return await _no_answer(fault, request) if fault and lost else _response(answer, request, version)

    def _execute(
        self, endpoint: Endpoint, call: Call, key: str | None, where: str, fault: ApiFault | None, request_id: str
    ) -> Answer:
        """The effect and the answer that is kept for the key are one transaction."""
        context = current_request.set({"id": request_id, "idempotency_key": key})
        try:
            with self._store.transaction():
                answer = self._run(endpoint, call, fault, request_id)
                if key:
                    self._idempotency.keep(key, where, call.params, answer)
            return answer
        except errors.ApiError:
            raise
        except Exception:
            log.exception("%s failed", where)
            answer = _failure(errors.broken(), request_id)
            if key:
                self._idempotency.keep(key, where, call.params, answer)
            return answer
        finally:
            current_request.reset(context)

    def _run(self, endpoint: Endpoint, call: Call, fault: ApiFault | None, request_id: str) -> Answer:
        breaks = fault is not None and fault.kind == "500"
        if breaks and not (fault and fault.executed):
            return _failure(errors.broken(), request_id)
        body = endpoint(call)
        return _failure(errors.broken(), request_id) if breaks else Answer(200, _json(body), request_id)


def authenticate(header: str) -> None:
    """Any test key will do. Raises ApiError (401)."""
    scheme, _, credentials = header.partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if scheme.lower() not in ("basic", "bearer") or not key:
        raise errors.unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if re.match(r"[a-z]+_live_", key):
        # the key itself is not repeated: answers end up in logs
        raise errors.unauthorized(
            "A live key was sent to the sandbox, which takes test keys only. No payment can be made with it here."
        )
    if key.startswith("pk_"):
        message = "This API call cannot be made with a publishable API key. Please use a secret API key."
        raise errors.unauthorized(message, "secret_key_required")
    if not re.fullmatch(r"(sk|rk)_test_\w+", key, re.ASCII):
        raise errors.unauthorized(
            "Invalid API Key provided: the sandbox takes keys that begin with sk_test_ or rk_test_."
        )


def api_version(asked: str | None) -> str:
    if asked and not re.fullmatch(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?", asked, re.ASCII):
        raise errors.ApiError("Invalid Stripe API version.")
    return asked or stripe.api_version


async def _parameters(request: Request) -> bytes:
    if request.method != "POST":
        return bytes(request.scope["query_string"])
    try:
        body = await read_limited(request, LARGEST_BODY)
    except ClientDisconnect:
        return b""
    if body is None:
        raise errors.too_large(LARGEST_BODY)
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if body and kind != "application/x-www-form-urlencoded":
        raise errors.ApiError("Invalid request: send parameters as application/x-www-form-urlencoded.")
    return body


def _failure(error: errors.ApiError, request_id: str) -> Answer:
    return Answer(error.status, _json(error.body()), request_id)


def _json(body: object) -> bytes:
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


def _response(answer: Answer, request: Request, version: str) -> Response:
    headers = {"Request-Id": answer.request_id, "Stripe-Version": version, "Cache-Control": "no-cache, no-store"}
    key = request.headers.get("idempotency-key")
    if key:
        headers |= {"Idempotency-Key": key[:255], "Original-Request": answer.request_id}
    if answer.replayed:
        headers |= {"Idempotent-Replayed": "true", "Request-Id": new_id("req_", 14)}
    return Response(answer.body, answer.status, headers, media_type="application/json")


async def _no_answer(fault: ApiFault, request: Request) -> Response:
    if fault.kind == "hang":
        try:
            async with asyncio.timeout(LONGEST_HANG):
                while (await request.receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass
    return _Reset()


class _Reset(Response):
    """Promises a body and ends without it: the server then drops the connection, as a broken network would."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
