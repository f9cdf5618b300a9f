"""Record the messages between the product, the sandbox and the webhook endpoint."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stripe_sandbox.form_encoding import ParamTree, decode

Json = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """One request to the API and its answer."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    body: bytes
    status: int
    answer: bytes

    @property
    def from_product(self) -> bool:
        """Return True for the official client, which only the product uses in the journeys."""
        return "PythonBindings" in self.headers.get("user-agent", "")

    @cached_property
    def params(self) -> ParamTree:
        return decode(self.body if self.method == "POST" else self.query)

    @cached_property
    def json(self) -> Json:
        return dict(json.loads(self.answer))


@dataclass
class Traffic:
    exchanges: list[Exchange] = field(default_factory=list)
    webhooks: list[Json] = field(default_factory=list)

    def before_sandbox(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """Return an ASGI middleware that records what reaches the API and what it answers."""

        async def tap(scope: Json, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
                await app(scope, receive, send)
                return
            body, status, answer = bytearray(), 0, bytearray()

            async def record_request() -> Json:
                message: Json = await receive()
                body.extend(message.get("body", b""))
                return message

            async def record_answer(message: Json) -> None:
                nonlocal status
                status = message.get("status", status)
                answer.extend(message.get("body", b""))
                await send(message)

            await app(scope, record_request, record_answer)
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            request = (scope["method"], scope["path"], scope["query_string"], headers, bytes(body))
            self.exchanges.append(Exchange(*request, status, bytes(answer)))

        return tap

    def before_service(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """Return an ASGI middleware that records the webhooks."""

        async def tap(scope: Json, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or scope["path"] != "/v1/stripe/webhook":
                await app(scope, receive, send)
                return
            body = bytearray()

            async def record() -> Json:
                message: Json = await receive()
                body.extend(message.get("body", b""))
                return message

            await app(scope, record, send)
            self.webhooks.append(json.loads(body))

        return tap
