"""Create the official Stripe client, limit its calls in time, and translate its errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import stripe

from donation_card.adapters.stripe.permissions import missing_right
from donation_card.errors import (
    IgnoredEvent,
    Invalid,
    ListIncomplete,
    NotFound,
    PaymentsUnavailable,
    ReplayedFailure,
    StripeKeyRejected,
)
from donation_card.observability import metrics

_T = TypeVar("_T")

CALL_TIMEOUT = 20.0
"""Seconds that one call may take with all its retries; a donor waits for it."""


_REFUSED = "donation-card-refused"


class StripeRejectedRequest(PaymentsUnavailable):
    """Stripe rejected the parameters. The donor did not choose them and can only try again later."""


class HTTPClient(stripe.HTTPXClient):
    """Count the reads, retries included: Stripe limits them (https://docs.stripe.com/rate-limits).

    Add a header to a 403 that says which request was refused.
    """

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if method.lower() == "get":
            metrics.stripe_reads.labels(resource_of(url)).inc()
        content, status, received = await super().request_async(method, url, headers, post_data)
        if status == HTTPStatus.FORBIDDEN:  # Stripe's error does not know its request
            received = httpx.Headers({**received, _REFUSED: f"{method} {resource_of(url)}"})
        return content, status, received


def resource_of(url: str) -> str:
    """Return the resource in an address of the API, without ids: `checkout/sessions`, `refunds`."""
    first, *rest = urlsplit(url).path.removeprefix("/v1/").split("/")
    return f"{first}/{rest[0]}" if first == "checkout" and rest else first


def create_client(secret_key: str, api_base: str | None) -> tuple[stripe.StripeClient, HTTPClient]:
    """Return the client, and the HTTP client that the caller must close."""
    stripe.enable_telemetry = False  # it writes a file into the home directory
    http = HTTPClient(timeout=8)
    client = stripe.StripeClient(
        secret_key,
        http_client=http,
        max_network_retries=2,  # a StripeClient makes none by default
        base_addresses={"api": api_base} if api_base else None,
    )
    return client, http


@asynccontextmanager
async def mapped_parse_errors() -> AsyncIterator[None]:
    """Raise PaymentsUnavailable for a response that Stripe did not send, such as the page of a proxy.

    It also decorates coroutine functions.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, Invalid, IgnoredEvent) as error:
        raise PaymentsUnavailable(reason="unreadable") from error


async def iterate_pages(client: stripe.StripeClient, resource: str, **params: Any) -> AsyncIterator[Any]:
    """Yield the objects of all pages of a list as JSON, of any type. `resource` is its path: `checkout/sessions`.

    The client's own objects would take twice the CPU of a rebuild.

    Raise ListIncomplete for an empty page that claims to have a successor: nothing says where that one begins.
    """
    while True:
        response = await call(client.raw_request_async("get", f"/v1/{resource}", **params))
        async with mapped_parse_errors():
            objects, has_more = list(response.data["data"]), response.data["has_more"]
        for each in objects:
            yield each
        if not has_more:
            return
        if not objects:
            raise ListIncomplete(reason="empty_page")
        async with mapped_parse_errors():
            params["starting_after"] = objects[-1]["id"]


async def call(request: Awaitable[_T]) -> _T:
    """Await a response of Stripe. Raise its errors as ours: Stripe's text is the cause and never reaches donors."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT), mapped_parse_errors():
            return await request
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise NotFound("session_unknown") from error
        raise StripeRejectedRequest(reason=str(error.code), field=str(error.param)) from error
    except stripe.APIError as error:
        replayed = (error.headers or {}).get("idempotent-replayed") == "true"
        raise (ReplayedFailure if replayed else PaymentsUnavailable)(reason=str(error.http_status)) from error
    except stripe.PermissionError as error:
        method, _, resource = str((error.headers or {}).get(_REFUSED, "")).partition(" ")
        raise StripeKeyRejected(reason="PermissionError", **missing_right(method, resource)) from error
    except stripe.AuthenticationError as error:
        raise StripeKeyRejected(reason="AuthenticationError") from error
    except (stripe.StripeError, TimeoutError) as error:
        raise PaymentsUnavailable(reason=type(error).__name__) from error
