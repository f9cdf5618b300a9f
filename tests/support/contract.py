"""Check each response against `openapi.yaml`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import yaml
from jsonschema import Draft202012Validator

CONTRACT = yaml.safe_load(Path("openapi.yaml").read_text())
seen: set[tuple[str, str, int]] = set()
"""Every response so far as (path, method, status)."""


def check(response: httpx.Response) -> None:
    """Raise AssertionError unless `openapi.yaml` has this path, method, status, header and body."""
    path = urlsplit(str(response.request.url)).path
    assert re.fullmatch("[A-Za-z0-9._-]{8,64}", response.headers["x-request-id"]), f"{path} has no id"
    method, status = response.request.method.lower(), response.status_code
    if method == "head":  # the headers of a GET, and nothing else (RFC 9110, 9.3.2)
        assert not response.content
        return
    template = template_of(path)
    if template is None:
        assert status == 404, f"{path} is not in the contract and answers {status}"
        return
    operation = CONTRACT["paths"][template].get(method)
    if operation is None:
        assert status == 405, f"{method} {template} is not in the contract and answers {status}"
        return
    answers = operation["responses"]
    assert str(status) in answers, f"{method} {template} answers {status}, which the contract does not name"
    answer = dereference(answers[str(status)])
    seen.add((template, method, status))
    for name, header in answer.get("headers", {}).items():
        assert name in response.headers, f"{method} {template} {status} lacks {name}"
        fits(header["schema"], response.headers[name], f"{template} {name}")
    if "content" in answer:
        kind = response.headers["content-type"].partition(";")[0]
        assert kind in answer["content"], f"{method} {template} {status} is {kind}"
        if kind.endswith("json"):
            fits(answer["content"][kind]["schema"], json.loads(response.content), f"{method} {template} {status}")
    elif status not in {201, 303}:
        assert not response.content, f"{method} {template} {status} has a body"


def template_of(path: str) -> str | None:
    """Return the path template that matches. The one with the fewest parameters wins."""
    fitting = [
        template
        for template in CONTRACT["paths"]
        if re.fullmatch(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)), path)
    ]
    return min(fitting, key=lambda template: template.count("{"), default=None)


def dereference(node: dict) -> dict:
    while "$ref" in node:
        target = CONTRACT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def fits(schema: dict, value: object, where: str) -> None:
    whole = {**schema, "components": CONTRACT["components"]}  # where "#/components/…" is looked up
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    faults = [f"{where}: {error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    assert not faults, "\n".join(faults)
