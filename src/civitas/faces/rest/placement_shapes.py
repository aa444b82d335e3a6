"""What placements are over the API."""

from __future__ import annotations

from datetime import datetime

from fastapi import Request
from pydantic import Field

from civitas.domains.buzz.types import Currency
from civitas.domains.gallery.placements import reading, spaces
from civitas.domains.gallery.placements.reading import Offer
from civitas.domains.gallery.placements.types import (
    LEAST_SCALE,
    LONGEST_REASON,
    MOST_SCALE,
    MOST_TURN,
    WHOLE,
    Openness,
    Status,
    Surface,
)
from civitas.faces.http.links import base_url
from civitas.faces.http.portraits import portrait
from civitas.faces.rest.shapes import Answer, Body
from civitas.kit import money

Amount = int | float


class StickerShown(Answer):
    """A sticker that you may place: by its word. `image` is null for those that the site draws."""

    word: str
    name: str
    image: str | None
    # Hundredths of the price that its maker asks for.
    maker_share: int


class PlacedThing(Answer):
    """Something on a picture. A sticker has a place: `x` and `y` from 0 to 1, `scale` 1 as usual, degrees."""

    id: int
    kind: Surface
    name: str
    sticker: str | None
    image: str | None
    remix_id: int | None
    placed_by: str
    x: float
    y: float
    scale: float
    rotation: int


class PlacementPurse(Answer):
    """A colour that may pay, and what you have of it."""

    colour: Currency
    balance: Amount


class PlacementQuote(Answer):
    """What it takes to place something, and what becomes of the Buzz. Amounts in Buzz."""

    kind: Surface
    owner: str
    mode: Openness
    price: Amount
    owner_part: Amount
    platform_part: Amount
    decline_fee: Amount
    expire_hours: int
    settle_hours: int
    purses: list[PlacementPurse]


class PlacementOffer(Answer):
    """An offer, for its placer and its owner. Amounts in Buzz."""

    id: int
    kind: Surface
    status: Status
    image_id: int
    sticker: str | None
    remix_id: int | None
    name: str
    placed_by: str
    owner: str
    x: float
    y: float
    scale: float
    rotation: int
    colour: Currency
    price: Amount
    owner_part: Amount
    decline_fee: Amount
    created_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    settles_at: datetime | None
    removed_by: str | None
    reason: str


class PlacementOffers(Answer):
    """A page of offers."""

    items: list[PlacementOffer]
    next_cursor: str | None


class PlacementSet(Answer):
    """What is set in one place (null leaves it to the next), and what holds."""

    kind: Surface
    mode: Openness | None
    price: Amount | None
    inherited_mode: Openness
    inherited_price: Amount | None


class PlacementSpaceShown(Answer):
    """What may be placed, and the most that may be asked for now."""

    spaces: list[PlacementSet]
    highest_price: Amount


class WantedPlacement(Body):
    """A sticker by its word and its place, or one's remix. `price` other than the one that stands refuses it."""

    sticker: str | None = Field(default=None, max_length=40)
    remix_id: int | None = Field(default=None, gt=0, lt=2**62)
    colour: Currency = Currency.YELLOW
    price: Amount | None = None
    x: float = Field(default=0.5, ge=0, le=1)
    y: float = Field(default=0.5, ge=0, le=1)
    scale: float = Field(default=1, ge=LEAST_SCALE / 100, le=MOST_SCALE / 100)
    rotation: int = Field(default=0, ge=-MOST_TURN, le=MOST_TURN)


class PlacementReason(Body):
    """Why; staff have to say."""

    reason: str = Field(default="", max_length=LONGEST_REASON)


class WantedSpace(Body):
    """What may be placed; null leaves it to the post, or to the account."""

    mode: Openness | None = None
    price: Amount | None = None


class WantedSpaces(Body):
    """What is left out stays."""

    sticker: WantedSpace | None = None
    remix: WantedSpace | None = None


def space_told(found: spaces.Settings) -> PlacementSpaceShown:
    """The settings of a place for the wire."""
    return PlacementSpaceShown(
        spaces=[
            PlacementSet(
                kind=surface,
                mode=found.own[surface].mode,
                price=_amount(found.own[surface].price),
                inherited_mode=found.inherited[surface].mode,
                inherited_price=_amount(found.inherited[surface].price),
            )
            for surface in Surface
        ],
        highest_price=money.as_number(found.cap),
    )


def offer_told(one: Offer) -> PlacementOffer:
    """An offer for the wire."""
    row, spot = one.row, reading.spot_of(one.row)
    return PlacementOffer(
        id=row.id,
        kind=Surface(row.surface),
        status=Status(row.status),
        image_id=row.image_id,
        sticker=word_of(row.sticker, row.cosmetic_id),
        remix_id=row.remix_id,
        name=one.name,
        placed_by=one.placer,
        owner=one.owner,
        x=spot.x / WHOLE,
        y=spot.y / WHOLE,
        scale=spot.scale / 100,
        rotation=spot.rotation,
        colour=Currency(row.colour),
        price=money.as_number(row.price),
        owner_part=money.as_number(row.price - row.platform_part - row.seller_part),
        decline_fee=money.as_number(row.decline_fee),
        created_at=row.created_at,
        expires_at=row.expires_at,
        answered_at=row.answered_at,
        settles_at=row.settles_at,
        removed_by=row.removed_by,
        reason=row.reason,
    )


def word_of(key: str | None, cosmetic_id: int | None) -> str | None:
    """How a sticker is named; None for a remix."""
    return key or (f"c{cosmetic_id}" if cosmetic_id is not None else None)


def _amount(quarters: int | None) -> Amount | None:
    return None if quarters is None else money.as_number(quarters)


def artwork(request: Request, key: str | None) -> str | None:
    """The address of a sticker's artwork; None for what the site draws."""
    path = portrait(key, 320)
    return base_url(request) + path if path else None
