"""Create the official Stripe client, limit its calls in time, and translate its errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import stripe

from donation_card.errors import (
    IgnoredEvent,
    Invalid,
    ListIncomplete,
    NotFound,
    PaymentsUnavailable,
    ReplayedFailure,
    StripeKeyRejected,
)

_T = TypeVar("_T")

CALL_TIMEOUT: Final = 20.0
"""Seconds that one call may take with all its retries; a donor waits for it."""


class StripeRejectedRequest(PaymentsUnavailable):
    """Stripe rejected the parameters. The donor did not choose them and can only try again later."""


def create_client(secret_key: str, api_base: str | None) -> tuple[stripe.StripeClient, stripe.HTTPXClient]:
    """Return the client, and the HTTP client that the caller must close."""
    stripe.enable_telemetry = False  # it writes a file into the home directory
    http = stripe.HTTPXClient(timeout=8)
    client = stripe.StripeClient(
        secret_key,
        http_client=http,
        max_network_retries=2,  # a StripeClient makes none by default
        base_addresses={"api": api_base} if api_base else None,
    )
    return client, http


@contextmanager
def mapped_parse_errors() -> Iterator[None]:
    """Raise PaymentsUnavailable for a response that Stripe did not send, such as the page of a proxy."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, Invalid, IgnoredEvent) as error:
        raise PaymentsUnavailable(reason="unreadable") from error


async def iterate_pages(request: Awaitable[Any]) -> AsyncIterator[Any]:
    """Yield the objects of all pages of a list.

    Raise ListIncomplete for an empty page that claims to have a successor: nothing says where that one begins.
    """
    page = await call(request)
    while True:
        with mapped_parse_errors():
            objects, has_more = page.data, page.has_more
        for each in objects:
            yield each
        if not has_more:
            return
        if not objects:
            raise ListIncomplete(reason="empty_page")
        page = await call(page.next_page_async())


async def call(request: Awaitable[_T]) -> _T:
    """Await a response of Stripe. Raise its errors as ours: Stripe's text is the cause and never reaches donors."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            with mapped_parse_errors():
                return await request
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise NotFound("session_unknown") from error
        raise StripeRejectedRequest(reason=str(error.code), field=str(error.param)) from error
    except stripe.APIError as error:
        replayed = (error.headers or {}).get("idempotent-replayed") == "true"
        raise (ReplayedFailure if replayed else PaymentsUnavailable)(reason=str(error.http_status)) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise StripeKeyRejected(reason=type(error).__name__) from error
    except (stripe.StripeError, TimeoutError) as error:
        raise PaymentsUnavailable(reason=type(error).__name__) from error
