"""Simulate the failures of networks and payment services; a seed makes them repeatable."""

import random
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from stripe_sandbox.bounded_body import JsonBody

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=604_800)]


@dataclass(frozen=True, slots=True, config=JsonBody.model_config)
class WebhookFaults:
    """Set what goes wrong between the sandbox and the webhook endpoint.

    - `extra_copies`: deliveries of each event in addition to the first.
    - `delay`: seconds by which each delivery is late.
    - `max_jitter`: upper limit of a random delay in seconds, which changes the order of events.
    - `attempt_failure_rate`: probability that an attempt fails; it is repeated later.
    - `never_sent_rate`: probability that an event is only listed by the API and never delivered.
    - `never_recorded_rate`: probability that an event is neither delivered nor listed.
    """

    extra_copies: Annotated[int, Field(ge=0, le=20)] = 0
    delay: Seconds = 0.0
    max_jitter: Seconds = 0.0
    attempt_failure_rate: Probability = 0.0
    never_sent_rate: Probability = 0.0
    never_recorded_rate: Probability = 0.0


@dataclass(frozen=True, slots=True, config=JsonBody.model_config)
class ApiFault:
    """Set how the API answers the `remaining` next requests whose path begins with `path`.

    With `executed` a request takes effect before it fails. A 404 and a 429 never take effect. `empty_page` empties a
    list that then claims to have a next page.
    """

    kind: Literal["404", "429", "500", "hang", "reset", "empty_page"]
    remaining: Annotated[int, Field(ge=1, le=10_000)] = 1
    executed: bool = False
    path: Annotated[str, Field(pattern="^/v1")] = "/v1"


class FaultChange(JsonBody):
    """Body of `POST /sandbox/faults`. Omitted fields stay unchanged."""

    webhooks: WebhookFaults | None = None
    api: ApiFault | None = None
    seed: int | None = None


class Faults:
    """Hold the faults that are set now, and the random numbers that decide them."""

    def __init__(self, webhooks: WebhookFaults, api: ApiFault | None, seed: int | None) -> None:
        self._webhooks, self._api = webhooks, api
        self._random = random.Random(seed)  # noqa: S311 (repeatable faults, not a secret)

    def apply(self, change: FaultChange) -> None:
        self._webhooks = change.webhooks or self._webhooks
        self._api = change.api or self._api
        if change.seed is not None:
            self._random.seed(change.seed)

    def clear(self) -> None:
        self._webhooks, self._api = WebhookFaults(), None

    def current(self) -> FaultChange:
        return FaultChange(webhooks=self._webhooks, api=self._api)

    def next_api_fault(self, path: str) -> ApiFault | None:
        """Return the fault of this request, if any, and count it."""
        fault = self._api
        if fault is None or not path.startswith(fault.path):
            return None
        self._api = replace(fault, remaining=fault.remaining - 1) if fault.remaining > 1 else None
        return fault

    def delivery_delays(self) -> list[float]:
        """Return the delay of each copy of a new event in seconds; empty when it is never sent."""
        faults = self._webhooks
        if self._random.random() < faults.never_sent_rate:
            return []
        return [faults.delay + self._random.uniform(0, faults.max_jitter) for _ in range(1 + faults.extra_copies)]

    def skips_recording(self) -> bool:
        return self._random.random() < self._webhooks.never_recorded_rate

    def fails_attempt(self) -> bool:
        return self._random.random() < self._webhooks.attempt_failure_rate
