"""What memberships cost, and what a change of one costs: pure arithmetic in whole cents and quarters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import TierRules, quarters
from civitas.domains.buzz.memberships.tables import Membership
from civitas.domains.buzz.memberships.types import RECURRING, Billing
from civitas.kit import money, months
from civitas.kit.errors import Invalid

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Quote:
    """What choosing a tier means: what is charged now, what the next period costs and when it begins.

    `start` has nothing before it; `upgrade` begins a new period at once, with credit for what is left of the old
    one; `later` takes effect when the present period ends and costs nothing now; `same` changes nothing.
    """

    kind: Literal["start", "upgrade", "later", "same"]
    tier: TierRules
    billing: Billing
    price_cents: int
    credit_cents: int
    due_cents: int
    effective_at: datetime
    renews_at: datetime
    # Quarters that come with the first month; an upgrade's are less by what is left of the month's Buzz.
    first_buzz: int


def offered_tier(key: str) -> TierRules:
    """The rules of a tier that can be bought. Raises Invalid (`no_such_tier`)."""
    rules = economy.current()
    if rules.rank(key) < 1 or not rules.tier(key).offered:
        raise Invalid(
            "There is no such membership to buy; choose one of those on the page.",
            code="no_such_tier",
            fields={"tier": "Choose a membership."},
        )
    return rules.tier(key)


def price(tier: TierRules, billing: Billing) -> int:
    """Cents of a period."""
    return tier.yearly_cents if billing is Billing.ANNUAL else tier.price_cents


def prepaid_price(tier: TierRules, count: int) -> int:
    """Cents of `count` months in advance; each twelve cost what a year costs."""
    years, rest = divmod(count, 12)
    return years * tier.yearly_cents + rest * tier.price_cents


def perks_price(tier: TierRules) -> int:
    """Quarters of a month of perks (FEATURES I85): dollars x Buzz a dollar x a factor."""
    rules = economy.current()
    worth = tier.price_cents * rules.money.buzz_per_dollar * rules.memberships.perks_month_factor / 100
    return int(worth * money.QUARTERS)


def credit(membership: Membership, now: datetime) -> int:
    """Cents of the present period's price that are not used up, rounded down."""
    start, end = membership.period_start, membership.period_end
    left = max(end - max(now, start), timedelta(0))
    return membership.period_cents * (left // _TICK) // ((end - start) // _TICK)


def unused(amount: int, start: datetime, end: datetime, now: datetime) -> int:
    """The part of a month's Buzz that falls on the rest of the month, rounded down."""
    left = max(end - max(now, start), timedelta(0))
    return amount * (left // _TICK) // ((end - start) // _TICK)


def quote(
    running: Membership | None,
    *,
    tier: TierRules,
    billing: Billing,
    now: datetime,
    month_left: int = 0,
) -> Quote:
    """What it means to choose `tier` while `running` (of the same colour) runs.

    `month_left` is the unused part of the running month's Buzz. A higher tier, and a year in place of a month,
    begin at once; everything else waits for the end of what is paid.
    """
    if billing not in RECURRING:
        raise Invalid("Choose monthly or yearly.", code="bad_billing", fields={"billing": "Choose one."})
    cost, monthly = price(tier, billing), quarters(tier.monthly_buzz)
    if running is None or running.billing not in RECURRING:
        return Quote("start", tier, billing, cost, 0, cost, now, months.later(now, billing.months), monthly)
    same = (running.tier, running.billing) == (tier.key, billing.value)
    back = credit(running, now)
    if not same and _upgrades(running, tier, billing) and back <= cost:
        return Quote(
            "upgrade",
            tier,
            billing,
            cost,
            back,
            cost - back,
            now,
            months.later(now, billing.months),
            max(0, monthly - month_left),
        )
    end = running.period_end
    after = months.later(running.anchor_at, running.anchor_months + billing.months)
    return Quote("same" if same else "later", tier, billing, cost, 0, 0, end, after, monthly)


def _upgrades(running: Membership, tier: TierRules, billing: Billing) -> bool:
    rank = economy.current().rank
    if running.billing == Billing.ANNUAL and billing is Billing.MONTHLY:
        return False
    ranks = rank(tier.key), rank(running.tier)
    return ranks[0] > ranks[1] or (ranks[0] == ranks[1] and running.billing == Billing.MONTHLY)
