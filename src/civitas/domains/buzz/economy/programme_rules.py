"""The rules of the creator programme and of the creator's score."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pydantic import Field, model_validator

from civitas.domains.buzz.economy.rule_types import Buzz, Cents, Limit, Multiplier, Rules, Share
from civitas.domains.buzz.types import EntryType


class Score(Rules):
    """What each fact adds to a creator's score (FEATURES A15)."""

    model_review: int = Field(ge=0)
    model_download: int = Field(ge=0)
    model_generation: int = Field(ge=0)
    article_view: int = Field(ge=0)
    article_comment: int = Field(ge=0)
    article_reaction: int = Field(ge=0)
    image_comment: int = Field(ge=0)
    image_reaction: int = Field(ge=0)
    follower: int = Field(ge=0)
    report_upheld: int = Field(ge=0)
    report_against: int = Field(le=0)


class BankCap(Rules):
    """How much a tier may bank in a month (FEATURES J4)."""

    best_month_factor: Multiplier
    most: Limit


class FeeStep(Rules):
    """The rate of a fee from an amount on; only what lies above is charged at it."""

    least: Buzz = Field(alias="from")
    rate: Share


class Pool(Rules):
    """How the month's pool is made (FEATURES J6)."""

    taxes: Share
    portion: Share
    fallback_cents: Cents
    income_types: tuple[EntryType, ...]


class PayoutFee(Rules):
    """What a way of paying out costs."""

    cents: Cents = 0
    share: Share = Decimal(0)


class Withdrawals(Rules):
    """Cash out (FEATURES J7)."""

    least_cents: Cents
    clears_after_days: int = Field(gt=0)
    fees: Mapping[str, PayoutFee]


class Programme(Rules):
    """The creator programme (FEATURES J). `earning_months` is how far back the best month is looked for."""

    score: int
    tiers: tuple[str, ...]
    least_bank: Buzz
    extraction_days: int = Field(gt=0, lt=28)
    extraction_closes_hours_before: int = Field(ge=0, lt=24)
    settles_on_day: int = Field(ge=1, le=28)
    cap_floor: Buzz
    most_cents_per_1000: Cents
    earning_months: int = Field(gt=0, le=60)
    earning_types: tuple[EntryType, ...]
    notice_hours: int = Field(gt=0, le=168)
    caps: Mapping[str, BankCap]
    extraction_fees: tuple[FeeStep, ...]
    pool: Pool
    withdrawals: Withdrawals

    @model_validator(mode="after")
    def _belongs_together(self) -> Programme:
        steps = [step.least for step in self.extraction_fees]
        if not steps or steps[0] != 0 or steps != sorted(set(steps)):
            raise ValueError("the steps of the extraction fee begin with 0 and rise")
        if set(self.tiers) - set(self.caps):
            raise ValueError("every tier of the programme needs a cap")
        return self
