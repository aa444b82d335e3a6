"""The words of memberships on the API: what is sent and what is answered."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from civitas.domains.buzz.economy.rules import TierRules
from civitas.domains.buzz.memberships import terms
from civitas.domains.buzz.memberships.queries import Run, Waiting
from civitas.domains.buzz.memberships.tables import MembershipMonth, MembershipOrder
from civitas.faces.rest.shapes import Answer, Body
from civitas.kit import money

Amount = int | float
Renewing = Literal["monthly", "annual"]


class Tier(Answer):
    """What a tier costs and gives. Money in cents, Buzz in Buzz; -1 is no limit."""

    key: str
    label: str
    price_cents: int
    yearly_cents: int
    perks_month: Amount | None = Field(description="What a month of its perks costs in Buzz.")
    monthly_buzz: Amount
    reward_multiplier: Amount
    purchase_multiplier: Amount
    vault_gb: int
    private_models: int
    images_per_request: int
    queued_requests: int
    support: str
    perks: list[str]


class PayWay(Answer):
    """A way to pay for memberships; `renews` says whether it can pay for what renews by itself."""

    key: str
    label: str
    colour: str
    fee_cents: int
    renews: bool


class Tiers(Answer):
    """Everything on offer."""

    tiers: list[Tier]
    providers: list[PayWay]
    prepaid_months: list[int]
    gift_months: list[int]


class Standing(Answer):
    """A membership that runs. `nextCents` is charged at `periodEnd`; null when nothing is."""

    id: int
    tier: str
    colour: str
    billing: str
    status: str
    provider: str | None
    started_at: datetime
    period_start: datetime
    period_end: datetime
    cancel_at_end: bool
    next_tier: str | None
    next_billing: str | None
    next_cents: int | None


class Queued(Answer):
    """Time that waits its turn, or a gift."""

    id: int
    tier: str
    colour: str
    months: int
    days: int
    source: str
    status: str
    giver: str | None
    recipient: str | None
    note: str
    created_at: datetime
    started_at: datetime | None


class Month(Answer):
    """The Buzz of a month: `locked` until `dueAt`, then `unlocked` and to be claimed."""

    id: int
    membership_id: int
    colour: str
    amount: Amount
    due_at: datetime
    status: str
    claimed_at: datetime | None


class OwnMemberships(Answer):
    """What one has: the tier in force, what runs, what waits, the months of Buzz not taken yet."""

    tier: str
    ends_at: datetime | None
    running: list[Standing]
    waiting: list[Queued]
    months: list[Month]


class Told(Answer):
    """What choosing a tier means: `start` and `upgrade` are paid now, `later` begins when the period ends."""

    kind: Literal["start", "upgrade", "later", "same"]
    tier: str
    billing: str
    price_cents: int
    credit_cents: int
    due_cents: int
    effective_at: datetime
    renews_at: datetime
    first_buzz: Amount


class NewOrder(Body):
    """A membership that renews (`billing`), or months in advance (`months`), for oneself or as a gift (`to`)."""

    tier: str = Field(max_length=40)
    billing: Renewing | None = None
    months: int | None = Field(default=None, ge=1, le=60)
    to: str | None = Field(default=None, min_length=1, max_length=25, description="Whom it is a gift for.")
    note: str = Field(default="", max_length=2000, description="What the recipient reads.")
    provider: str | None = Field(default=None, max_length=40, description="Needed where several are offered.")

    @model_validator(mode="after")
    def _one_kind(self) -> NewOrder:
        if (self.billing is None) == (self.months is None):
            raise ValueError("Say either `billing` or `months`.")
        if self.to is not None and self.months is None:
            raise ValueError("A gift is of `months` in advance.")
        return self


class OwnOrder(Answer):
    """An order. `url` is where it is paid while it waits."""

    id: uuid.UUID
    kind: str
    tier: str
    billing: str
    colour: str
    months: int
    cents: int
    credit_cents: int
    provider: str
    status: str
    url: str | None = None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None


class Change(Body):
    """One wish: `cancelAtEnd`, or another `tier` and `billing` from the next period on."""

    cancel_at_end: bool | None = None
    reason: str = Field(
        default="", max_length=40, description="Why one leaves, a key of the survey, or nothing."
    )
    comment: str = Field(default="", max_length=5000)
    tier: str | None = Field(default=None, max_length=40)
    billing: Renewing | None = None

    @model_validator(mode="after")
    def _one_wish(self) -> Change:
        if (self.cancel_at_end is None) == (self.tier is None and self.billing is None):
            raise ValueError("Say either `cancelAtEnd`, or `tier` and `billing`.")
        if (self.tier is None) != (self.billing is None):
            raise ValueError("Say `tier` and `billing` together.")
        return self


class PerksWish(Body):
    """Which tier's perks to buy for a month."""

    tier: str = Field(max_length=40)


class Perks(Answer):
    """A month of perks; `startedAt` is null while it waits its turn."""

    grant_id: int
    tier: str
    cost: Amount
    started_at: datetime | None


class Claim(Body):
    """Which month's Buzz to take; the oldest that is due when left out."""

    month_id: int | None = None


class Paid(Answer):
    """A payment for a membership, one's own or a gift."""

    id: int
    reason: str
    tier: str
    billing: str
    colour: str
    months: int
    cents: int
    status: str
    provider: str
    period_start: datetime | None
    period_end: datetime | None
    created_at: datetime


class Payments(Answer):
    """A page of payments."""

    items: list[Paid]
    next_cursor: str | None


def tier_shown(tier: TierRules) -> Tier:
    """A tier in the API's words."""
    plain = {name: getattr(tier, name) for name in Tier.model_fields if name != "perks_month"}
    priced = tier.price_cents > 0
    return Tier(
        **(plain | {name: _number(value) for name, value in plain.items() if isinstance(value, Decimal)}),
        perks_month=money.as_number(terms.perks_price(tier)) if priced else None,
    )


def _number(value: Decimal) -> Amount:
    return int(value) if value == int(value) else float(value)


def standing_shown(run: Run) -> Standing:
    """A membership in the API's words."""
    labels = {"tier": run.tier.key, "next_tier": run.next_tier.key if run.next_tier else None}
    plain = {name: getattr(run, name) for name in Standing.model_fields if name not in labels}
    return Standing(**plain, **labels)


def queued_shown(row: Waiting) -> Queued:
    """Time that waits, in the API's words."""
    plain = {name: getattr(row, name) for name in Queued.model_fields if name != "tier"}
    return Queued(**plain, tier=row.tier.key)


def month_shown(row: MembershipMonth) -> Month:
    """A month's Buzz in the API's words."""
    plain = {name: getattr(row, name) for name in Month.model_fields if name != "amount"}
    return Month(**plain, amount=money.as_number(row.quarters))


def order_shown(row: MembershipOrder, url: str | None = None) -> OwnOrder:
    """An order in the API's words; `url` while it waits."""
    found = OwnOrder.model_validate(row)
    found.url = url if row.status == "open" else None
    return found
