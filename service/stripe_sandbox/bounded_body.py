"""Read request bodies up to a limit."""

from starlette.requests import Request


async def read_limited(request: Request, limit: int) -> bytes | None:
    """Return the body, or None if it is longer than `limit` bytes. Raise starlette's ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
