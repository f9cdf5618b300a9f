"""Serve the same two reads without optimisation: a JSONResponse after a query to Redis, and a folder of files."""

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
    stored = await redis.get("bench:progress")
    if stored is None:
        stored = BODY.read_bytes()
        await redis.set("bench:progress", stored)
    return JSONResponse(json.loads(stored))


endpoint = Starlette(routes=[Route("/v1/campaigns/{id}/progress", progress)])
static = Starlette(routes=[Mount("/widget/v1", StaticFiles(directory=BODY.parent))])
