"""Validate messages against the types of the pinned version: `stripe` of PyPI and of npm, made by two generators."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import stripe
from stripe_sandbox.api_errors import ApiError
from stripe_sandbox.form_encoding import ParamTree
from stripe_sandbox.param_validation import validate

Json = dict[str, Any]

PARAMETER_TYPES: Final = {
    "GET /v1/account": "AccountRetrieveCurrentParams",
    "POST /v1/checkout/sessions": "Checkout.SessionCreateParams",
    "GET /v1/checkout/sessions": "Checkout.SessionListParams",
    "GET /v1/checkout/sessions/{session}": "Checkout.SessionRetrieveParams",
    "POST /v1/checkout/sessions/{session}/expire": "Checkout.SessionExpireParams",
    "GET /v1/payment_intents": "PaymentIntentListParams",
    "GET /v1/payment_intents/{intent}": "PaymentIntentRetrieveParams",
    "GET /v1/refunds": "RefundListParams",
    "GET /v1/disputes": "DisputeListParams",
    "GET /v1/events": "EventListParams",
    "GET /v1/webhook_endpoints": "WebhookEndpointListParams",
    "POST /v1/webhook_endpoints": "WebhookEndpointCreateParams",
    "POST /v1/webhook_endpoints/{webhook_endpoint}": "WebhookEndpointUpdateParams",
    "POST /v1/prices": "PriceCreateParams",
    "GET /v1/payment_links": "PaymentLinkListParams",
    "POST /v1/payment_links": "PaymentLinkCreateParams",
    "POST /v1/payment_links/{payment_link}": "PaymentLinkUpdateParams",
    "GET /v1/payment_method_configurations": "PaymentMethodConfigurationListParams",
    "GET /v1/payment_method_domains": "PaymentMethodDomainListParams",
    "POST /v1/payment_method_domains": "PaymentMethodDomainCreateParams",
    "POST /v1/payment_method_domains/{payment_method_domain}": "PaymentMethodDomainUpdateParams",
}
"""Operation that the product uses → the type of its parameters, under the same name in both packages."""

OBJECT_TYPES: Final = {
    "account": "Account",
    "checkout.session": "Checkout.Session",
    "dispute": "Dispute",
    "event": "Event",
    "payment_intent": "PaymentIntent",
    "payment_link": "PaymentLink",
    "payment_method_configuration": "PaymentMethodConfiguration",
    "payment_method_domain": "PaymentMethodDomain",
    "price": "Price",
    "refund": "Refund",
    "webhook_endpoint": "WebhookEndpoint",
}

PINNED_ONLY_FIELDS: Final[dict[str, Any]] = {
    "account.business_profile.specified_commercial_transactions_act_url": None,
    "account.settings.payments.statement_descriptor_prefix_kana": None,
    "account.settings.payments.statement_descriptor_prefix_kanji": None,
    "charge.payment_method_details.card.electronic_commerce_indicator": None,
    "charge.payment_method_details.card.transaction_link_id": None,
    "charge.source": None,
    "checkout.session.allowed_payment_method_types": None,
    "dispute.evidence_details.submission_method": "not_submitted",
    "dispute.intended_submission_method": None,
    "payment_intent.allowed_payment_method_types": None,
    "payment_intent.payment_record": None,
    "payment_intent.source": None,
    "refund.customer": None,
    "refund.customer_account": None,
    "refund.payment_method": None,
}
"""Field that only the pinned version has → a value for it.

The older description does not know it, the product does not read it, and the sandbox leaves it out.
"""

PACKAGE: Final = Path("tools/node_modules/stripe/esm")
COMPILER: Final = Path("tools/node_modules/.bin/tsc")


def typed_params(operation: str, params: ParamTree) -> Json:
    """Return the parameters with the types of PyPI's `stripe`. Raise ValueError if they do not fit."""
    module, _, name = PARAMETER_TYPES[operation].rpartition(".")
    shape = getattr(stripe.params.checkout if module else stripe.params, name)
    try:
        return validate(params, shape)
    except ApiError as error:
        raise ValueError(f"{operation}: {error}") from error


def copy_types(folder: Path) -> None:
    """Copy the types of npm's `stripe` and close their enums, which admit any text otherwise."""
    assert PACKAGE.exists(), "run make install: the types of Stripe are not there"
    shutil.copytree(PACKAGE, folder / "stripe", ignore=_all_but_types)
    shared = folder / "stripe" / "shared.d.ts"
    text, count = re.subn(r"(export type OtherString =) .*;", r"\1 never;", shared.read_text("utf-8"))
    assert count == 1
    shared.write_text(text, "utf-8")


class Program:
    """Collect values with the names of their types, and compile them in a folder of `copy_types`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lines = folder, ["import type Stripe from './stripe/stripe.esm.node';"]
        self._names = [""]

    def add(self, name: str, type: str, value: Any) -> None:
        """Add a value. `name` is for the errors."""
        line = f"export const v{len(self._lines)}: Stripe.{type} = {json.dumps(value, default=str)};"
        self._lines.append(line)
        self._names.append(name)

    def errors(self) -> list[str]:
        (self._folder / "messages.ts").write_text("\n".join(self._lines), "utf-8")
        options = {"noEmit": True, "strict": True, "skipLibCheck": True, "target": "ES2022", "module": "ESNext"}
        options |= {"moduleResolution": "Bundler", "types": [], "lib": ["ES2022", "DOM"]}
        config = {"compilerOptions": options, "files": ["messages.ts"]}
        (self._folder / "tsconfig.json").write_text(json.dumps(config), "utf-8")
        environment = os.environ | {"PATH": f"{os.environ['PATH']}:{Path(sys.executable).parent}"}
        command = [COMPILER.absolute(), "-p", self._folder]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
        found = re.findall(r"messages\.ts\((\d+),\d+\): error (.*)", done.stdout)
        assert done.returncode == 0 or found, done.stdout + done.stderr
        return [f"{self._names[int(line) - 1]}: {message[:400]}" for line, message in found]


def objects_in(body: Json) -> list[Json]:
    return list(body["data"]) if body.get("object") == "list" else [body]


def completed(value: Any, path: str = "") -> Any:
    """Return a copy with the fields of `PINNED_ONLY_FIELDS` that the sandbox leaves out."""
    if isinstance(value, list):
        return [completed(each, path) for each in value]
    if not isinstance(value, dict):
        return value
    here = value["object"] if isinstance(value.get("object"), str) else path
    missing = dict(_fields_below(here))
    return missing | {name: completed(each, f"{here}.{name}") for name, each in value.items()}


def _fields_below(path: str) -> Iterator[tuple[str, Any]]:
    for name, value in PINNED_ONLY_FIELDS.items():
        parent, _, field = name.rpartition(".")
        if parent == path:
            yield field, value


def _all_but_types(folder: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.endswith(".d.ts") and not (Path(folder) / name).is_dir()]
