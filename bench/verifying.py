"""Verify the signature of a webhook and respond with 200: as a Starlette endpoint, and as a bare ASGI application."""

import os
from datetime import UTC, datetime

from donation_card.adapters.stripe import webhook_signature
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SECRETS = (os.environ["SECRET"],)
BODY = b'{"outcome":"applied"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part["body"], part.get("more_body", False)
    signature = dict(scope["headers"])[b"stripe-signature"]
    webhook_signature.verify(body, signature, SECRETS, datetime.now(UTC))
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


async def verify(request: Request) -> JSONResponse:
    signature = request.headers["stripe-signature"].encode("latin-1")
    webhook_signature.verify(await request.body(), signature, SECRETS, datetime.now(UTC))
    return JSONResponse({"outcome": "applied"})


endpoint = Starlette(routes=[Route("/v1/stripe/webhook", verify, methods=["POST"])])
