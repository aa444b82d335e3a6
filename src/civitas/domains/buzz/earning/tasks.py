"""What earning does by itself: folding, settling, stopping."""

from __future__ import annotations

import structlog

from civitas.domains.buzz.earning import abuse, adverts, compensation, referrals
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every

log = structlog.get_logger(__name__)

ROUNDS = 50


@every("5m")
async def fold_adverts(context: TaskContext) -> None:
    """Reward adverts that were seen."""
    for _ in range(ROUNDS):
        async with context.unit() as session:
            if await adverts.fold(session) == 0:
                return


@every("10 * * * *")
async def stop_crowded_rewards(context: TaskContext) -> None:
    """Turn rewards off for accounts that share an address with too many."""
    async with context.unit() as session:
        stopped = await abuse.stop_crowded(session)
    if stopped:
        log.warning("buzz.rewards_stopped", people=len(stopped))


@every("1m")
async def fold_compensation(context: TaskContext) -> None:
    """Add up the creators' shares of finished jobs."""
    async with context.unit() as session:
        await compensation.fold(session)


@every("0 2 * * *")
async def settle_compensation(context: TaskContext) -> None:
    """Pay creators for the days that are over."""
    async with context.unit() as session:
        upto = await compensation.begin(session)
    while True:
        async with context.unit() as session:
            if await compensation.settle(session, upto=upto) == 0:
                return


@every("20 * * * *")
async def settle_referrals(context: TaskContext) -> None:
    """Settle what invitations earned and has waited long enough."""
    while True:
        async with context.unit() as session:
            if await referrals.settle(session) == 0:
                return


@every("50 3 * * *")
async def forget_earning(context: TaskContext) -> None:
    """Let go of what only kept things from counting twice, once nobody repeats them."""
    async with context.unit() as session:
        await adverts.forget(session)
        await compensation.forget_jobs(session)
