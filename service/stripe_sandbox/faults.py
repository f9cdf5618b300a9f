"""The switches that make the sandbox misbehave as networks and payment services do, repeatably when seeded."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=604_800)]

closed = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, config=closed)
class WebhookFaults:
    """What happens to webhooks between us and their receiver.

    `duplicate` sends that many extra copies; `delay` holds each back; `reorder` holds each back for a random time
    up to so many seconds; `drop` is the probability that an attempt is lost on its way (and tried again);
    `lose` the probability that an event is never sent at all (it is still in the list of events), and `unmade` that it
    is not even in the list: some events of Stripe are never made.
    """

    duplicate: Annotated[int, Field(ge=0, le=20)] = 0
    reorder: Seconds = 0.0
    delay: Seconds = 0.0
    drop: Probability = 0.0
    lose: Probability = 0.0
    unmade: Probability = 0.0


@dataclass(frozen=True, slots=True, config=closed)
class ApiFault:
    """How the `next` requests to the API are answered.

    `executed` says whether the request takes effect before things go wrong; a 429 never does.
    """

    kind: Literal["429", "500", "hang", "reset"]
    next: Annotated[int, Field(ge=1, le=10_000)] = 1
    executed: bool = False


class FaultSettings(BaseModel):
    """Body of `POST /sandbox/faults`: what is left out stays as it is."""

    model_config = closed

    webhooks: WebhookFaults | None = None
    api: ApiFault | None = None
    seed: int | None = None


class Faults:
    """The switches as they stand now."""

    def __init__(self, webhooks: WebhookFaults, api: ApiFault | None, seed: int | None) -> None:
        self.webhooks = webhooks
        self._api = api
        self._random = random.Random(seed)  # noqa: S311 (repeatable misfortune, not a secret)

    def set(self, wanted: FaultSettings) -> None:
        self.webhooks = wanted.webhooks or self.webhooks
        self._api = wanted.api or self._api
        if wanted.seed is not None:
            self._random.seed(wanted.seed)

    def clear(self) -> None:
        self.webhooks, self._api = WebhookFaults(), None

    def shown(self) -> FaultSettings:
        return FaultSettings(webhooks=self.webhooks, api=self._api)

    def take_api(self) -> ApiFault | None:
        """Uses up one of the `next` requests."""
        fault = self._api
        if fault:
            self._api = replace(fault, next=fault.next - 1) if fault.next > 1 else None
        return fault

    def waits(self) -> list[float]:
        """Seconds to hold back each copy of a new event; empty when the event is lost."""
        faults = self.webhooks
        if self._random.random() < faults.lose:
            return []
        return [faults.delay + self._random.uniform(0, faults.reorder) for _ in range(1 + faults.duplicate)]

    def unmakes(self) -> bool:
        return self._random.random() < self.webhooks.unmade

    def drops(self) -> bool:
        return self._random.random() < self.webhooks.drop
