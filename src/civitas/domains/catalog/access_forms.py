"""What a creator sends to set the terms of a version, and what a buyer or donor sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from civitas.domains.catalog.access_types import Gate
from civitas.domains.catalog.forms import Form, Id
from civitas.kit import money
from civitas.kit.errors import Invalid

HUNDREDTHS = 100


def _amount(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError("an amount of Buzz, such as 50 or 0.25")
    try:
        return money.parse(value)
    except Invalid as fault:
        raise ValueError(fault.message) from None


def _hundredths(value: Decimal) -> Decimal:
    if value * HUNDREDTHS % 1:
        raise ValueError("a fee comes in steps of 0.01 Buzz")
    return value


# An amount of Buzz as it is sent, in quarters as it is kept.
Quarters = Annotated[int, BeforeValidator(_amount)]
FeeAmount = Annotated[
    Decimal, Field(gt=0, le=10**6, allow_inf_nan=False, max_digits=9), AfterValidator(_hundredths)
]


class TermsForm(Form):
    """All terms of a version: what is left out is off. Amounts are in Buzz.

    `rightsAffirmation` is the hash of the sentence that the creator agrees to; a licence fee needs it.
    """

    gate: Gate = Gate.NONE
    days: Annotated[int, Field(ge=1, le=365)] | None = None
    download_price: Quarters | None = None
    generation_price: Quarters | None = None
    trial_generations: Annotated[int, Field(ge=0, le=10**6)] | None = None
    accepts_blue: bool = False
    donation_goal: Quarters | None = None
    hide_goal: bool = False
    licence_fee: FeeAmount | None = None
    licence_fee_images: Annotated[int, Field(ge=1, le=1000)] = 1
    licensing_source_version_id: Id | None = None
    rights_affirmation: Annotated[str, Field(max_length=64)] | None = None

    @property
    def fee_hundredths(self) -> int | None:
        """The licence fee in hundredths of a Buzz."""
        return None if self.licence_fee is None else int(self.licence_fee * HUNDREDTHS)


class PurchaseForm(Form):
    """What is bought. `price` is what the buyer was shown: another price is refused, never charged."""

    permission: Literal["Download", "Generate"] = "Download"
    price: Quarters | None = None


class DonationForm(Form):
    """What is given towards a goal, in Buzz."""

    amount: Quarters


class GrantForm(Form):
    """What somebody may do without paying."""

    permission: Literal["Download", "Generate"] = "Download"
