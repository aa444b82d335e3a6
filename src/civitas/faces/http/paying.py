"""Between a purchase and its provider: opening a checkout, taking a webhook in. No transaction is open meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request

from civitas.contracts.payments import Mode, ProviderInfo
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.buying import codes, purchases
from civitas.domains.buzz.buying.codes import CodeKey, Redeemed
from civitas.domains.buzz.buying.tables import Purchase
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import checkouts as membership_checkouts
from civitas.domains.buzz.memberships import orders as membership_orders
from civitas.domains.buzz.memberships.tables import MembershipOrder
from civitas.domains.buzz.payments import notices
from civitas.faces.http.limits import caller_of
from civitas.faces.http.links import base_url, is_safe_site
from civitas.faces.http.state import State, state_of
from civitas.infra.limiting.limiter import Rate
from civitas.kit.errors import Conflict, Invalid

HOUR_S = 3600.0


def ways_to_pay(request: Request, mode: Mode = Mode.PAYMENT) -> tuple[ProviderInfo, ...]:
    """The providers on offer here: the safe twin sells only what can be spent on it (FEATURES N8)."""
    offered = state_of(request).payments.offered(mode)
    if not is_safe_site(request):
        return offered
    spent = economy.current().spend_order["green"]
    return tuple(way for way in offered if way.colour in spent)


def provider_for(request: Request, name: str | None, mode: Mode = Mode.PAYMENT) -> ProviderInfo:
    """The provider that was chosen, or the only one. Raises Invalid (`no_provider`), Conflict, Unavailable."""
    offered = ways_to_pay(request, mode)
    if not offered:
        raise Conflict("This site takes no payments by itself; ask its staff.", code="provider_not_offered")
    if not name:
        if len(offered) > 1:
            raise Invalid("Choose how to pay.", code="no_provider", fields={"provider": "Choose how to pay."})
        return offered[0]
    chosen = state_of(request).payments.get(name).info
    if mode not in chosen.modes or chosen not in offered:
        raise Invalid(
            f"{chosen.label} cannot pay for this; choose another way.",
            code="provider_not_offered",
            fields={"provider": "Choose another way."},
        )
    return chosen


async def open_checkout(request: Request, purchase: Purchase) -> Purchase:
    """Where a new purchase is paid; asking again gives the same checkout. Raises Unavailable, Invalid."""
    if purchase.reference is not None or purchase.state != "created":
        return purchase
    state = state_of(request)
    order = purchases.order_for(purchase, base_url(request))
    checkout = await state.payments.get(purchase.provider).checkout(order)
    async with state.database.unit() as session:
        return await purchases.opened(session, purchase_id=purchase.id, checkout=checkout)


async def open_membership_checkout(request: Request, order: MembershipOrder) -> str:
    """The address where a membership's order is paid; asking again gives the same. Raises Unavailable, Invalid.

    An order of nothing, an upgrade that credit pays for, is settled at once and leads back to the memberships.
    """
    state = state_of(request)
    asked = membership_checkouts.order_for(order, base_url(request))
    if order.cents == 0:
        async with state.database.unit() as session:
            await membership_orders.settle(session, order.id, reference="credit", cents=0)
        return asked.return_url
    checkout = await state.payments.get(order.provider).checkout(asked)
    async with state.database.unit() as session:
        await membership_checkouts.opened(session, order_id=order.id, checkout=checkout)
    return checkout.url


async def take_in(state: State, provider: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Check a webhook and record it for processing; False for a repetition. Raises Forbidden, Invalid, Unavailable."""
    notice = await state.payments.get(provider).verify(headers, body)
    async with state.database.unit() as session:
        return await notices.record(session, provider=provider, notice=notice, body=body)


async def redeem_code(request: Request, actor: Actor, code: str) -> Redeemed:
    """Count the try, then take what the code gives. Raises Limited, and as `codes.redeem`."""
    actor.require(Scope.USER_WRITE)
    state = state_of(request)
    tries = Rate("codes", economy.current().codes.tries_per_hour, HOUR_S)
    await state.limiter.take(tries, caller_of(request))
    async with state.database.unit() as session:
        return await codes.redeem(session, actor, CodeKey.derived(state.secret), code=code)
