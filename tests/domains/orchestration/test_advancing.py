"""Workflows go on as far as they can, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.workflows import (
    draw,
    echo,
    fail,
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

from civitas.domains.orchestration.errors import BadTemplate
from civitas.domains.orchestration.templates import StepTemplate
from civitas.domains.orchestration.types import Status


async def test_an_echo_has_ended_when_it_was_submitted(session: AsyncSession) -> None:
    actor = await submitter(session)
    found = await look(session, actor, await run(session, actor, echo("hello")))
    assert found.status is Status.SUCCEEDED
    assert found.steps[0].output == {"message": "hello"}
    assert found.started_at and found.completed_at


async def test_references_lead_from_step_to_step_and_to_arguments(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(
        session,
        actor,
        echo(ref("$arguments", "words[1].text"), "first"),
        echo(ref("first", "output.message")),
        echo(ref("$1", "output.message")),
        echo(ref("1", "input.message")),
        arguments={"words": [{}, {"text": "said once"}]},
    )
    found = await look(session, actor, id)
    assert [one.output for one in found.steps] == [{"message": "said once"}] * 4


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (ref("nobody", "output"), "there is no step"),
        (ref("$7", "output"), "there is no step"),
        (ref("0", "output"), "itself"),
        (ref("$0", "output"), "itself"),
        (ref("later", "output"), "comes later"),
        (ref("$arguments", "b"), "nothing at 'b'"),
        (ref("$arguments", "a[["), "cannot be read"),
        ([{"deep": ref("nobody", "x")}], "there is no step"),
    ],
)
async def test_wrong_references_are_refused_with_the_path_of_their_field(
    session: AsyncSession, message: object, told: str
) -> None:
    actor = await submitter(session)
    with pytest.raises(BadTemplate) as refused:
        await run(session, actor, echo(message), echo("x", "later"), arguments={"a": 1})
    [(where, why)] = refused.value.fields.items()
    assert where.startswith("steps[0].input.message")
    assert told in why


async def test_batches_are_jobs_and_their_images_one_output(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(session, actor, await draw(session, name="draw", quantity=3, batchSize=2))
    jobs = await waiting(session, id)
    assert [(job.capability, job.input["seed"], len(job.slots)) for job in jobs] == [
        ("textToImage/sdxl", 7, 2),
        ("textToImage/sdxl", 9, 2),
        ("textToImage/sdxl", 11, 2),
    ]
    outline = (await look_step(session, actor, id, "draw")).output
    for job in reversed(jobs):
        assert (await look(session, actor, id)).status in (Status.UNASSIGNED, Status.PROCESSING)
        await succeed(session, job)
    found = await look_step(session, actor, id, "draw")
    assert found.status is Status.SUCCEEDED
    assert found.output == {"images": [{"$blob": blob} for job in jobs for blob in job.slots]} == outline
    assert (await look(session, actor, id)).status is Status.SUCCEEDED


async def test_a_failure_cancels_what_needs_it_and_its_siblings(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(
        session,
        actor,
        replace(await draw(session, name="draw", quantity=2), retries=0),
        step("imageUpscaler", {"image": ref("draw", "output.images[0].url")}, "larger"),
        step("mediaHash", {"mediaUrl": ref("larger", "output.blob.url"), "hashTypes": ["sha256"]}, "hash"),
        echo("alone", "free"),
    )
    await fail(session, (await waiting(session, id))[0], "out of memory")
    found = await look(session, actor, id)
    states = {one.name: (one.status, one.reason) for one in found.steps}
    assert states["draw"] == (Status.FAILED, "out of memory")
    assert states["larger"] == states["hash"] == (Status.CANCELED, "dependency_failed")
    assert states["free"] == (Status.SUCCEEDED, None)
    assert found.status is Status.FAILED
    assert {job.status for job in found.steps[0].jobs} == {Status.FAILED, Status.CANCELED}


async def test_a_transient_failure_is_tried_again_by_others_as_often_as_said(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(session, actor, step("mediaCaptioning", {"mediaUrl": ""}, "look", retries=2))
    for agent in (1, 2):
        [job] = await waiting(session, id)
        await fail(session, job, "lost", transient=True, agent_id=agent)
    [job] = await waiting(session, id)
    assert (job.attempt, job.refused_by) == (3, [1, 2])
    await fail(session, job, "lost again", transient=True, agent_id=3)
    assert (await look(session, actor, id)).status is Status.FAILED


async def test_results_of_ended_jobs_change_nothing(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(session, actor, step("wdTagging", {"mediaUrl": ""}))
    [job] = await waiting(session, id)
    await succeed(session, job, {"tags": {"cat": 0.9}})
    before = await look(session, actor, id)
    await fail(session, job, "too late", transient=True)
    await succeed(session, job, {"tags": {"dog": 1.0}})
    assert await look(session, actor, id) == before
    assert before.steps[0].output == {"tags": {"cat": 0.9}}


async def test_outputs_that_name_slots_never_delivered_are_failures(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(session, actor, step("convertImage", {"image": "", "output": {}}, retries=0))
    [job] = await waiting(session, id)
    await succeed(session, job, {"blob": {"$blob": 5}})
    found = await look(session, actor, id)
    assert (found.status, found.steps[0].reason) == (Status.FAILED, "invalid_output")


async def test_loops_over_lists_and_numbers_make_steps_of_their_own(session: AsyncSession) -> None:
    actor = await submitter(session)
    inner = {"$type": "echo", "metadata": {"of": "inner"}, "input": {"message": ref("item", "name")}}
    loop = {"for": {**ref("$arguments", "count"), "as": "n"}, "template": inner}
    id = await run(
        session,
        actor,
        step(
            "repeat",
            {
                "for": {**ref("$arguments", "items"), "as": "item"},
                "template": {"$type": "repeat", "input": loop},
            },
            "all",
        ),
        echo(ref("all", "output.steps[1].output.steps[0].output.message")),
        arguments={"items": [{"name": "a"}, {"name": "b"}], "count": 2},
    )
    found = await look(session, actor, id)
    assert found.status is Status.SUCCEEDED
    said = [turn.output for outer in found.steps[0].turns for turn in outer.turns]
    assert said == [{"message": item} for item in "aabb"]
    assert found.steps[1].output == {"message": "b"}


async def test_a_loop_over_images_has_a_turn_for_each(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(
        session,
        actor,
        await draw(session, name="draw", batchSize=2),
        step(
            "repeat",
            {
                "for": {**ref("draw", "output.images"), "as": "frame"},
                "template": {"$type": "imageUpscaler", "input": {"image": ref("frame", "url")}},
            },
            "larger",
        ),
    )
    [job] = await waiting(session, id)
    await deliver(session, job.slots)
    await succeed(session, job)
    jobs = await waiting(session, id)
    assert [one.media for one in jobs] == [[{"blob": blob}] for blob in job.slots]
    assert jobs[0].input == {"image": "media:0"}
    for one in jobs:
        await succeed(session, one, {"blob": {"$blob": 0}})
    assert (await look(session, actor, id)).status is Status.SUCCEEDED


async def test_a_turn_that_fails_ends_the_loop(session: AsyncSession) -> None:
    actor = await submitter(session)
    loop = {
        "for": {**ref("$arguments", "words"), "as": "word"},
        "template": {
            "$type": "promptEnhancement",
            "retries": 0,
            "input": {"ecosystem": "sd1", "prompt": ref("word", "")},
        },
    }
    id = await run(session, actor, step("repeat", loop), arguments={"words": ["a", "b", "c"]})
    await fail(session, (await waiting(session, id))[1])
    found = await look(session, actor, id)
    assert found.status is Status.FAILED
    assert [turn.status for turn in found.steps[0].turns] == [Status.CANCELED, Status.FAILED, Status.CANCELED]


@pytest.mark.parametrize("count", [101, -1, "many", None])
async def test_loops_that_cannot_be_gone_through_are_refused_or_fail_with_a_reason(
    session: AsyncSession, count: object
) -> None:
    actor = await submitter(session)

    def loop(source: dict[str, str]) -> dict[str, object]:
        inner = {"$type": "echo", "input": {"message": "x"}}
        return {"for": {**source, "as": "n"}, "template": inner}

    with pytest.raises(BadTemplate) as refused:
        await run(session, actor, step("repeat", loop(ref("$arguments", "n"))), arguments={"n": count})
    assert list(refused.value.fields) == ["steps[0].input.for"]
    said = step("echo", {"message": "x"}, "said", notes={"n": count})
    id = await run(session, actor, said, step("repeat", loop(ref("said", "metadata.n"))))
    found = await look(session, actor, id)
    assert (found.status, found.steps[1].reason) == (Status.FAILED, "reference_unresolved")
    assert found.steps[1].warnings


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (step("promptEnhancement", {"ecosystem": "sd1", "prompt": ref("$arguments", "list")}), "prompt"),
        (step("convertImage", {"image": ref("$arguments", "number"), "output": {}}), "image"),
        (
            step(
                "imageUpscaler",
                {"image": "https://a.example/b.png", "numberOfRepeats": ref("$arguments", "text")},
            ),
            "numberOfRepeats",
        ),
        (
            step(
                "repeat",
                {
                    "for": {**ref("$arguments", "list"), "as": "one"},
                    "template": {"$type": "echo", "input": {"message": ref("one", "deep")}},
                },
            ),
            "template.input.message",
        ),
        (
            step(
                "repeat",
                {
                    "for": {**ref("$arguments", "list"), "as": "one"},
                    "template": {"$type": "echo", "input": {"message": ref("one", "none")}},
                },
            ),
            "template.input",
        ),
    ],
)
async def test_arguments_of_a_wrong_kind_are_refused_when_they_are_submitted(
    session: AsyncSession, given: StepTemplate, where: str
) -> None:
    actor = await submitter(session)
    before = await purse(session, actor)
    told = {"list": [{"deep": 1}], "number": 7, "text": "twice"}
    with pytest.raises(BadTemplate) as refused:
        await run(session, actor, echo("fine"), given, arguments=told)
    assert list(refused.value.fields) == [f"steps[1].input.{where}"]
    assert await purse(session, actor) == before


async def test_snapshots_of_packs_of_nodes_are_a_job_each_with_their_files(session: AsyncSession) -> None:
    actor = await submitter(session)
    packs = [f"urn:air:comfy:nodepack:comfyregistry:someone/pack-{n}@1.0" for n in range(51)]
    with pytest.raises(BadTemplate) as refused:
        await run(session, actor, step("comfyNodepackSnapshot", {"nodepacks": packs}))
    assert list(refused.value.fields) == ["steps[0].input.nodepacks"]
    before = await purse(session, actor)
    id = await run(session, actor, step("comfyNodepackSnapshot", {"nodepacks": packs[:2]}))
    jobs = await waiting(session, id)
    assert [job.input["nodepacks"] for job in jobs] == [[pack] for pack in packs[:2]]
    for job, pack in zip(jobs, packs, strict=False):
        files = {name: {"$blob": place} for place, name in enumerate(("layer", "objectInfo", "web"))}
        await succeed(session, job, {"results": [{"nodepack": pack, "layerAir": pack, **files}]})
    found = await look(session, actor, id)
    assert found.status is Status.SUCCEEDED
    assert [one["nodepack"] for one in (found.steps[0].output or {})["results"]] == packs[:2]
    assert await purse(session, actor) == before


async def test_references_into_more_than_an_input_may_hold_end_the_step_alone(session: AsyncSession) -> None:
    actor = await submitter(session)
    id = await run(
        session,
        actor,
        echo("x" * 700_000, "much"),
        echo([ref("much", "output.message")] * 2, "twice"),
        echo(ref("much", "output.message"), "once"),
    )
    found = await look(session, actor, id)
    assert [one.status for one in found.steps] == [Status.SUCCEEDED, Status.FAILED, Status.SUCCEEDED]
    assert found.steps[1].reason == "reference_unresolved"
    assert "larger than an input may be" in found.steps[1].warnings[0]


async def test_what_references_lead_to_is_held_against_the_schema(session: AsyncSession) -> None:
    actor = await submitter(session)
    before = await purse(session, actor)
    id = await run(
        session,
        actor,
        step("echo", {"message": "x"}, "said", notes={"n": 2, "far": {"too": [{"much": {"a": "lot"}}]}}),
        step(
            "repeat",
            {
                "for": {**ref("said", "metadata.n"), "as": "n"},
                "template": {"$type": "echo", "input": {"message": ref("n", "")}},
            },
            "loop",
        ),
        step(
            "promptEnhancement",
            {"ecosystem": "sd1", "prompt": ref("said", "metadata.far.too[0].much")},
            "paid",
        ),
    )
    found = await look(session, actor, id)
    assert found.status is Status.FAILED
    _, loop, paid = found.steps
    assert (loop.reason, paid.reason) == ("invalid_input", "invalid_input")
    assert "input.message: Must be text" in loop.turns[0].warnings[0]
    assert "input.prompt: Must be text" in paid.warnings[0]
    assert paid.jobs == []
    assert await purse(session, actor) == before


async def deliver(session: AsyncSession, blobs: list[str]) -> None:
    """The bytes are there."""
    from sqlalchemy import update

    from civitas.domains.orchestration.media_tables import MediaBlob
    from civitas.kit import clock

    await session.execute(
        update(MediaBlob).where(MediaBlob.id.in_(blobs)).values(available_at=clock.now(), size=3)
    )
