"""How what is paid for a place is shared. Pure; amounts in quarters."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from civitas.domains.buzz.economy.placement_rules import Placements


@dataclass(frozen=True, slots=True)
class Parts:
    """What becomes of a price when the offer is approved, and of it the fee when it is declined."""

    price: int
    platform: int
    seller: int
    decline_fee: int

    @property
    def owner(self) -> int:
        """What the owner gets: all that nobody else does, so that the parts are the price whatever divides."""
        return self.price - self.platform - self.seller

    @property
    def principal(self) -> int:
        """What comes back when the offer is declined."""
        return self.price - self.decline_fee


def share(price: int, rules: Placements, *, seller_share: Decimal = Decimal(0)) -> Parts:
    """The parts of a price; a seller gets at most what the rules allow. A fee for declining is never nothing."""
    sellers = int(price * min(seller_share, rules.most_seller_share))
    fee = max(1, int(price * rules.decline_share)) if rules.decline_share else 0
    return Parts(price, int(price * rules.platform_share), sellers, fee)
