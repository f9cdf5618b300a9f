"""The way to Stripe: the official client, how long it may take, and its errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import stripe

from donation_card.errors import Invalid, NotFound, PaymentsUnavailable, ReplayedFailure, StripeKeyRejected

_T = TypeVar("_T")

_DEADLINE: Final = 20.0
"""Seconds that one call may take with all its retries; a donor waits for it."""


class StripeRejectedRequest(PaymentsUnavailable):
    """Stripe would not do it. The parameters are ours, so the donor can only be told to try later."""


def create_client(secret_key: str, api_base: str | None) -> tuple[stripe.StripeClient, stripe.HTTPXClient]:
    """The client, and what has to be closed in the end."""
    stripe.enable_telemetry = False  # it would write a file under the home folder
    http = stripe.HTTPXClient(timeout=8)
    client = stripe.StripeClient(
        secret_key,
        http_client=http,
        max_network_retries=2,  # a client of its own makes none by default
        base_addresses={"api": api_base} if api_base else None,
    )
    return client, http


@contextmanager
def mapped_parse_errors() -> Iterator[None]:
    """An answer that is none of Stripe's (a proxy's page, half of a body) is an outage; the library trips over some."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, Invalid) as error:
        raise PaymentsUnavailable(reason="unreadable") from error


async def iterate_pages(answer: Awaitable[Any]) -> AsyncIterator[Any]:
    page = await call(answer)
    while True:
        with mapped_parse_errors():
            data, more = page.data, page.has_more
        for found in data:
            yield found
        if not more:
            return
        page = await call(page.next_page_async())


async def call(answer: Awaitable[_T]) -> _T:
    """Await Stripe's answer; its errors leave as ours, with what Stripe said as the cause and never to the donor."""
    try:
        async with asyncio.timeout(_DEADLINE):
            with mapped_parse_errors():
                return await answer
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise NotFound("session_unknown") from error
        raise StripeRejectedRequest(reason=str(error.code), field=str(error.param)) from error
    except stripe.APIError as error:
        kept = (error.headers or {}).get("idempotent-replayed") == "true"
        raise (ReplayedFailure if kept else PaymentsUnavailable)(reason=str(error.http_status)) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise StripeKeyRejected(reason=type(error).__name__) from error
    except (stripe.StripeError, TimeoutError) as error:
        raise PaymentsUnavailable(reason=type(error).__name__) from error
