"""Define the JSON documents that the service sends: one `TypedDict` each.

Names and fields are those of `openapi.yaml` and `tools/types.d.ts`; a test (test_documents.py) compares the three.
Amounts are integers in minor units; instants are RFC 3339 in UTC; a field whose name ends in `_text` is finished text
in the reader's language.
"""

from datetime import UTC, datetime
from typing import NotRequired, TypedDict


def utc_text(instant: datetime) -> str:
    """Return an instant as each document has it: `2026-07-01T10:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Row(TypedDict):
    """The fields of a row with a bar: of a need, and of one of several campaigns."""

    id: str
    title: str
    amount: str
    goal_fraction: float
    funded_fraction: float
    status: str
    status_text: str


class CardNeed(_Row):
    spent_text: str
    receipts_text: str


class _PublicTotal(TypedDict):
    """The fields that both documents about progress have."""

    stage: str
    percent: int
    next_update_at: str | None
    stale: bool


class CardProgress(_PublicTotal):
    raised_text: str
    goal_text: str
    aria_text: str
    current_label: str
    current_need: str
    missing_text: str
    as_of_text: str


class CardLabels(TypedDict):
    donate: str
    story: str
    assurance: str
    close: str
    dialog_title: str
    language: str
    needs: str
    new_tab: str


class CardUrls(TypedDict):
    donate: str
    page: str


class CardLanguage(TypedDict):
    lang: str
    name: str


class PictureFile(TypedDict):
    """One served image of a picture. `url` is a path on this service."""

    url: str
    type: str
    width: int
    height: int


class CardPicture(TypedDict):
    """`url` is the smallest of `files`, with its width and height."""

    url: str
    width: int
    height: int
    alt: str
    credit: str
    files: list[PictureFile]


class _Card(TypedDict):
    """The fields that a card of one campaign and a card of several have."""

    lang: str
    dir: str
    status: str
    eyebrow: str
    title: str
    summary: str
    story: list[str]
    picture: CardPicture | None
    progress: CardProgress
    update: str | None
    labels: CardLabels
    urls: CardUrls
    languages: list[CardLanguage]
    notice: str | None
    test_mode_text: str | None
    emit_complete_event: bool


class CampaignCard(_Card):
    """`/v1/campaigns/{id}`: a campaign in one language, ready to draw."""

    id: str
    needs: list[CardNeed]


class CampaignRow(_Row):
    """One of several campaigns. It has no `donate_url` unless it accepts donations."""

    lang: str
    note: str
    donate_url: str | None


class CampaignList(_Card):
    """`/v1/campaigns/{id}` with several ids: a row for each campaign, ready to draw."""

    campaigns: list[CampaignRow]


class ProgressNeed(TypedDict):
    id: str
    amount: int
    funded: int
    status: str


class CampaignProgress(_PublicTotal):
    """`/v1/campaigns/{id}/progress`: the public total in numbers."""

    campaign: str
    currency: str
    goal: int
    raised: int
    needs: list[ProgressNeed]
    as_of: str


class SiteProgress(TypedDict):
    """`/v1/campaigns/{id}/sites/{host}`: the public total of the donations from one site. 0 says only: no total yet."""

    campaign: str
    host: str
    currency: str
    raised: int
    step: int
    as_of: str
    next_update_at: str
    stale: bool


class NeedSpending(TypedDict):
    """The sum of the spendings on one need. A text is empty if there is nothing to say."""

    id: str
    title: str
    spent: int
    spent_text: str
    receipts_text: str
    over_text: str


class Receipt(TypedDict):
    """The largest image of a receipt, without what the organiser covered. `url` is a path on this service."""

    url: str
    width: int
    height: int
    alt: str


class SpendingEntry(TypedDict):
    id: str
    need: str
    date: str
    date_text: str
    amount: int
    amount_text: str
    text: str
    receipt: Receipt | None


class CampaignSpending(TypedDict):
    """`/v1/campaigns/{id}/spending`: all that was spent, newest first, and the sum of each need."""

    campaign: str
    lang: str
    currency: str
    spent: int
    spent_text: str
    needs: list[NeedSpending]
    spendings: list[SpendingEntry]


class CheckoutSession(TypedDict):
    """`POST /v1/checkout-sessions`: `client_secret` for the embedded page, `url` for the hosted page."""

    session_token: str
    ui_mode: str
    amount: int
    currency: str
    expires_at: str
    client_secret: NotRequired[str]
    url: NotRequired[str]


class CheckoutStatus(TypedDict):
    """`/v1/checkout-sessions/{session_token}`: the status of a payment, with the thanks to show."""

    status: str
    title: str
    paragraphs: list[str]
    records_title: str
    records: list[str]


class ChallengeData(TypedDict):
    form_hash: str


class ChallengeParameters(TypedDict):
    algorithm: str
    nonce: str
    salt: str
    cost: int
    keyLength: int
    keyPrefix: str
    keySignature: str
    expiresAt: int
    data: ChallengeData


class Challenge(TypedDict):
    """`/v1/challenge`: a proof of work in ALTCHA's format, version 2 (https://altcha.org)."""

    parameters: ChallengeParameters
    signature: str


