"""The port to the stored totals, and the values that it exchanges with the use cases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from donation_card.application.ports.payments import Account
from donation_card.domain.publication import PublicationPolicy, PublishedTotal
from donation_card.domain.totals import ObjectState, Totals


class ApplyResult(Enum):
    """`UNCHANGED` means that no total depends on the state: this version or a later one was applied before."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class SyncRun:
    """One incremental sync of a campaign: the generation that it updates, and its start.

    `since` is the time (UTC seconds) at which the last complete sync began. None means that the totals are unknown: the
    generation was never built, lost data or contradicts itself. Then only a full rebuild helps. `updates` were applied
    before this run.
    """

    generation: str
    since: int | None
    updates: int = 0


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A generation that a full rebuild fills while the current generation is in use."""

    campaign: str
    generation: str
    salt: str


@dataclass(frozen=True, slots=True)
class RebuildPosition:
    """How far an unfinished rebuild of an account has read Stripe's sessions, newest first.

    It `began` then, and applied every session that was created at `read_back_to` or later (UTC seconds, a full hour).
    `generations` is a hash of the generations that it fills. With others it cannot be continued.
    """

    began: int
    read_back_to: int
    generations: str


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """The result of a full rebuild.

    `before` is None if the totals were unknown. `mismatch` is true if complete totals differed from Stripe, even for
    one site only. `uncounted` is the number of payments that Stripe lists as reversed, but not as paid.
    """

    campaign: str
    before: Totals | None
    after: Totals
    mismatch: bool
    uncounted: int = 0


@dataclass(frozen=True, slots=True)
class SyncHistory:
    """The start of the last complete sync and rebuild (UTC seconds, None: never).

    `registry` changes whenever a campaign is stored for the first time. Without a campaign it is empty.
    """

    last_sync_at: int | None = None
    last_rebuild_at: int | None = None
    registry: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class TouchMark:
    """The touches that a worker has seen: those of this server and registry, up to a number that only grows."""

    server: str = ""
    registry: str = ""
    number: int = 0
    last_sync_at: int | None = None


@dataclass(frozen=True, slots=True)
class Touched:
    """The names of the totals that were touched after a mark, and the mark after them."""

    mark: TouchMark
    now: int
    """The time of the server (UTC seconds)."""
    names: Sequence[str] = ()


class TotalsStore(Protocol):
    """Store totals by their name, which contains campaign and currency (`domain.totals.totals_name`).

    Every method raises TotalsUnavailable if the server does not answer in time or refuses to write.
    """

    async def apply(self, account: Account, state: ObjectState) -> ApplyResult:
        """Apply one object state and return after it is stored. Applying it again changes nothing.

        A refund or dispute waits while its payment does not count, and counts from the moment its payment does.
        """

    async def publish_if_due(
        self,
        account: Account,
        campaign: str,
        policy: PublicationPolicy,
        *,
        now: datetime,
        offline: int,
        listed: int = 0,
        ended: bool,
        synced_since: int = 0,
        site: str | None = None,
    ) -> PublishedTotal | None:
        """Decide the public total if its time has come, and return it. Return None if there never was one.

        With a `site`, decide the series of its donations instead. Each series is stored on its own.

        `offline` is what did not come through Stripe, `listed` the part of it that is listed singly (minor units).

        Nothing is decided while the totals are unknown or older than they were, or while no sync is complete that
        began at `synced_since` (UTC seconds) or later. The last total is returned as stale then.
        """

    async def touch(self, account: Account, campaigns: Iterable[str]) -> None:
        """Tell every worker that these public totals may change at once.

        A campaign that publishes in periods is touched only when its totals were lost or rebuilt: its donations must
        leave no trace before the next period.
        """

    async def touched(self, account: Account, seen: TouchMark) -> Touched:
        """Return what was touched after a mark, in order."""

    async def totals(self, account: Account, campaign: str) -> Totals | None:
        """Return the current totals, or None if they are unknown."""

    async def totals_by_site(self, account: Account, campaign: str) -> dict[str, Totals]:
        """Return the current totals of each site that has a donation. It is empty if they are unknown."""

    async def lease(self, account: Account, owner: str) -> bool:
        """Acquire or renew the right to synchronise. It expires by itself.

        It saves work only: two concurrent syncs give the same result.
        """

    async def release(self, account: Account, owner: str) -> None: ...

    async def sync_history(self, account: Account) -> SyncHistory: ...

    async def save_sync_history(self, account: Account, history: SyncHistory) -> bool:
        """Store the history of a sync. Return False and store nothing if another `registry` is stored.

        A campaign that is stored for the first time after a rebuild starts at zero. So the history must not enter an
        account that lost its campaigns.
        """

    async def campaigns(self, account: Account) -> set[str]:
        """Return the name of all totals that were ever stored, also in another currency than the file has now."""

    async def register_campaigns(self, account: Account, campaigns: Iterable[str]) -> None:
        """Store that these campaigns exist. Their totals are unknown until they have a generation."""

    async def begin_sync(self, account: Account, campaign: str) -> SyncRun:
        """Begin a sync. Call it before the first request to Stripe: `advance_cursor` then notices a lost generation."""

    async def advance_cursor(self, account: Account, campaign: str, run: SyncRun, cursor: int) -> int | None:
        """Store that the generation is complete up to `cursor`, the start of a complete sync.

        Return the number of payments that were reversed before this run began and still do not count. Return None and
        store nothing if the generation of the sync no longer exists.
        """

    async def begin_rebuild(self, account: Account, campaign: str) -> Rebuild:
        """Begin a rebuild: `apply` updates the new generation too. Discard the unfinished rebuild of another worker."""

    async def unfinished_rebuild(self, account: Account, campaign: str) -> Rebuild | None:
        """Return the generation that a rebuild fills, or that one left behind."""

    async def rebuild_position(self, account: Account) -> RebuildPosition | None: ...

    async def save_rebuild_position(self, account: Account, position: RebuildPosition | None) -> None:
        """Store how far a rebuild has read. None: no rebuild can be continued."""

    async def apply_to_rebuild(self, account: Account, rebuild: Rebuild, state: ObjectState) -> bool:
        """Apply a state to the new generation only. Return False if another rebuild replaced it."""

    async def promote_rebuild(self, account: Account, rebuild: Rebuild, cursor: int) -> RebuildReport | None:
        """Make the complete new generation current. Return None if it no longer exists.

        `cursor` is the start of the rebuild in UTC seconds.
        """

    async def discard_rebuild(self, account: Account, rebuild: Rebuild) -> RebuildReport | None:
        """Compare and remove the new generation. Return None if it no longer exists."""

    async def save_account(self, fingerprint: str, account: Account) -> None:
        """Store the account of a secret key, for a start while Stripe is unavailable."""

    async def load_account(self, fingerprint: str) -> Account | None: ...

    async def ping(self) -> None:
        """Raise TotalsUnavailable, with the reason, unless the server answers and stores durably."""

    async def close(self) -> None: ...
