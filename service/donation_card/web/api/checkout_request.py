"""Parse the body of `POST /v1/checkout-sessions`: JSON from the script of the donation form, or the plain form."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from donation_card.domain.campaign import Campaign
from donation_card.domain.money import Money, parse_amount
from donation_card.domain.ways_to_give import WayKind
from donation_card.errors import Invalid
from donation_card.web.http.request_body import MAX_FORM_BYTES, parse_form, read_body
from donation_card.web.presentation.translations import Translations

CUSTOM_AMOUNT = "custom"
"""Value of the form field `amount` if the donor typed an amount into `custom_amount`."""


class CheckoutRequest(BaseModel):
    """The JSON body."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    has_javascript: ClassVar = True
    return_url: ClassVar = ""
    way: ClassVar = WayKind.CARD.value

    form_token: str = Field(min_length=1, max_length=600)
    amount: str = Field(min_length=1, max_length=40)
    ui_mode: Literal["embedded", "hosted"] = "embedded"
    replaces_session: str = Field(default="", max_length=600)
    lang: str = Field(default="", max_length=100)
    cover_fee: bool = False
    proof: str = Field(default="", max_length=2_000)

    def parsed_amount(self, campaign: Campaign, t: Translations) -> Money:
        """Return the amount. Raise Invalid (`amount_*`)."""
        return parse_amount(self.amount, campaign.currency, allow_minor_units=campaign.giving.allow_minor_units)


class CheckoutForm(BaseModel):
    """The form of a browser without JavaScript, which always uses the hosted page. Other fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    has_javascript: ClassVar = False
    ui_mode: ClassVar = "hosted"
    proof: ClassVar = ""

    form_token: str = ""
    amount: str = ""
    custom_amount: str = ""
    way: str = ""
    replaces_session: str = ""
    cover_fee: bool = False
    lang: str = ""
    return_url: str = ""

    def parsed_amount(self, campaign: Campaign, t: Translations) -> Money:
        """Return the amount. Raise Invalid (`amount_*`, `amount_conflict` if two different amounts are given)."""
        minor_units, typed = campaign.giving.allow_minor_units, self.custom_amount.strip()
        if self.amount in {"", CUSTOM_AMOUNT}:
            return parse_amount(typed, campaign.currency, allow_minor_units=minor_units)
        amount = parse_amount(self.amount, campaign.currency, allow_minor_units=minor_units)
        if typed and parse_amount(typed, campaign.currency, allow_minor_units=minor_units) != amount:
            raise Invalid("amount_conflict", chosen=t.format_money(amount), given=typed[:40])
        return amount


async def read_checkout_request(request: Request) -> CheckoutRequest | CheckoutForm:
    """Read and parse the body. Raise Invalid, TooLarge, and HTTPException for another media type."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return parse_json(await read_body(request.scope, request.receive, MAX_FORM_BYTES))
    if media_type == "application/x-www-form-urlencoded":
        fields = parse_form(await read_body(request.scope, request.receive, MAX_FORM_BYTES))
        by_card = fields.get("way", "") in ("", WayKind.CARD.value)  # other ways send the box of the card, too
        return CheckoutForm.model_validate({**fields, "cover_fee": by_card and fields.get("cover_fee") == "on"})
    raise HTTPException(415)


def parse_json(body: bytes) -> CheckoutRequest:
    try:
        return CheckoutRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:60] or "body"
        raise Invalid(field=field, reason=first["msg"][:120]) from error
