"""Stripe accounts for tests: each test has one of its own, and accounts never share a key."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from donation_card.adapters.redis.totals_store import RedisTotalsStore
from donation_card.application.ports.payments import Account

_numbers = itertools.count()


def new_account() -> Account:
    return Account(f"acct_{next(_numbers)}", livemode=False)


Connect = Callable[..., RedisTotalsStore]
