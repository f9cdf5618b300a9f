"""Send the same header fields and the same body as the service, with the smallest ASGI application."""

import json
import os
from pathlib import Path

BODY = Path(os.environ["BODY"]).read_bytes()
HEADERS = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in json.loads(os.environ["HEADERS"])]


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
