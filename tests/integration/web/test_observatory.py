"""Run the tests of MDN's HTTP Observatory (https://developer.mozilla.org/observatory) on every page.

Two of its tests look at TLS, which `deploy/nginx.conf` brings: from http to https, and Strict-Transport-Security. Here
they are told what that file says; a scan from the internet is the operator's to make.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
from donation_card.app import create_app

TOOLS = Path("tools/node_modules/@mdn/mdn-http-observatory")
HOST = "https://give.example.org"
PAGES = ["/", "/c/vitaly", "/c/vitaly/give", "/c/vitaly/frame", "/c/vitaly/embed", "/c/nobody", "/v1/campaigns/nobody"]
PREFLIGHT = {"access-control-request-method": "GET", "origin": "https://http-observatory.security.mozilla.org"}


async def capture(settings, from_proxy):
    """Every page as its reader gets it, in front of Stripe itself: none of them asks Stripe anything."""
    app = create_app(replace(settings, public_url=HOST, stripe_api_base=None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as client:
        return [
            {
                "url": HOST + path,
                **told(await client.get(path, headers={"accept": "text/html"}), from_proxy),
                "preflight": told(await client.options(path, headers=PREFLIGHT), from_proxy),
            }
            for path in PAGES
        ]


def told(answer, from_proxy):
    return {"status": answer.status_code, "headers": dict(answer.headers) | from_proxy, "body": answer.text}


def judged(settings, from_proxy):
    assert TOOLS.exists(), "run make install: the Observatory is not there"
    captured = json.dumps(asyncio.run(capture(settings, from_proxy)))
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:{Path(sys.executable).parent}"}
    command = ["node", "tools/observatory.mjs"]
    ended = subprocess.run(command, input=captured, capture_output=True, text=True, env=environment, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def failures(page):
    return {name: each["result"] for name, each in page["tests"].items() if not each["pass"]}


def test_observatory_passes_behind_the_proxy(installation):
    strict = re.search(r'Strict-Transport-Security "([^"]+)"', Path("deploy/nginx.conf").read_text())[1]
    pages = judged(installation.settings, {"strict-transport-security": strict})
    assert {page["url"]: failures(page) for page in pages} == {HOST + path: {} for path in PAGES}
    for page in pages:
        print(page["url"], page["grade"], page["score"])
        assert page["tests"]["content-security-policy"]["result"] == "csp-implemented-with-no-unsafe-default-src-none"
        assert len(page["tests"]) == 10
        assert page["grade"] == "A+"


def test_observatory_without_proxy_fails_only_tls(installation):
    found = [set(failures(page)) for page in judged(installation.settings, {})]
    assert found == [{"strict-transport-security"}] * len(PAGES)
