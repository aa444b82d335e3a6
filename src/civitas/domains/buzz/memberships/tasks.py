"""What memberships do by themselves, and what they ask of payment providers."""

from __future__ import annotations

import structlog

from civitas.domains.buzz.memberships import checkouts, mirror, months, provider_facts, turning
from civitas.domains.buzz.memberships.messages import MirrorSubscription, StopSubscription
from civitas.infra.payments.port import PaymentProvider, Providers
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles
from civitas.kit import clock
from civitas.kit.errors import Fault

log = structlog.get_logger(__name__)


@every("5m")
async def turn_memberships(context: TaskContext) -> None:
    """End, renew or begin what is due of memberships, each in a transaction of its own."""
    last = 0
    while True:
        async with context.reading() as session:
            due = await turning.due(session, after=last)
        for membership_id in due:
            async with context.unit() as session:
                await turning.turn(session, membership_id)
        if len(due) < turning.BATCH:
            break
        last = due[-1]
    last = 0
    while True:
        async with context.reading() as session:
            people = await turning.waiting(session, after=last)
        for person_id in people:
            async with context.unit() as session:
                await turning.take_turns(session, person_id)
        if len(people) < turning.BATCH:
            return
        last = people[-1]


@every("5m")
async def deliver_membership_buzz(context: TaskContext) -> None:
    """Pay or unlock the Buzz of every month that is due."""
    while True:
        async with context.unit() as session:
            if await months.deliver_due(session) < months.BATCH:
                return


@every("1h")
async def remind_members(context: TaskContext) -> None:
    """Say in time what will be charged or will end, and close orders that nobody paid."""
    while True:
        async with context.unit() as session:
            if await turning.remind(session) < turning.BATCH:
                break
    async with context.unit() as session:
        await turning.expire_orders(session)


@handles(MirrorSubscription, attempts=20, timeout_s=120)
async def mirror_subscription(message: MirrorSubscription, context: TaskContext) -> None:
    """Have the provider charge what was agreed here; where it knows of no agreement any more, nothing renews here."""
    async with context.reading() as session:
        wanted = await mirror.wanted(session, message.membership_id)
    providers = context.port(Providers)
    if wanted is None or wanted.provider not in providers.known:
        return
    refused: str | None = None
    try:
        over = await _mirrored(providers.get(wanted.provider), wanted)
    except Fault as fault:
        if fault.kind == "unavailable":
            raise
        log.error("buzz.membership.refused", membership=message.membership_id, told=fault.message)
        over = fault.kind == "not_found"
        refused = None if over else fault.message
    async with context.unit() as session:
        await mirror.note(session, message.membership_id, refused=refused)
        if over:
            await provider_facts.stopped(session, provider=wanted.provider, subscription=wanted.subscription)


async def _mirrored(provider: PaymentProvider, wanted: mirror.Wanted) -> bool:
    """Tell the provider; whether the agreement is over there."""
    standing = await provider.subscription(wanted.subscription)
    if standing.status == "cancelled":
        return True
    if wanted.ends:
        await provider.cancel(wanted.subscription)
        return False
    if standing.cancels_at_period_end:
        await provider.resume(wanted.subscription)
    if wanted.next_at > clock.now():
        await provider.change(
            wanted.subscription,
            cents=wanted.cents,
            title=wanted.title,
            interval=wanted.interval,
            next_at=wanted.next_at,
        )
    return False


@handles(StopSubscription, attempts=20, timeout_s=120)
async def stop_subscription(message: StopSubscription, context: TaskContext) -> None:
    """End an agreement at its provider now; one that it does not know is over already."""
    providers = context.port(Providers)
    if message.provider not in providers.known or not mirror.named(message.subscription):
        return
    try:
        await providers.get(message.provider).cancel(message.subscription, at_period_end=False)
    except Fault as fault:
        if fault.kind != "not_found":
            raise


@every("*/10 * * * *")
async def look_at_membership_orders(context: TaskContext) -> None:
    """Ask providers about orders that wait, in case a webhook was lost."""
    async with context.reading() as session:
        waiting = await checkouts.unpaid(session)
    providers = context.port(Providers)
    for order_id, name, reference, renews in waiting:
        if name not in providers.known:
            continue
        try:
            facts = await providers.get(name).read(reference)
            if not facts.paid_cents:
                continue
            standing = await providers.get(name).subscription(reference) if renews else None
        except Fault as fault:
            log.warning("buzz.membership.unread", order=str(order_id), provider=name, told=fault.message)
            continue
        async with context.unit() as session:
            subscription = standing.reference if standing is not None else None
            await checkouts.learn(session, order_id, facts, subscription=subscription)
