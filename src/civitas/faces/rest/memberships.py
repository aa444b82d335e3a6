"""Memberships over the API: tiers, one's own, orders, changes, months of Buzz, perks for Buzz, gifts."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.payments import Mode
from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import months, orders, queries, wishes
from civitas.domains.buzz.memberships.tables import Membership
from civitas.domains.buzz.memberships.types import Billing
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import absolute
from civitas.faces.http.paying import open_membership_checkout, provider_for, ways_to_pay
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.membership_shapes import (
    Change,
    Claim,
    Month,
    NewOrder,
    OwnMemberships,
    OwnOrder,
    Paid,
    Payments,
    PayWay,
    Perks,
    PerksWish,
    Queued,
    Renewing,
    Standing,
    Tiers,
    Told,
    month_shown,
    order_shown,
    queued_shown,
    standing_shown,
    tier_shown,
)
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import money, paging
from civitas.kit.ids import new_uuid

router = APIRouter(prefix="/memberships", tags=["Memberships"], dependencies=[CheckedForm])

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


@router.get("/tiers", operation_id="listMembershipTiers", summary="List The Memberships On Offer")
async def tiers(request: Request) -> Tiers:
    """What each tier costs and gives, Free first, and the ways to pay; open to everybody."""
    rules = economy.current()
    renewing = {way.key for way in ways_to_pay(request, Mode.SUBSCRIPTION)}
    every = {way.key: way for mode in Mode for way in ways_to_pay(request, mode)}
    return Tiers(
        tiers=[tier_shown(tier) for tier in rules.tiers if tier.offered],
        providers=[
            PayWay(
                key=way.key,
                label=way.label,
                colour=way.colour,
                fee_cents=way.fee_cents,
                renews=way.key in renewing,
            )
            for way in every.values()
        ],
        prepaid_months=list(rules.memberships.prepaid_months),
        gift_months=list(rules.memberships.gift_months),
    )


@router.get("", operation_id="getMyMemberships", summary="Get My Memberships")
async def mine(actor: Owner, session: Reading) -> OwnMemberships:
    """What runs, what waits its turn, and the Buzz of months that was not taken yet."""
    found = await queries.of_person(session, actor.require(Scope.USER_READ))
    return OwnMemberships(
        tier=found.holds.key,
        ends_at=found.holds.ends_at,
        running=[standing_shown(run) for run in found.running],
        waiting=[queued_shown(row) for row in found.waiting],
        months=[month_shown(row) for row in found.months],
    )


@router.get("/quote", operation_id="quoteMembership", summary="Ask What A Membership Would Cost")
async def quote(
    request: Request,
    actor: Owner,
    session: Reading,
    tier: Annotated[str, Query(max_length=40)],
    billing: Renewing = "monthly",
    provider: Annotated[str | None, Query(max_length=40)] = None,
) -> Told:
    """What choosing a tier would cost now and later, less what is left of the present period."""
    actor.require(Scope.USER_READ)
    way = provider_for(request, provider, Mode.SUBSCRIPTION)
    told, _ = await orders.quote(session, actor, tier=tier, billing=Billing(billing), colour=way.colour)
    plain = asdict(told) | {"tier": told.tier.key, "billing": told.billing.value}
    return Told(**(plain | {"first_buzz": money.as_number(told.first_buzz)}))


@router.post("/orders", status_code=201, operation_id="orderMembership", summary="Order A Membership")
async def order(request: Request, actor: Writer, body: NewOrder) -> OwnOrder:
    """Set out to pay at `url`. What begins only when the present period ends needs no order: change it instead."""
    actor.require(Scope.USER_WRITE)
    renews = body.billing is not None
    way = provider_for(request, body.provider, Mode.SUBSCRIPTION if renews else Mode.PAYMENT)
    async with state_of(request).database.unit() as session:
        if body.billing is not None:
            made = await orders.subscribe(
                session, actor, tier=body.tier, billing=Billing(body.billing), provider=way.key, colour=way.colour
            )  # fmt: skip
        elif body.to is not None:
            made = await orders.give(
                session, actor, to=body.to, tier=body.tier, months=body.months or 0, provider=way.key,
                colour=way.colour, note=body.note, fee_cents=way.fee_cents,
            )  # fmt: skip
        else:
            made = await orders.prepay(
                session, actor, tier=body.tier, months=body.months or 0, provider=way.key, colour=way.colour,
                fee_cents=way.fee_cents,
            )  # fmt: skip
    url = await open_membership_checkout(request, made)
    async with state_of(request).database.reading() as session:
        now = await orders.mine(session, actor, made.id)
    return order_shown(now, absolute(request, url))


@router.get("/orders/{order_id}", operation_id="getMembershipOrder", summary="Get An Order Of A Membership")
async def one_order(actor: Owner, session: Reading, order_id: uuid.UUID) -> OwnOrder:
    """How one's order stands."""
    actor.require(Scope.USER_READ)
    return order_shown(await orders.mine(session, actor, order_id))


@router.patch("/{membership_id}", operation_id="changeMembership", summary="Change A Membership")
async def change(actor: Writer, session: Unit, membership_id: int, body: Change) -> Standing:
    """Cancel it for its period's end, take that back, or go on in another tier from the next period on."""
    if body.tier is not None and body.billing is not None:
        run = await wishes.change_later(
            session, actor, membership_id=membership_id, tier=body.tier, billing=Billing(body.billing)
        )
    elif body.cancel_at_end:
        run = await wishes.cancel(
            session, actor, membership_id=membership_id, reason=body.reason, comment=body.comment
        )
    else:
        run = await wishes.resume(session, actor, membership_id=membership_id)
    return await _now(session, actor.require(), run)


@router.post("/perks", status_code=201, operation_id="buyPerksMonth", summary="Buy A Month Of Perks")
async def perks(actor: Writer, session: Unit, body: PerksWish, key: Key = None) -> Perks:
    """A month of a tier's perks for Buzz. It does not renew, and brings neither Buzz nor a badge."""
    person = actor.require(Scope.USER_WRITE)
    bought = await wishes.buy_perks(session, actor, tier=body.tier, key=f"{person}:{key or new_uuid()}")
    return Perks(
        grant_id=bought.grant_id,
        tier=bought.tier,
        cost=money.as_number(bought.cost),
        started_at=bought.started_at,
    )


@router.post("/months/claim", operation_id="claimMembershipBuzz", summary="Take A Month's Buzz")
async def claim(actor: Writer, session: Unit, body: Claim | None = None) -> Month:
    """Take the Buzz of a month that was paid in advance and is due. Repeating it changes nothing."""
    return month_shown(await months.claim(session, actor, month_id=body.month_id if body else None))


@router.get("/gifts", operation_id="listMembershipGifts", summary="List Gifts Of Memberships")
async def gifts(actor: Owner, session: Reading) -> list[Queued]:
    """What one gave and was given, the newest first."""
    return [queued_shown(row) for row in await queries.gifts(session, actor.require(Scope.USER_READ))]


@router.get("/payments", operation_id="listMembershipPayments", summary="List What I Paid For Memberships")
async def payments(actor: Owner, session: Reading, cursor: Cursor = None) -> Payments:
    """What one paid, the newest first; gifts to others too."""
    found = await queries.history(session, actor.require(Scope.USER_READ), cursor=cursor)
    return Payments(items=[Paid.model_validate(row) for row in found.items], next_cursor=found.next_cursor)


async def _now(session: AsyncSession, person_id: int, changed: Membership) -> Standing:
    found = await queries.of_person(session, person_id)
    return standing_shown(next(run for run in found.running if run.id == changed.id))
