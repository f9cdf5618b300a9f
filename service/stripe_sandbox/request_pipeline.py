"""Process a request to the API: authentication, parameters, simulated faults, idempotency, execution."""

import asyncio
import base64
import json
import logging
import re

import stripe
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stripe_sandbox import api_errors
from stripe_sandbox.api import ApiRequest, Endpoint
from stripe_sandbox.bounded_body import read_limited
from stripe_sandbox.events import current_request
from stripe_sandbox.faults import ApiFault, Faults
from stripe_sandbox.form_encoding import ParamTree, decode
from stripe_sandbox.idempotency import ApiResponse, Idempotency
from stripe_sandbox.ids import new_id
from stripe_sandbox.rights import Rights
from stripe_sandbox.store import Store

MAX_BODY = 256 * 1024
MAX_HANG = 120  # seconds; Stripe's clients give up after 80

log = logging.getLogger(__name__)


class RequestPipeline:
    def __init__(self, store: Store, faults: Faults, idempotency: Idempotency, rights: Rights) -> None:
        self._store, self._faults, self._idempotency, self._rights = store, faults, idempotency, rights

    async def handle(self, endpoint: Endpoint, request: Request) -> Response:
        request_id = new_id("req_", 14)
        try:
            key = authenticate(request.headers.get("authorization", ""))
            version = negotiate_version(request.headers.get("stripe-version"))
            params = decode(await _read_params(request))
            self._rights.check(key, request.method, request.url.path)
            return await self._with_faults(endpoint, request, params, request_id, version)
        except api_errors.ApiError as error:
            return _to_http(_error_response(error, request_id), request, stripe.api_version)

    async def _with_faults(
        self, endpoint: Endpoint, request: Request, params: ParamTree, request_id: str, version: str
    ) -> Response:
        fault = self._faults.next_api_fault(request.url.path)
        if fault and fault.kind == "429":
            message = "Request rate limit exceeded. Learn more at https://stripe.com/docs/rate-limits."
            raise api_errors.ApiError(message, code="rate_limit", status=429)
        if fault and fault.kind == "404":
            *_, kind, id = request.url.path.split("/")
            raise api_errors.no_such(kind.removesuffix("s"), id, "id")
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        operation = f"{request.method} {request.url.path}"
        response = self._idempotency.replay(key, operation, params) if key else None
        no_response = fault is not None and fault.kind in ("hang", "reset")
        with self._idempotency.running(key):
            if fault and no_response and not fault.executed:
                return await _drop_connection(fault, request)
            if response is None:
                api_request = ApiRequest(request.path_params.get("id", ""), params)
                response = self._execute(endpoint, api_request, key, operation, fault, request_id)
        return await _drop_connection(fault, request) if fault and no_response else _to_http(response, request, version)

    def _execute(
        self,
        endpoint: Endpoint,
        api_request: ApiRequest,
        key: str | None,
        operation: str,
        fault: ApiFault | None,
        request_id: str,
    ) -> ApiResponse:
        """Execute the request and store its response for the idempotency key in one transaction."""
        context = current_request.set({"id": request_id, "idempotency_key": key})
        try:
            with self._store.transaction():
                response = self._run(endpoint, api_request, fault, request_id)
                if key:
                    self._idempotency.store_response(key, operation, api_request.params, response)
            return response
        except api_errors.ApiError:
            raise
        except Exception:
            log.exception("request_failed %s", operation)
            response = _error_response(api_errors.internal_error(), request_id)
            if key:
                self._idempotency.store_response(key, operation, api_request.params, response)
            return response
        finally:
            current_request.reset(context)

    def _run(self, endpoint: Endpoint, api_request: ApiRequest, fault: ApiFault | None, request_id: str) -> ApiResponse:
        fails = fault is not None and fault.kind == "500"
        if fails and not (fault and fault.executed):
            return _error_response(api_errors.internal_error(), request_id)
        body = endpoint(api_request)
        if fault is not None and fault.kind == "empty_page" and body["object"] == "list":
            body |= {"data": [], "has_more": True}
        return (
            _error_response(api_errors.internal_error(), request_id)
            if fails
            else ApiResponse(200, _json(body), request_id)
        )


def authenticate(header: str) -> str:
    """Return the key. Accept any test key. Raise ApiError (401)."""
    scheme, _, credentials = header.partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except ValueError:
            key = ""
    if scheme.lower() not in ("basic", "bearer") or not key:
        raise api_errors.unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if re.match(r"[a-z]+_live_", key):
        # The message must not repeat the key, because clients log messages.
        raise api_errors.unauthorized("The sandbox received a live key. It accepts test keys only and moves no money.")
    if key.startswith("pk_"):
        message = "This API api_request cannot be made with a publishable API key. Please use a secret API key."
        raise api_errors.unauthorized(message, "secret_key_required")
    if not re.fullmatch(r"(sk|rk)_test_\w+", key, re.ASCII):
        raise api_errors.unauthorized(
            "Invalid API Key provided: the sandbox accepts keys that begin with sk_test_ or rk_test_."
        )
    return key


def negotiate_version(header: str | None) -> str:
    if header and not re.fullmatch(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?", header, re.ASCII):
        raise api_errors.ApiError("Invalid Stripe API version.")
    return header or stripe.api_version


async def _read_params(request: Request) -> bytes:
    if request.method != "POST":
        return bytes(request.scope["query_string"])
    try:
        body = await read_limited(request, MAX_BODY)
    except ClientDisconnect:
        return b""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if body and kind != "application/x-www-form-urlencoded":
        raise api_errors.ApiError("Invalid request: send parameters as application/x-www-form-urlencoded.")
    return body


def _error_response(error: api_errors.ApiError, request_id: str) -> ApiResponse:
    return ApiResponse(error.status, _json(error.body()), request_id)


def _json(body: object) -> bytes:
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


def _to_http(response: ApiResponse, request: Request, version: str) -> Response:
    headers = {"Request-Id": response.request_id, "Stripe-Version": version, "Cache-Control": "no-cache, no-store"}
    key = request.headers.get("idempotency-key")
    if key:
        headers |= {"Idempotency-Key": key[:255], "Original-Request": response.request_id}
    if response.replayed:
        headers |= {"Idempotent-Replayed": "true", "Request-Id": new_id("req_", 14)}
    return Response(response.body, response.status, headers, media_type="application/json")


async def _drop_connection(fault: ApiFault, request: Request) -> Response:
    if fault.kind == "hang":
        try:
            async with asyncio.timeout(MAX_HANG):
                while (await request.receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass
    return _ConnectionReset()


class _ConnectionReset(Response):
    """Announce a body and send none. The server then closes the connection, as in a network failure."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
