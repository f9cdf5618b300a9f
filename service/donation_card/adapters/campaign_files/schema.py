"""Define the sections of a campaign file, and report its mistakes in plain words.

Every section is validated separately, so that one mistake does not hide the others. Rules that concern several fields
are in `constraints.py`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from types import MappingProxyType, NoneType
from typing import Annotated, Any, TypeVar, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from donation_card.adapters.campaign_files.fields import (
    STRIPE_LOCALES,
    AccountHolder,
    Amount,
    Bic,
    Boolean,
    Contact,
    CountryCode,
    CoverBox,
    Currency,
    Date,
    DateOrDateTime,
    FieldCheck,
    FieldSchema,
    FixedFee,
    Focus,
    GoalAmount,
    Host,
    HttpsUrl,
    Iban,
    Interval,
    Language,
    MonthOrDay,
    NeedId,
    Percent,
    RedirectMethod,
    Reference,
    SmallInt,
    SpentAmount,
    StatementDescriptor,
    StripeLocale,
    Timezone,
    TokenHash,
    WholeDays,
    bounded_text,
    enum_value,
)
from donation_card.adapters.campaign_files.packed_texts import TextPack
from donation_card.adapters.campaign_files.quoting import field_path, quote_value
from donation_card.domain.bank_transfer import BankTransfer, ImportedTransfers
from donation_card.domain.campaign import (
    Campaign,
    CampaignText,
    DonationTerms,
    Need,
    NeedText,
    OfflineDonation,
    OtherWay,
    OtherWayText,
    Recipient,
    Status,
    SurplusPolicy,
    Update,
)
from donation_card.domain.card_fee import CardFee
from donation_card.domain.money import MINOR_UNIT_EXPONENT
from donation_card.domain.picture import CampaignPicture, Picture
from donation_card.domain.publication import DAY, PublicationPolicy
from donation_card.domain.redirect_methods import REDIRECT_METHODS
from donation_card.domain.site_total import SiteTotal
from donation_card.domain.spending import Spending
from donation_card.errors import ConfigFault

_LIST = "a list in square brackets"
_TABLE = "a table of its own"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RecipientSection(Section):
    short_name: Annotated[str, bounded_text(40)]
    legal_name: Annotated[str, bounded_text(120)]
    contact: Contact
    statement_descriptor: StatementDescriptor


class BankTransferSection(Section):
    holder: AccountHolder
    iban: Iban
    bic: Bic = ""
    reference: Reference
    accept_named_statement: Boolean = False


class FeeSection(Section):
    percent: Percent
    fixed: FixedFee

    @property
    def card_fee(self) -> CardFee:
        return CardFee(self.percent, self.fixed)


class GivingSection(Section):
    suggested: list[Amount] = Field(min_length=1, max_length=6, description=f"{_LIST} of 1 to 6 amounts, ascending")
    minimum: Amount
    maximum: Amount
    decimals: Boolean = False
    accept_above_goal: Boolean
    fee: FeeSection | None = Field(None, description='a table: { percent = "1.5", fixed = "0.25" }')


class PublicationSection(Section):
    every: Interval
    step: Amount
    min_donations: SmallInt
    timezone: Timezone


class SiteTotalSection(Section):
    host: Host
    step: Amount
    every: WholeDays = DAY
    public: Boolean = False
    token_sha256: TokenHash | None = None

    def site_total(self, timezone: ZoneInfo) -> SiteTotal:
        policy = PublicationPolicy(self.every, self.step.amount, 0, timezone)
        return SiteTotal(self.host, policy, self.token_sha256)


class NeedSection(Section):
    id: NeedId
    amount: GoalAmount
    title: dict[Language, Annotated[str, bounded_text(60)]] = Field(description=f"{_TABLE}: language = a short text")
    detail: dict[Language, Annotated[str, bounded_text(160)]] = Field(
        {}, description=f"{_TABLE}: language = a sentence"
    )


class OfflineSection(Section):
    date: Date
    amount: Amount
    source: dict[Language, Annotated[str, bounded_text(60)]] = Field(description=f"{_TABLE}: language = a short text")
    list: Boolean = False


class OtherWaySection(Section):
    url: HttpsUrl
    title: dict[Language, Annotated[str, bounded_text(60)]] = Field(description=f"{_TABLE}: language = a short text")
    text: dict[Language, Annotated[str, bounded_text(240)]] = Field(description=f"{_TABLE}: language = a sentence")
    traces: dict[Language, Annotated[str, bounded_text(240)]] = Field(
        description=f"{_TABLE}: language = what remains of such a gift"
    )


class UpdateSection(Section):
    date: Date
    text: dict[Language, Annotated[str, bounded_text(160)]] = Field(description=f"{_TABLE}: language = a sentence")


class ReceiptSection(Section):
    file: Annotated[str, bounded_text(200)]
    cover: list[CoverBox] = Field(
        [], max_length=50, description=f"{_LIST} of at most 50 boxes: [[left, top, width, height], …]"
    )
    checked: Boolean = False


class SpentSection(Section):
    need: Annotated[str, bounded_text(32)]
    date: MonthOrDay
    amount: SpentAmount
    text: dict[Language, Annotated[str, bounded_text(160)]] = Field(description=f"{_TABLE}: language = a short text")
    over: dict[Language, Annotated[str, bounded_text(160)]] | None = Field(
        None, description=f"{_TABLE}: language = a sentence"
    )
    receipt: ReceiptSection | None = Field(
        None, description='a table: { file = "receipt.jpg", cover = [], checked = true }'
    )


class PictureSection(Section):
    file: Annotated[str, bounded_text(200)]
    alt: dict[Language, Annotated[str, bounded_text(200)]] = Field(description=f"{_TABLE}: language = a short text")
    focus: Focus = (0.5, 0.5)
    credit: Annotated[str, bounded_text(80)] = ""


class TextSection(Section):
    title: Annotated[str, bounded_text(80)]
    purpose: Annotated[str, bounded_text(60)]
    summary: Annotated[str, bounded_text(400)]
    story: list[Annotated[str, bounded_text(1000)]] = Field(
        min_length=1, max_length=12, description=f"{_LIST} of 1 to 12 paragraphs"
    )


class CampaignFile(Section):
    status: Annotated[Status, enum_value(Status)]
    currency: Currency
    goal: GoalAmount
    default_language: Language
    on_surplus: Annotated[SurplusPolicy, enum_value(SurplusPolicy)]
    on_shortfall: Annotated[SurplusPolicy, enum_value(SurplusPolicy)]
    warned_bank_countries: list[CountryCode] = Field(
        max_length=50, description=f"{_LIST} of country codes; [] for no warning"
    )
    redirect_methods: list[RedirectMethod] = Field(
        [], max_length=len(REDIRECT_METHODS), description=f"{_LIST} of payment methods, such as paypal"
    )
    sites: list[Host] = Field([], max_length=200, description=f"{_LIST} of at most 200 host names")
    fallback_url: HttpsUrl | None = None
    emit_complete_event: Boolean = False
    ends: DateOrDateTime | None = None
    recipient: RecipientSection = Field(description=f"{_TABLE}, [recipient]")
    giving: GivingSection = Field(description=f"{_TABLE}, [giving]")
    bank_transfer: BankTransferSection | None = Field(None, description=f"{_TABLE}, [bank_transfer]")
    publication: PublicationSection = Field(description=f"{_TABLE}, [publication]")
    stripe_locales: dict[Language, StripeLocale] = Field({}, description=f"{_TABLE}: language = a locale of Stripe")
    needs: list[NeedSection] = Field(min_length=1, max_length=12, description="1 to 12 tables, [[needs]] each")
    offline: list[OfflineSection] = Field([], max_length=500, description="at most 500 tables, [[offline]] each")
    other_ways: list[OtherWaySection] = Field([], max_length=6, description="at most 6 tables, [[other_ways]] each")
    updates: list[UpdateSection] = Field([], max_length=200, description="at most 200 tables, [[updates]] each")
    site_totals: list[SiteTotalSection] = Field(
        [], max_length=50, description="at most 50 tables, [[site_totals]] each"
    )
    spent: list[SpentSection] = Field([], max_length=500, description="at most 500 tables, [[spent]] each")
    picture: PictureSection | None = Field(None, description=f"{_TABLE}, [picture]")
    text: dict[Language, TextSection] = Field(min_length=1, description=f"{_TABLE} for each language, [text.en]")


_File = TypeVar("_File", bound=Section)
_Value = TypeVar("_Value")


def build_campaign(
    file: CampaignFile,
    campaign_id: str,
    *,
    interval: int | None,
    imported: ImportedTransfers | None = None,
    picture: CampaignPicture | None = None,
    receipts: Mapping[int, Picture] = MappingProxyType({}),
) -> Campaign:
    """Build the campaign of a valid file. `interval` (seconds) overrides `publication.every`.

    `receipts` has the pictures of the spendings by their place in the file.
    """
    publication, texts = file.publication, TextPack()
    ends = file.ends
    if ends is not None and not isinstance(ends, datetime):  # the end of the day in the time zone of the campaign
        ends = datetime.combine(ends + timedelta(days=1), time(), publication.timezone)
    campaign = Campaign(
        id=campaign_id,
        status=file.status,
        goal=file.goal,
        needs=tuple(
            Need(
                need.id,
                need.amount,
                texts.add({each: (title, need.detail.get(each, "")) for each, title in need.title.items()}, NeedText),
            )
            for need in file.needs
        ),
        text=texts.add(
            {each: (text.title, text.purpose, text.summary, tuple(text.story)) for each, text in file.text.items()},
            CampaignText,
        ),
        default_language=file.default_language,
        recipient=_shared(Recipient(**dict(file.recipient))),
        giving=_shared(
            DonationTerms(
                tuple(file.giving.suggested),
                file.giving.minimum,
                file.giving.maximum,
                file.giving.decimals,
                file.giving.accept_above_goal,
                file.giving.fee.card_fee if file.giving.fee else None,
            )
        ),
        publication=_shared(
            PublicationPolicy(
                publication.every if interval is None else interval,
                publication.step.amount,
                publication.min_donations,
                publication.timezone,
            )
        ),
        on_surplus=file.on_surplus,
        on_shortfall=file.on_shortfall,
        warned_bank_countries=_shared(tuple(file.warned_bank_countries)),
        redirect_methods=tuple(file.redirect_methods),
        publisher_hosts=tuple(file.sites),
        site_totals=tuple(each.site_total(publication.timezone) for each in file.site_totals),
        stripe_locales={tag: "en" for tag in file.text if tag not in STRIPE_LOCALES} | file.stripe_locales,
        fallback_url=file.fallback_url,
        emit_complete_event=file.emit_complete_event,
        ends_at=ends,
        bank_transfer=BankTransfer(**dict(file.bank_transfer)) if file.bank_transfer else None,
        imported_transfers=imported,
        offline_donations=tuple(
            OfflineDonation(each.date, each.amount, texts.add(each.source), each.list) for each in file.offline
        ),
        other_ways=tuple(
            OtherWay(
                way.url,
                texts.add(
                    {each: (title, way.text[each], way.traces[each]) for each, title in way.title.items()},
                    OtherWayText,
                ),
            )
            for way in file.other_ways
        ),
        updates=tuple(
            Update(each.date, texts.add(each.text))
            for each in sorted(file.updates, key=lambda update: update.date, reverse=True)
        ),
        spendings=tuple(
            Spending(
                each.need,
                *each.date,
                each.amount,
                texts.add(each.text),
                None if each.over is None else texts.add(each.over),
                receipts.get(at),
            )
            for at, each in sorted(enumerate(file.spent), key=lambda entry: entry[1].date[0], reverse=True)
        ),
        picture=replace(picture, alt=texts.add(dict(picture.alt))) if picture else None,
    )
    texts.close()
    return campaign


@lru_cache(500)
def _shared(value: _Value) -> _Value:
    """Return an equal object that was used before, or this one. Most campaigns of a recipient have the same terms."""
    return value


def validate_sections(
    raw: Mapping[str, Any], source: str, kind: type[_File]
) -> tuple[_File, frozenset[str], list[ConfigFault]]:
    """Return the valid sections, the names of the invalid ones, and every mistake in them.

    The returned object has no attribute for an invalid section. Only `constraints.violations` may use it then.
    """
    fields = kind.model_fields
    currency = raw.get("currency")
    known = isinstance(currency, str) and currency in MINOR_UNIT_EXPONENT
    # With an unknown currency, amounts are checked as euro, so that their own mistakes are reported too.
    context = {"currency": currency if known else "EUR"}
    valid: dict[str, Any] = {}
    faults = [_unknown_key((key,), kind, source) for key in raw if key not in fields]
    for name, field in fields.items():
        if name not in raw:
            if field.is_required():
                faults.append(ConfigFault(source, name, "nothing", _allowed(field)))
            else:
                valid[name] = field.get_default(call_default_factory=True)
            continue
        try:
            valid[name] = _adapter(kind, name).validate_python(raw[name], context=context)
        except ValidationError as error:
            faults += [_fault((name, *each["loc"]), each, source, kind) for each in error.errors(include_url=False)]
    return kind.model_construct(**valid), frozenset(fields.keys() - valid.keys()), faults


@cache
def _adapter(model: type[Section], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = field.annotation
    return TypeAdapter(Annotated[kind, *field.metadata] if field.metadata else kind)


def _fault(at: tuple[str | int, ...], error: ErrorDetails, source: str, kind: type[Section]) -> ConfigFault:
    at = tuple(part for part in at if part != "[key]")
    model, field = _field(at, kind)
    if error["type"] == "extra_forbidden":
        return _unknown_key(at, model, source)
    missing = error["type"] == "missing"
    allowed = error["msg"] if error["type"] == "not_allowed" else _allowed(field)
    return ConfigFault(source, field_path(at), "nothing" if missing else quote_value(error["input"]), allowed)


def _unknown_key(at: tuple[str | int, ...], model: type[BaseModel], source: str) -> ConfigFault:
    known, key = list(model.model_fields), str(at[-1])
    close = get_close_matches(key[:60], known, n=1)
    meant = f"did you mean “{close[0]}”? " if close else ""
    return ConfigFault(source, field_path(at), "an unknown field", f"{meant}known here: {', '.join(known)}")


def _field(at: tuple[str | int, ...], kind: type[Section]) -> tuple[type[BaseModel], FieldInfo | None]:
    """Follow a path from the top of the file. Return the last model on it and the last field with a name."""
    model: type[BaseModel] = kind
    field: FieldInfo | None = None
    inside: Any = kind
    for part in at:
        if NoneType in get_args(inside):  # an optional table
            inside = get_args(inside)[0]
        if isinstance(inside, type) and issubclass(inside, BaseModel):
            model = inside
            field = model.model_fields.get(str(part))
            inside = field.annotation if field else None
        else:  # list[item] or dict[key, item]
            inside = next(reversed(get_args(inside)), None)
    return model, field


def _allowed(field: FieldInfo | None) -> str:
    if field is None:
        return _TABLE
    return next(
        (each.allowed for each in field.metadata if isinstance(each, FieldCheck | FieldSchema)),
        field.description or _TABLE,
    )
