"""Background work on workflows: in-house steps, maturity, time."""

from __future__ import annotations

from civitas.domains.orchestration import advancing, maturing, sweeping
from civitas.domains.orchestration.messages import GoOn, RunInHouse, WeighMaturity
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles


@handles(RunInHouse)
async def run_in_house(message: RunInHouse, context: TaskContext) -> None:
    """Look again whether an in-house step can be answered."""
    async with context.unit() as session:
        await advancing.look_again(session, message.step_id)


@handles(GoOn)
async def go_on(message: GoOn, context: TaskContext) -> None:
    """Go on with a workflow that waited."""
    async with context.unit() as session:
        await advancing.advance(session, message.workflow_id)


@handles(WeighMaturity)
async def weigh_maturity(message: WeighMaturity, context: TaskContext) -> None:
    """See whether mature output is to be paid for again."""
    async with context.unit() as session:
        await maturing.weigh(session, message.workflow_id)


@every("1m")
async def expire_steps(context: TaskContext) -> None:
    """End steps whose time is over, each workflow in a transaction of its own."""
    while True:
        async with context.reading() as session:
            found = await sweeping.overdue(session)
        ended = 0
        for workflow_id in found:
            async with context.unit() as session:
                ended += await sweeping.expire(session, workflow_id)
        if not ended:
            return


@every("10m")
async def forget_workflows(context: TaskContext) -> None:
    """Forget what is kept no longer."""
    while True:
        async with context.unit() as session:
            if not await sweeping.forget(session):
                break
    async with context.unit() as session:
        await sweeping.forget_results(session)
