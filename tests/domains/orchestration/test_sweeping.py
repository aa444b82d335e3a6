"""What the clock does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.orchestration.test_charging import NO_TIPS
from tests.factories.workflows import draw, echo, look, purse, run, step, submitter, succeed, waiting

from civitas.domains.orchestration import queries, sweeping
from civitas.domains.orchestration.errors import UnknownWorkflow
from civitas.domains.orchestration.types import Status
from civitas.kit import clock


async def test_steps_end_when_their_time_is_over(session: AsyncSession) -> None:
    actor = await submitter(session, yellow=100)
    template = await draw(session, quantity=2)
    id = await run(
        session, actor, step(template.type, dict(template.input), "late", timeout_s=60), tips=NO_TIPS
    )
    first, _ = await waiting(session, id)
    await succeed(session, first)
    assert await sweeping.overdue(session) == []
    with clock.held_at(clock.now() + timedelta(seconds=61)):
        assert await sweeping.overdue(session) == [id]
        assert await sweeping.expire(session, id)
        assert await sweeping.overdue(session) == []
    found = await look(session, actor, id)
    assert (found.status, found.steps[0].status, found.steps[0].reason) == (
        Status.EXPIRED,
        Status.EXPIRED,
        "timeout",
    )
    assert await purse(session, actor) == {"yellow": 92}


async def test_what_ended_a_month_ago_is_forgotten(session: AsyncSession) -> None:
    actor = await submitter(session)
    old, open_still = await run(session, actor, echo("x")), await run(session, actor, await draw(session))
    short = await run(session, actor, echo("x"), ephemeral=True, waits=True)
    with clock.held_at(clock.now() + timedelta(minutes=11)):
        assert await sweeping.forget(session) == 1
        with pytest.raises(UnknownWorkflow):
            await queries.shown(session, actor, short, just_waited=True)
    with clock.held_at(clock.now() + timedelta(days=29)):
        assert await sweeping.forget(session) == 0
    with clock.held_at(clock.now() + timedelta(days=31)):
        assert await sweeping.forget(session) == 1
        with pytest.raises(UnknownWorkflow):
            await look(session, actor, old)
        assert (await look(session, actor, open_still)).status is Status.UNASSIGNED
