"""What the creator programme does by itself, and what it asks of those who pay out."""

from __future__ import annotations

from civitas.domains.buzz.programme import notices as programme_notices
from civitas.domains.buzz.programme import payouts as programme_payouts
from civitas.domains.buzz.programme import pools
from civitas.domains.buzz.programme.messages import PayWithdrawal
from civitas.domains.buzz.programme.types import month_of
from civitas.infra.payouts.port import Payouts
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles
from civitas.kit import clock


@every("*/10 * * * *")
async def run_programme(context: TaskContext) -> None:
    """Whatever the calendar of the creator programme asks for, month by month and batch by batch."""
    async with context.unit() as session:
        months = await pools.months_with_work(session)
    for month in months:
        async with context.unit() as session:
            await pools.plan(session, month)
        for step in (pools.distribute, pools.carry, pools.settle):
            while True:
                async with context.unit() as session:
                    if await step(session, month) == 0:
                        break


@every("30 * * * *")
async def tell_of_phases(context: TaskContext) -> None:
    """Mail what is to be said before a phase of the creator programme ends."""
    for notice in programme_notices.due(month_of(clock.now())):
        while True:
            async with context.unit() as session:
                if await programme_notices.send(session, notice) < programme_notices.BATCH:
                    break


@handles(PayWithdrawal, attempts=20, timeout_s=120)
async def pay_withdrawal(message: PayWithdrawal, context: TaskContext) -> None:
    """Have the provider pay a withdrawal; asked again under the same token it pays once."""
    async with context.reading() as session:
        order = await programme_payouts.order_for(session, message.withdrawal_id)
    if order is None:
        return
    payouts: Payouts = context.port(Payouts)
    answer = await payouts.pay(order)
    async with context.unit() as session:
        await programme_payouts.answered(session, message.withdrawal_id, answer)


@every("20 5 * * *")
async def look_after_payouts(context: TaskContext) -> None:
    """See whether what was paid came back; what did not, clears after the days of the rules."""
    payouts: Payouts = context.port(Payouts)
    async with context.reading() as session:
        paid = await programme_payouts.to_look_at(session)
    for withdrawal_id, reference in paid:
        answer = await payouts.look(reference) if reference else None
        async with context.unit() as session:
            if answer is not None:
                await programme_payouts.answered(session, withdrawal_id, answer)
            await programme_payouts.clear(session, withdrawal_id)
