"""The smallest ASGI app that sends the service's own bytes: what uvicorn alone can do."""

import os
from pathlib import Path

BODY = Path(os.environ["BODY"]).read_bytes()
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}
SEND = {"type": "http.response.body", "body": BODY}


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send(START)
        await send(SEND)
