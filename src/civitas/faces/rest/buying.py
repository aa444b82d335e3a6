"""Buying Buzz over the API: packs, prices, purchases, gift cards, codes."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from pydantic import Field

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.buying import purchases
from civitas.domains.buzz.buying.pricing import Quote
from civitas.domains.buzz.buying.tables import Purchase
from civitas.domains.buzz.economy import economy
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import absolute
from civitas.faces.http.paying import open_checkout, provider_for, redeem_code, ways_to_pay
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import money, paging
from civitas.kit.ids import new_uuid

router = APIRouter(prefix="/buzz", tags=["Buzz"], dependencies=[CheckedForm])

Amount = int | float
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


class Way(Answer):
    """A way to pay and the colour that it buys."""

    key: str
    label: str
    told: str
    colour: str
    fee_cents: int


class Offer(Answer):
    """What one gets for what; amounts in Buzz. `bonus` is of the colour bought, `blue` is blue."""

    pack: str | None
    colour: str
    buzz: Amount
    bonus: Amount
    blue: Amount
    cents: int
    fee_cents: int
    total_cents: int


class Card(Answer):
    """A gift card on offer."""

    key: str
    kind: Literal["buzz", "membership"]
    amount: Amount | None = None
    tier: str | None = None
    months: int | None = None
    cents: int


class Shelf(Answer):
    """Everything on sale."""

    providers: list[Way]
    packs: list[Offer]
    gift_cards: list[Card]
    least_cents: int
    most_cents: int
    buzz_per_dollar: int


class Gift(Body):
    """A gift card and to whom its code is mailed."""

    card: str = Field(max_length=60, description="A key of the shelf's `giftCards`.")
    email: str = Field(max_length=320)
    message: str = Field(default="", max_length=2000)


class NewPurchase(Body):
    """One of `pack`, `buzz` and `gift`."""

    provider: str | None = Field(default=None, max_length=40, description="Needed where several are offered.")
    pack: str | None = Field(default=None, max_length=40)
    buzz: Amount | None = Field(default=None, description="An amount of one's own, in Buzz.")
    gift: Gift | None = None


class OwnPurchase(Answer):
    """A purchase; amounts in Buzz. `url` is where it is paid while it waits."""

    id: int
    kind: str
    state: str
    provider: str
    colour: str
    pack: str | None
    buzz: Amount
    bonus: Amount
    blue: Amount
    credited: Amount
    cents: int
    fee_cents: int
    paid_cents: int
    seen_cents: int
    refunded_cents: int
    url: str | None
    refund_url: str | None
    created_at: datetime
    expires_at: datetime | None
    paid_at: datetime | None


class PurchaseList(Answer):
    """A page of purchases."""

    items: list[OwnPurchase]
    next_cursor: str | None


class GivenCode(Body):
    """A code as it is printed; case and dashes do not count."""

    code: str = Field(max_length=60)


class GotForCode(Answer):
    """What a code gave."""

    kind: Literal["buzz", "membership"]
    colour: str | None
    amount: Amount | None
    tier: str | None
    months: int | None


@router.get("/packs", operation_id="listBuzzPacks", summary="List What Is On Sale")
async def packs(request: Request, actor: Owner, session: Reading) -> Shelf:
    """Packs with the bonuses that the caller gets, for every way to pay, and the gift cards."""
    person = actor.require(Scope.BUZZ_READ)
    ways = ways_to_pay(request)
    rules = economy.current()
    offers = [
        _offer(await purchases.quote_for(session, person, way, pack=pack.key))
        for way in ways
        for pack in rules.packs
    ]
    return Shelf(
        providers=[Way.model_validate(way) for way in ways],
        packs=offers,
        gift_cards=[
            Card(**{**card, "amount": money.as_number(card["amount"]) if "amount" in card else None})
            for card in purchases.gift_cards()
        ],
        least_cents=rules.money.smallest_purchase_cents,
        most_cents=rules.money.largest_purchase_cents,
        buzz_per_dollar=rules.money.buzz_per_dollar,
    )


@router.get("/price", operation_id="priceBuzz", summary="Price An Amount")
async def price(
    request: Request,
    actor: Owner,
    session: Reading,
    buzz: Annotated[float, Query(description="How much Buzz.")],
    provider: Annotated[str | None, Query(max_length=40)] = None,
) -> Offer:
    """What an amount of one's own costs, and what comes on top of it."""
    person = actor.require(Scope.BUZZ_READ)
    way = provider_for(request, provider)
    return _offer(
        await purchases.quote_for(session, person, way, buzz=money.parse(_plain(buzz), name="buzz"))
    )


