"""The same two reads as one would write them first: JSONResponse and a question to Redis; a folder of static files."""

import json
import os
from pathlib import Path

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

BODY = Path(os.environ["BODY"])
redis = Redis.from_url(os.environ["REDIS_URL"])


async def progress(_: Request) -> JSONResponse:
    held = await redis.get("bench:progress")
    if held is None:
        held = BODY.read_bytes()
        await redis.set("bench:progress", held)
    return JSONResponse(json.loads(held))


endpoint = Starlette(routes=[Route("/v1/campaigns/{id}/progress", progress)])
static = Starlette(routes=[Mount("/widget/v1", StaticFiles(directory=BODY.parent))])
