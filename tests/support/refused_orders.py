"""Send orders that the service refuses: many on one connection, each from another network and with its own form."""

from __future__ import annotations

import itertools
import json
import re
import socket
from collections import Counter
from urllib.parse import urlsplit

from donation_card.adapters.tokens import SignedTokens

from tests.support.installation import Installation

AT_ONCE = 25
"""Orders on one connection."""

_numbers = itertools.count()


def refuse(installation: Installation, count: int) -> Counter[str]:
    """Send `count` orders and count the codes of the responses. While attack mode is on, each order is refused."""
    tokens = SignedTokens(installation.settings.secret_keys)
    codes: Counter[str] = Counter()
    while codes.total() < count:
        orders = [_order(tokens, next(_numbers)) for _ in range(min(AT_ONCE, count - codes.total()))]
        codes.update(_answers(installation.service, orders))
    return codes


def _order(tokens: SignedTokens, number: int) -> tuple[str, dict[str, str]]:
    """Return an address and an order. The kinds take turns."""
    form = {"form_token": tokens.issue_form_token("vitaly", "other"), "amount": "25"}
    changes = (
        {},
        {"proof": "bm8gcHJvb2Y="},
        {"amount": "35", "ui_mode": "hosted"},
        {"form_token": tokens.issue_form_token("none", "other")},
        {"amount": "1000000"},
        {"form_token": form["form_token"][:-1]},
        {"replaces_session": "no-handle"},
    )
    address = f"11.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return address, form | changes[number % len(changes)]


def _answers(service: str, orders: list[tuple[str, dict[str, str]]]) -> list[str]:
    """Send the orders on one connection, and return the code of each response."""
    where = urlsplit(service)
    sent = b""
    for number, (address, order) in enumerate(orders, 1):
        body = json.dumps(order).encode()
        end = b"connection: close\r\n" if number == len(orders) else b""
        sent += (
            (
                f"POST /v1/checkout-sessions HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-type: application/json\r\n"
                f"x-forwarded-for: {address}\r\ncontent-length: {len(body)}\r\n"
            ).encode()
            + end
            + b"\r\n"
            + body
        )
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)
    codes = re.findall(rb'"code": ?"(\w+)"', answer)
    assert len(statuses) == len(orders)
    assert len(codes) == len(orders), statuses
    return [code.decode() for code in codes]