@router.post("/purchases", status_code=201, operation_id="createPurchase", summary="Buy Buzz")
async def create(request: Request, actor: Writer, body: NewPurchase, key: Key = None) -> OwnPurchase:
    """Set out to buy; pay at `url`. The same Idempotency-Key gives the same purchase."""
    person = actor.require(Scope.USER_WRITE)
    way = provider_for(request, body.provider)
    kept = f"purchase:{person}:{key or new_uuid()}"
    async with state_of(request).database.unit() as session:
        if body.gift is not None and body.pack is None and body.buzz is None:
            gift = body.gift
            made = await purchases.begin_gift(
                session, actor, key=kept, provider=way, card=gift.card, email=gift.email, message=gift.message
            )
        else:
            buzz = money.parse(_plain(body.buzz), name="buzz") if body.buzz is not None else None
            pack = body.pack if body.gift is None else None
            made = await purchases.begin(session, actor, key=kept, provider=way, pack=pack, buzz=buzz)
    return _shown(request, await open_checkout(request, made))


@router.get("/purchases", operation_id="listPurchases", summary="List My Purchases")
async def listed(
    request: Request,
    actor: Owner,
    session: Reading,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> PurchaseList:
    """What one bought, the newest first."""
    found = await purchases.mine(session, actor, cursor=cursor)
    return PurchaseList(items=[_shown(request, row) for row in found.items], next_cursor=found.next_cursor)


@router.get("/purchases/{purchase_id}", operation_id="getPurchase", summary="Get A Purchase")
async def one(request: Request, actor: Owner, session: Reading, purchase_id: int) -> OwnPurchase:
    """How a purchase stands."""
    return _shown(request, await purchases.get(session, actor, purchase_id=purchase_id))


@router.delete("/purchases/{purchase_id}", operation_id="cancelPurchase", summary="Give A Purchase Up")
async def give_up(request: Request, actor: Writer, session: Unit, purchase_id: int) -> OwnPurchase:
    """Say that one will not pay; refused once money was seen."""
    return _shown(request, await purchases.give_up(session, actor, purchase_id=purchase_id))


@router.post("/codes/redeem", operation_id="redeemCode", summary="Redeem A Code")
async def redeem(request: Request, actor: Writer, body: GivenCode) -> GotForCode:
    """Take what a code gives. Tries are counted by the hour."""
    worth = (await redeem_code(request, actor, body.code)).worth
    return GotForCode(
        kind="buzz" if worth.kind == "buzz" else "membership",
        colour=worth.colour,
        amount=money.as_number(worth.amount) if worth.amount is not None else None,
        tier=worth.tier,
        months=worth.months,
    )


def _plain(given: float) -> float | int:
    return int(given) if math.isfinite(given) and given == int(given) else given


def _offer(quote: Quote) -> Offer:
    return Offer(
        pack=quote.pack,
        colour=quote.colour,
        buzz=money.as_number(quote.buzz),
        bonus=money.as_number(quote.bonus),
        blue=money.as_number(quote.blue),
        cents=quote.cents,
        fee_cents=quote.fee_cents,
        total_cents=quote.total_cents,
    )


def _shown(request: Request, row: Purchase) -> OwnPurchase:
    amounts = ("buzz", "bonus", "blue", "credited")
    plain = set(OwnPurchase.model_fields) - {*amounts, "url"}
    waits = row.state in ("created", "pending") and row.url
    return OwnPurchase(
        **{name: getattr(row, name) for name in plain},
        **{name: money.as_number(getattr(row, name)) for name in amounts},
        url=absolute(request, row.url) if waits and row.url else None,
    )
