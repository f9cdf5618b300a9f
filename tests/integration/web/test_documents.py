"""Each JSON document has the same name and the same fields as a `TypedDict`, in `openapi.yaml` and in `types.d.ts`."""

import re
import types
import typing
from pathlib import Path

import pytest
from donation_card.web.api.checkout_sessions import CheckoutRequest
from donation_card.web.presentation import documents

from tests.support.contract import CONTRACT

JSON = ("application/json", "application/problem+json")
SCHEMAS = CONTRACT["components"]["schemas"]

PAGE_DATA = {"GivingPage", "GivingPageStripe", "AmountFormat", "FundableNeed", "GivingPageTexts"}
"""Data that a page holds for its own script; it is no answer of the API."""


def resolved(schema):
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def references(node):
    """The names of the schemas that a part of the contract refers to, directly or through another one."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "$ref":
            name = value.rpartition("/")[2]
            if value.startswith("#/components/schemas/"):
                yield name
                yield from references(SCHEMAS[name])
            else:
                yield from references(CONTRACT["components"][value.split("/")[2]][name])
        elif key != "content":
            yield from references(value)
        else:
            yield from references([value[kind] for kind in JSON if kind in value])


def of_contract(name):
    schema = SCHEMAS[name]
    fields = {}
    for field, each in schema["properties"].items():
        parts = [resolved(part)["type"] for part in each.get("oneOf", [each])]
        kinds = {kind for part in parts for kind in (part if isinstance(part, list) else [part])}
        kind = next(iter(kinds - {"null"}))
        fields[field] = ("number" if kind == "integer" else kind, "null" in kinds, field in schema["required"])
    return fields


def of_python(document):
    hints = typing.get_type_hints(document)  # without NotRequired
    fields = {}
    for field, hint in hints.items():
        nullable = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
        kind = next(each for each in typing.get_args(hint) if each is not type(None)) if nullable else hint
        kind = typing.get_origin(kind) or kind
        name = {str: "string", int: "number", float: "number", bool: "boolean", list: "array"}.get(kind, "object")
        fields[field] = (name, nullable, field in document.__required_keys__)
    return fields


def of_typescript():
    text = re.sub(r"/\*.*?\*/", "", Path("tools/types.d.ts").read_text("utf-8"), flags=re.S)
    aliases = dict(re.findall(r"^type (\w+) = (.+);$", text, re.M))
    found = {}
    for name, body in re.findall(r"^interface (\w+) \{\n(.*?)^\}", text, re.M | re.S):
        fields = {}
        for field, optional, kind in re.findall(r"^  (\w+)(\??): (.+);$", body, re.M):
            nullable = kind.endswith(" | null")
            kind = kind.removesuffix(" | null")
            kind = aliases.get(kind, kind)
            if kind.endswith("[]"):
                kind = "array"
            elif kind.startswith("'"):
                kind = "string"
            elif kind not in {"string", "number", "boolean"}:
                kind = "object"
            fields[field] = (kind, nullable, not optional)
        found[name] = fields
    return found


DOCUMENTS = {
    name: value
    for name, value in vars(documents).items()
    if typing.is_typeddict(value) and name != "TypedDict" and not name.startswith("_")
}
TYPESCRIPT = {
    name: fields for name, fields in of_typescript().items() if name not in {"Window", "HTMLElementTagNameMap"}
}


def test_all_three_have_the_same_documents():
    contract = {name for name in references(CONTRACT["paths"]) if resolved(SCHEMAS[name])["type"] == "object"}
    assert contract | PAGE_DATA == DOCUMENTS.keys() | {"CheckoutRequest"} == TYPESCRIPT.keys()


@pytest.mark.parametrize("name", DOCUMENTS.keys() - PAGE_DATA)
def test_document_fields_are_the_same(name):
    assert of_python(DOCUMENTS[name]) == of_contract(name) == TYPESCRIPT[name]


@pytest.mark.parametrize("name", PAGE_DATA)
def test_giving_page_fields_are_the_same(name):
    assert of_python(DOCUMENTS[name]) == TYPESCRIPT[name]


def test_checkout_request_fields_are_the_same():
    parsed = {
        field: ("boolean" if each.annotation is bool else "string", False, each.is_required())
        for field, each in CheckoutRequest.model_fields.items()
    }
    assert parsed == of_contract("CheckoutRequest") == TYPESCRIPT["CheckoutRequest"]
