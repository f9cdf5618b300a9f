"""Read request bodies up to a limit."""

from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from stripe_sandbox.api_errors import ApiError

MAX_FORM_BODY = 16 * 1024


class JsonBody(BaseModel):
    """The body of a request to the control API. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


async def read_limited(request: Request, limit: int) -> bytes:
    """Return the body. Raise ApiError (413) if it is longer than `limit` bytes, and starlette's ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise ApiError(f"Request body too large: the limit is {limit} bytes.", status=413)
    return bytes(body)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raise ApiError (413) if it is too long."""
    body = await read_limited(request, MAX_FORM_BODY)
    return {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}
