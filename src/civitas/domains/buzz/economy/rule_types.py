"""What every part of `economy.toml` is made of: amounts, shares, limits, and tables that refuse unknown names."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from civitas.kit import money

UNLIMITED = -1


def _quarter(amount: Decimal) -> Decimal:
    if amount * money.QUARTERS % 1:
        raise ValueError("an amount of Buzz comes in steps of 0.25")
    return amount


Buzz = Annotated[Decimal, Field(ge=0, le=10**12), AfterValidator(_quarter)]
Cents = Annotated[int, Field(ge=0, le=10**12)]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Multiplier = Annotated[Decimal, Field(ge=1, le=100)]
Limit = Annotated[int, Field(ge=UNLIMITED)]


def quarters(amount: Decimal) -> int:
    """A rule's amount of Buzz in the ledger's quarters."""
    return int(amount * money.QUARTERS)


class Rules(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
