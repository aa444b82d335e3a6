"""Cancelling, deleting, editing; mature content that is paid for later."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.orchestration.test_charging import NO_TIPS, deliver
from tests.factories.workflows import (
    draw,
    echo,
    look,
    look_step,
    purse,
    ref,
    run,
    step,
    submitter,
    succeed,
    waiting,
)

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import auditing
from civitas.domains.orchestration import cancelling, editing, maturing, queries
from civitas.domains.orchestration.editing import Change
from civitas.domains.orchestration.errors import BadTemplate, Begun, Ended, UnknownWorkflow
from civitas.domains.orchestration.job_ends import job_moved
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.queries import Filter
from civitas.domains.orchestration.tables import JobClaim
from civitas.domains.orchestration.types import Status, UpgradeMode
from civitas.kit.errors import Conflict, Invalid


async def test_cancelling_pays_what_was_delivered_and_gives_back_the_rest(session: AsyncSession) -> None:
    actor = await submitter(session, yellow=100)
    id = await run(session, actor, await draw(session, quantity=3), echo("x"), tips=NO_TIPS)
    first, *_ = await waiting(session, id)
    await succeed(session, first)
    await cancelling.cancel(session, actor, id)
    found = await look(session, actor, id)
    assert (found.status, found.captured) == (Status.CANCELED, 32)
    assert await purse(session, actor) == {"yellow": 92}
    assert {job.status for job in found.steps[0].jobs} == {Status.SUCCEEDED, Status.CANCELED}
    await cancelling.cancel(session, actor, id)
    done = await run(session, actor, echo("x"))
    with pytest.raises(Ended):
        await cancelling.cancel(session, actor, done)


async def test_claims_on_cancelled_jobs_are_lost(session: AsyncSession) -> None:
    from civitas.domains.orchestration.agent_tables import Agent
    from civitas.kit import clock

    actor = await submitter(session)
    id = await run(session, actor, await draw(session))
    [job] = await waiting(session, id)
    agent = Agent(name="a", token_hash=b"x" * 32, token_prefix="x", capabilities=[])
    session.add(agent)
    await session.flush()
    session.add(JobClaim(job_id=job.id, agent_id=agent.id, leased_until=clock.now()))
    await session.flush()
    assert await job_moved(session, job_id=job.id, status=Status.PROCESSING, agent_id=agent.id)
    assert (await look(session, actor, id)).status is Status.PROCESSING
    await cancelling.cancel(session, actor, id)
    assert await session.scalar(select(JobClaim.state).where(JobClaim.job_id == job.id)) == "lost"


async def test_what_was_deleted_is_unknown_and_its_external_id_free(session: AsyncSession) -> None:
    actor = await submitter(session)
    first = await run(session, actor, await draw(session), external_id="mine")
    assert await run(session, actor, echo("other"), external_id="mine") == first
    await cancelling.delete(session, actor, first)
    with pytest.raises(UnknownWorkflow):
        await look(session, actor, first)
    assert await purse(session, actor) == {"yellow": 10_000}
    assert await run(session, actor, echo("other"), external_id="mine") != first


async def test_strangers_know_nothing_of_a_workflow(session: AsyncSession) -> None:
    actor, stranger = await submitter(session), await submitter(session)
    id = await run(session, actor, await draw(session))
    for attempt in (
        look(session, stranger, id),
        cancelling.cancel(session, stranger, id),
        cancelling.delete(session, stranger, id),
        editing.update(session, stranger, id, change=Change(tags=["x"])),
        editing.patch(session, stranger, id, operations=[]),
        editing.add_tag(session, stranger, id, tag="x"),
    ):
        with pytest.raises(UnknownWorkflow):
            await attempt


async def test_ephemeral_ones_are_unknown_once_they_ended(session: AsyncSession) -> None:
    actor = await submitter(session)
    with pytest.raises(BadTemplate):
        await run(session, actor, echo("x"), ephemeral=True)
    id = await run(session, actor, echo("x"), ephemeral=True, waits=True)
    with pytest.raises(UnknownWorkflow):
        await look(session, actor, id)
    found = await queries.shown(session, actor, id, just_waited=True)
    assert found.steps[0].output == {"message": "x"}
    assert (await queries.page(session, actor)).items == []


async def test_notes_and_tags_change_at_any_time(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(session, actor, echo("x", "say"), tags=("a",), notes={"k": {"v": 1}})
    await editing.add_tag(session, actor, id, tag="b")
    await editing.remove_tag(session, actor, id, tag="a")
    await editing.patch(
        session,
        actor,
        id,
        operations=[
            {"op": "test", "path": "/metadata/k/v", "value": 1},
            {"op": "replace", "path": "/metadata/k/v", "value": 2},
            {"op": "add", "path": "/tags/-", "value": "c"},
        ],
    )
    found = await look(session, actor, id)
    assert (list(found.tags), found.notes) == (["b", "c"], {"k": {"v": 2}})
    await editing.update(session, actor, id, change=Change(notes={}, tags=["d"]))
    await editing.update_step(session, actor, id, "say", notes={"seen": True})
    await editing.patch_step(
        session, actor, id, "say", operations=[{"op": "add", "path": "/metadata/more", "value": [1]}]
    )
    found = await look(session, actor, id)
    assert (list(found.tags), found.notes) == (["d"], {})
    assert found.steps[0].notes == {"seen": True, "more": [1]}


DOUBLING = [
    {"op": "add", "path": "/metadata/a", "value": "x" * 60_000},
    *[{"op": "copy", "from": "/metadata", "path": f"/metadata/b{n}"} for n in range(99)],
]


@pytest.mark.parametrize(
    ("operations", "kind"),
    [
        ([{"op": "replace", "path": "/cost", "value": 0}], Invalid),
        ([{"op": "replace", "path": "/id", "value": "x"}], Invalid),
        ([{"op": "replace", "path": "", "value": {}}], Invalid),
        ([{"op": "copy", "from": "/reserved", "path": "/metadata/x"}], Invalid),
        ([{"op": "fly", "path": "/metadata"}], Invalid),
        ([{"op": "remove", "path": "/metadata/none"}], Invalid),
        ([{"op": "test", "path": "/tags", "value": []}], Conflict),
        (["nonsense"], Invalid),
        ([{"op": "add", "path": "/tags/-", "value": "x" * 201}], BadTemplate),
        ([{"op": "add", "path": "/tags/-", "value": 7}], BadTemplate),
        ([{"op": "replace", "path": "/metadata", "value": []}], BadTemplate),
        ([{"op": "replace", "path": "/status", "value": "failed"}], BadTemplate),
        ([{"op": "replace", "path": "/status", "value": "canceled"}], Ended),
        ([{"op": "test", "path": "/tags", "value": ["a"]}] * 101, Invalid),
        (DOUBLING, Invalid),
    ],
)
async def test_patches_that_reach_for_more_are_refused_whole(
    session: AsyncSession, operations: list[Any], kind: type[Exception]
) -> None:
    actor = await submitter(session)
    id = await run(session, actor, echo("x"), tags=("a",))
    before = await look(session, actor, id)
    with pytest.raises(kind):
        await editing.patch(session, actor, id, operations=operations)
    assert (await look(session, actor, id)).tags == before.tags


async def test_the_input_of_a_step_changes_until_somebody_took_its_work(session: AsyncSession) -> None:
    actor = await submitter(session, yellow=100)
    id = await run(session, actor, await draw(session, name="draw"), tips=NO_TIPS)
    await editing.patch_step(
        session,
        actor,
        id,
        "draw",
        operations=[
            {"op": "replace", "path": "/input/quantity", "value": 2},
            {"op": "replace", "path": "/input/prompt", "value": "a dog"},
        ]
        if "quantity" in (await look_step(session, actor, id, "draw")).input
        else [
            {"op": "add", "path": "/input/quantity", "value": 2},
            {"op": "replace", "path": "/input/prompt", "value": "a dog"},
        ],
    )
    jobs = await waiting(session, id)
    assert [(job.input["prompt"], job.worth) for job in jobs] == [("a dog", 32)] * 2
    assert (await look(session, actor, id)).reserved == 64
    await job_moved(session, job_id=jobs[0].id, status=Status.PROCESSING)
    with pytest.raises(Begun):
        await editing.patch_step(
            session, actor, id, "draw", operations=[{"op": "replace", "path": "/input/prompt", "value": "x"}]
        )
    for job in jobs:
        await succeed(session, job)
    assert (await look(session, actor, id)).captured == 64


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/input/prompt", "value": 7},
        {"op": "add", "path": "/input/width", "value": 10**6},
        {"op": "replace", "path": "/input/prompt", "value": ref("nobody", "output")},
    ],
)
async def test_a_new_input_is_held_against_the_schema_and_the_steps(
    session: AsyncSession, operation: dict[str, Any]
) -> None:
    actor = await submitter(session)
    id = await run(session, actor, await draw(session, name="draw"))
    with pytest.raises(BadTemplate):
        await editing.patch_step(session, actor, id, "draw", operations=[operation])


async def test_pages_are_by_cursor_with_all_tags(session: AsyncSession) -> None:
    actor = await submitter(session)
    ids = [
        await run(
            session, actor, step("promptEnhancement", {"ecosystem": "sdxl", "prompt": f"word{n}"}), tags=tags
        )
        for n, tags in enumerate([("a",), ("a", "b"), ("b",), ("a", "b", "c")])
    ]
    found = await queries.page(session, actor, take=3)
    assert [one.id for one in found.items] == ids[:0:-1]
    rest = await queries.page(session, actor, take=3, cursor=found.next_cursor)
    assert [one.id for one in rest.items] == ids[:1] and rest.next_cursor is None

    async def those(**wanted: Any) -> list[int]:
        page = await queries.page(session, actor, wanted=Filter(**wanted))
        return [ids.index(one.id) for one in page.items]

    assert await those(tags=("a", "b")) == [3, 1]
    assert await those(ascending=True) == [0, 1, 2, 3]
    assert await those(query="ORD2") == [2]
    await cancelling.cancel(session, actor, ids[0])
    assert await those(exclude_failed=True) == [3, 2, 1]
    with pytest.raises(Invalid):
        await queries.page(session, actor, cursor="nonsense")


async def rated(session: AsyncSession, actor: Actor, **fields: Any) -> str:
    """A drawing that was paid in safe colours and turns out mature."""
    id = await run(session, actor, await draw(session), tips=NO_TIPS, **fields)
    [job] = await waiting(session, id)
    assert job.allow_mature is False
    await deliver(session, job.slots)
    await succeed(session, job)
    await session.execute(update(MediaBlob).where(MediaBlob.id.in_(job.slots)).values(nsfw_level="x"))
    await maturing.weigh(session, id)
    return id


async def test_mature_output_is_withheld_until_yellow_pays(session: AsyncSession) -> None:
    actor = await submitter(session, blue=8, yellow=10)
    id = await rated(session, actor)
    found = await look(session, actor, id)
    assert (found.withheld, found.nsfw_level) == (True, "x")
    await editing.update(session, actor, id, change=Change(allow_mature=True))
    found = await look(session, actor, id)
    assert (found.withheld, found.allow_mature) == (False, True)
    assert await purse(session, actor) == {"blue": 8, "yellow": 2}
    assert [(one.type, one.colour, one.amount) for one in found.transactions] == [
        ("debit", "blue", 32),
        ("debit", "yellow", 32),
        ("credit", "blue", 32),
    ]
    await editing.update(session, actor, id, change=Change(allow_mature=True))
    assert await purse(session, actor) == {"blue": 8, "yellow": 2}
    assert (await auditing.audit(session)).sound


async def test_the_swap_comes_by_itself_where_that_was_asked_for(session: AsyncSession) -> None:
    actor = await submitter(session, blue=16, yellow=8)
    id = await rated(session, actor, upgrade_mode=UpgradeMode.AUTOMATIC)
    assert (await look(session, actor, id)).withheld is False
    assert await purse(session, actor) == {"blue": 16}
    short = await rated(session, actor, upgrade_mode=UpgradeMode.AUTOMATIC)
    assert (await look(session, actor, short)).withheld is True
    with pytest.raises(InsufficientFunds):
        await editing.update(session, actor, short, change=Change(allow_mature=True))


async def test_the_hold_is_swapped_while_it_is_under_way(session: AsyncSession) -> None:
    actor = await submitter(session, blue=4, yellow=100)
    id = await run(session, actor, await draw(session), tips=NO_TIPS)
    await editing.update(session, actor, id, change=Change(allow_mature=True))
    assert await purse(session, actor) == {"blue": 4, "yellow": 92}
    [job] = await waiting(session, id)
    assert job.allow_mature is True
    await succeed(session, job)
    assert await purse(session, actor) == {"blue": 4, "yellow": 92}
    assert (await look(session, actor, id)).captured == 32
    assert (await auditing.audit(session)).sound


async def test_whoever_leaves_has_nothing_made_any_more(session: AsyncSession) -> None:
    from civitas.contracts.events.accounts import PersonDeleted
    from civitas.domains.orchestration.listeners import stop_workflows

    actor = await submitter(session, yellow=100)
    ids = [await run(session, actor, await draw(session), tips=NO_TIPS), await run(session, actor, echo("x"))]
    await stop_workflows(session, PersonDeleted(actor.id or 0, False, False))
    assert await purse(session, actor) == {"yellow": 100}
    for id in ids:
        with pytest.raises(UnknownWorkflow):
            await look(session, actor, id)


async def test_what_was_generated_is_counted(session: AsyncSession) -> None:
    from civitas.contracts.events.orchestration import VersionsUsed
    from civitas.domains.catalog.listeners import count_generated
    from civitas.domains.catalog.tables import ModelMetric, VersionMetric

    actor = await submitter(session)
    template = await draw(session, quantity=2, batchSize=2)
    id = await run(session, actor, template)
    jobs = await waiting(session, id)
    await succeed(session, jobs[0])
    await cancelling.cancel(session, actor, id)
    model, version = (int(one) for one in template.input["model"].rpartition(":")[2].split("@"))
    await count_generated(session, VersionsUsed(id, actor.id or 0, {version: 2, 999_999: 1}))
    counted = await session.get(VersionMetric, version)
    of_model = await session.get(ModelMetric, model)
    assert counted is not None and of_model is not None
    assert (counted.generations, of_model.generations) == (2, 2)
