"""Rules of the gallery: what a place on somebody's picture costs and who gets it (FEATURES C22), what a board gives (C17)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from pydantic import Field, model_validator

from civitas.domains.buzz.economy.rule_types import Buzz, Rules, Share
from civitas.domains.buzz.types import Currency

# More than half for saying no would make declining a trade.
MOST_FOR_DECLINING: Final = Decimal("0.5")


class PriceCap(Rules):
    """From this creator score on, the most that a place may cost, by the owner's membership."""

    score: int = Field(ge=0)
    most: Mapping[str, Buzz]


class GiftBoard(Rules):
    """What a collection that is a board gives for an entry that was accepted, out of its owner's purse."""

    gift: Buzz = Field(gt=0)
    colour: Currency
    most_each_a_day: Buzz
    most_a_day: Buzz
    # An entry leaves the board after so many days.
    days: int = Field(gt=0)

    @model_validator(mode="after")
    def _holds(self) -> GiftBoard:
        if not self.gift <= self.most_each_a_day <= self.most_a_day:
            raise ValueError("a gift is at most what one person gets in a day, and that at most what all do")
        return self


class Placements(Rules):
    """What is placed on other people's pictures. Shares are of the price."""

    expire_hours: int = Field(gt=0, le=30 * 24)
    # What was paid is kept so long before it is shared out; should the owner take the thing away, it goes back.
    settle_hours: int = Field(ge=0, le=30 * 24)
    decline_share: Share
    platform_share: Share
    most_seller_share: Share
    least_price: Buzz
    suggested_price: Buzz
    most_shown: int = Field(gt=0, le=200)
    most_waiting: int = Field(gt=0)
    caps: tuple[PriceCap, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds(self) -> Placements:
        if self.platform_share + self.most_seller_share > 1:
            raise ValueError("the platform and a seller together get more than was paid")
        if self.decline_share > MOST_FOR_DECLINING:
            raise ValueError("declining may cost at most half of the price")
        scores = [cap.score for cap in self.caps]
        if scores[0] != 0 or scores != sorted(set(scores)):
            raise ValueError("price caps begin at the score 0 and rise")
        if any("free" not in cap.most for cap in self.caps):
            raise ValueError("each price cap says what it is for the tier free")
        least = min(amount for cap in self.caps for amount in cap.most.values())
        if not 0 < self.least_price <= self.suggested_price <= least:
            raise ValueError(
                "the least price is above zero, the suggested one not below it, and no cap below that"
            )
        return self
