"""Distribute the public total over the needs, in their order. Everything that readers see derives from the result."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money


class NeedStatus(Enum):
    FUNDED = "funded"
    NEXT = "next"
    TO_COME = "to_come"


class ProgressStage(Enum):
    JUST_STARTED = "just_started"
    UNDER_WAY = "under_way"
    FUNDED = "funded"


@dataclass(frozen=True, slots=True)
class NeedProgress:
    id: str
    amount: Money
    funded: Money
    status: NeedStatus


@dataclass(frozen=True, slots=True)
class Progress:
    """The public progress of a campaign.

    `as_of` is the start of the publication period. `next_update_at` is the start of the next one, or None if the total
    is published immediately. `listed` is the sum (minor units) of the offline donations that may be listed singly now.
    """

    goal: Money
    raised: Money
    needs: tuple[NeedProgress, ...]
    as_of: datetime
    next_update_at: datetime | None
    listed: int = 0
    stale: bool = False

    @property
    def percent(self) -> int:
        """Return 0 to 100, rounded down, so that 100 means that the goal is reached."""
        return min(100, self.raised.amount * 100 // self.goal.amount)

    @property
    def stage(self) -> ProgressStage:
        if self.raised.amount >= self.goal.amount:
            return ProgressStage.FUNDED
        return ProgressStage.UNDER_WAY if self.raised.amount > 0 else ProgressStage.JUST_STARTED

    @property
    def missing(self) -> Money:
        return Money(max(0, self.goal.amount - self.raised.amount), self.goal.currency)


def calculate_progress(
    campaign: Campaign,
    raised: int,
    *,
    listed: int = 0,
    as_of: datetime,
    next_update_at: datetime | None,
    stale: bool = False,
) -> Progress:
    """Return the progress for a total in minor units. Money above the goal belongs to no need."""
    needs, left, next_seen = [], max(0, raised), False
    for need in campaign.needs:
        funded = min(left, need.amount.amount)
        left -= funded
        if funded == need.amount.amount:
            state = NeedStatus.FUNDED
        else:
            state, next_seen = (NeedStatus.TO_COME if next_seen else NeedStatus.NEXT), True
        needs.append(NeedProgress(need.id, need.amount, Money(funded, campaign.currency), state))
    return Progress(
        goal=campaign.goal,
        raised=Money(max(0, raised), campaign.currency),
        needs=tuple(needs),
        as_of=as_of,
        next_update_at=next_update_at,
        listed=listed,
        stale=stale,
    )