class EmbedCode(TypedDict):
    """`/c/{id}/embed`: the code to paste, and what the page around it must allow."""

    code: str
    policy: str
    preview: str
    reserved_height: str


class OEmbed(TypedDict):
    """`/oembed`: https://oembed.com, type `rich`."""

    version: str
    type: str
    title: str
    provider_name: str
    provider_url: str
    cache_age: int
    html: str
    width: int
    height: int
    thumbnail_url: NotRequired[str]
    thumbnail_width: NotRequired[int]
    thumbnail_height: NotRequired[int]


class WebhookResult(TypedDict):
    """`POST /v1/stripe/webhook`: `reason` and `client_network` if the event was ignored."""

    outcome: str
    reason: NotRequired[str]
    client_network: NotRequired[str]


class Liveness(TypedDict):
    """`/healthz`."""

    status: str
    version: str


class AttackMode(TypedDict):
    """The level of the attack mode, 0 if it is off; `forced` if an operator switched it on or off."""

    level: int
    max_level: int
    forced: bool


class ReadinessComponent(TypedDict):
    ready: bool
    reason: NotRequired[str]
    age_seconds: NotRequired[int | None]


class Readiness(TypedDict):
    """`/readyz`."""

    ready: bool
    components: dict[str, ReadinessComponent]
    warnings: list[str]
    attack_mode: AttackMode


class Problem(TypedDict):
    """Every error (RFC 9457). `params` holds what was given and what is allowed."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    params: NotRequired[dict[str, str | int]]
    fallback_url: NotRequired[str]


class GivingPageStripe(TypedDict):
    publishable_key: str
    script_url: str
    script_origins: list[str]
    """The sources of the CSP: `https://js.stripe.com`, `https://*.js.stripe.com`."""


class AmountFormat(TypedDict):
    """`pattern` has `{n}` where the digits stand; `group` and `decimal` are the separators."""

    pattern: str
    group: str
    decimal: str


class FundableNeed(TypedDict):
    """A need that is not funded yet; amounts in minor units."""

    title: str
    amount: int
    remaining: int


GivingPageTexts = TypedDict(  # `continue` is a keyword
    "GivingPageTexts",
    {
        "effect_now": str,
        "effect": str,
        "effect_covers": str,
        "effect_surplus": str,
        "all_funded": str,
        "fees": str,
        "fee_of_gift": str,
        "cover_fee": str,
        "open": str,
        "open_with": str,
        "continue": str,
        "continue_with": str,
        "paying": str,
        "amount_missing": str,
        "failed": str,
        "challenge_running": str,
        "challenge_failed": str,
        "sandboxed": str,
    },
)


class GivingPage(TypedDict):
    """Data of the giving page for its script, in the attribute `data-page` of the form. Not part of the API."""

    stripe: GivingPageStripe
    amount_format: AmountFormat
    minor_per_major: int
    allow_minor_units: bool
    emit_complete_event: bool
    fundable_needs: list[FundableNeed]
    card_fee_basis_points: int
    """Hundredths of a percent."""
    card_fee_fixed: int
    challenge_solver_url: str
    texts: GivingPageTexts
