"""What Buzz costs, and what comes on top of it (FEATURES I7, I9)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import Economy, TierRules, quarters
from civitas.domains.buzz.types import Currency
from civitas.kit import money
from civitas.kit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Quote:
    """An offer: quarters of Buzz and cents. `bonus` is of the colour bought, `blue` is blue."""

    colour: Currency
    pack: str | None
    buzz: int
    bonus: int
    blue: int
    cents: int
    fee_cents: int

    @property
    def total_cents(self) -> int:
        """What is paid in all."""
        return self.cents + self.fee_cents

    @property
    def total(self) -> int:
        """Quarters that arrive in all, of both colours."""
        return self.buzz + self.bonus + self.blue


def cents_for(buzz: int, rules: Economy | None = None) -> int:
    """The price in cents of so many quarters, rounded up."""
    per_dollar = (rules or economy.current()).money.buzz_per_dollar * money.QUARTERS
    return -(-buzz * 100 // per_dollar)


def quote(
    tier: TierRules,
    *,
    colour: Currency,
    fee_cents: int = 0,
    pack: str | None = None,
    buzz: int | None = None,
) -> Quote:
    """The offer for a pack by its key, or for `buzz` quarters, to a member of `tier`.

    Raises Invalid: `no_such_pack`, `bad_amount` for less or more than may be bought at once, `not_for_sale` for a
    colour that is not sold.
    """
    rules = economy.current()
    if not rules.colours[colour].purchasable:
        raise Invalid(f"{rules.colours[colour].label} Buzz is not sold.", code="not_for_sale")
    if (pack is None) == (buzz is None):
        raise Invalid("Choose a pack, or give an amount of Buzz.", code="no_amount")
    if pack is not None:
        found = next((one for one in rules.packs if one.key == pack), None)
        if found is None:
            raise Invalid("This pack is not offered any more; choose another one.", code="no_such_pack")
        base, cents = quarters(found.buzz), found.price_cents
    else:
        base = buzz or 0
        cents = cents_for(base, rules)
        _check_bounds(cents, rules)
    bulk = max(
        (step.multiplier for step in rules.bulk_bonuses if quarters(step.least) <= base), default=Decimal(1)
    )
    bonus = _part(base, tier.purchase_multiplier - 1)
    blue = _part(base, max(Decimal(0), bulk - tier.purchase_multiplier))
    return Quote(colour, pack, base, bonus, blue, cents, fee_cents)


def _check_bounds(cents: int, rules: Economy) -> None:
    least, most = rules.money.smallest_purchase_cents, rules.money.largest_purchase_cents
    if not least <= cents <= most:
        rate = rules.money.buzz_per_dollar
        told = f"Buy between {least * rate // 100:,} and {most * rate // 100:,} Buzz at once."
        raise Invalid(told, code="bad_amount", fields={"buzz": told})


def _part(base: int, share: Decimal) -> int:
    return int(base * share)
