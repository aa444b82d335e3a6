"""Outputs are rated before anybody else sees them: by rule, by a classifier, by their owner's word."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_published_model
from tests.factories.media import make_blob, make_job, make_step, make_workflow
from tests.factories.orchestration import make_agent

from civitas.contracts import maturity
from civitas.contracts.maturity import Making
from civitas.domains.accounts.tables import StaffAction
from civitas.domains.accounts.types import SYSTEM_ID, Role
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.media import rating
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.types import Level
from civitas.kit.errors import Forbidden, Invalid, NotFound

GRAPH = {
    "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a quiet lake", "clip": ["4", 1]}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "nude, naked", "clip": ["4", 1]}},
    "3": {"class_type": "KSampler", "inputs": {"positive": ["1", 0], "negative": ["2", 0], "seed": 1}},
}


async def made(
    session: AsyncSession, given: dict[str, Any], *, type: str = "textToImage", **workflow: Any
) -> MediaBlob:
    person = await make_person(session)
    flow = await make_workflow(session, person, **workflow)
    step = await make_step(session, flow, type=type, input=given, resolved=given)
    job = await make_job(session, step, person)
    blob = await session.get_one(MediaBlob, await make_blob(session, flow))
    blob.job_id = job.id
    await session.flush()
    return blob


@pytest.mark.parametrize(
    ("type", "given", "level"),
    [
        ("textToImage", {"prompt": "a red circle", "negativePrompt": "nude"}, "pg"),
        ("textToImage", {"prompt": "a zombie with a gun"}, "pg13"),
        ("textToImage", {"prompt": "a woman in a bikini"}, "r"),
        ("textToImage", {"prompt": "n u d e portrait"}, "x"),
        ("imageGen", {"engine": "sdcpp", "prompt": "a peacock on a moby dick breastplate"}, "pg"),
        ("comfy", {"comfyWorkflow": GRAPH}, "pg"),
        (
            "comfy",
            {"comfyWorkflow": {**GRAPH, "9": {"class_type": "X", "inputs": {"words": "a naked man"}}}},
            "x",
        ),
        ("convertImage", {}, None),
        ("chatCompletion", {"messages": [{"text": "hello"}]}, None),
    ],
)
async def test_words_say_how_mature_it_is(
    session: AsyncSession, type: str, given: dict[str, Any], level: str | None
) -> None:
    blob = await made(session, given, type=type)
    assert (await rating.by_rule(session, blob)).level == level


async def test_models_that_are_mature_make_what_they_make_mature(session: AsyncSession) -> None:
    _, (version,) = await make_published_model(session, nsfw=True)
    said = await maturity.ruling(session, Making("textToImage", {"prompt": "a tree"}, 1, (version,)))
    assert said.level == "r"


async def test_what_is_never_made_is_blocked_though_it_was_made(session: AsyncSession) -> None:
    blob = await made(session, {"prompt": "a nude child"})
    said = await rating.by_rule(session, blob)
    assert said.level is None
    assert said.blocked


async def test_a_picture_begun_from_an_unrated_one_stays_unrated(session: AsyncSession) -> None:
    person = await make_person(session)
    source = await make_blob(session, await make_workflow(session, person))
    given = {"prompt": "a tree", "sourceImage": {"$blob": source}}
    blob = await made(session, given)
    assert (await rating.by_rule(session, blob)).level is None
    (await session.get_one(MediaBlob, source)).nsfw_level = "x"
    await session.flush()
    assert (await rating.by_rule(session, blob)).level == "x"
    plain = await made(session, {"image": {"$blob": source}}, type="convertImage")
    assert (await rating.by_rule(session, plain)).level == "x"


async def test_an_agent_that_rates_is_asked_and_the_stricter_word_counts(session: AsyncSession) -> None:
    assert not await rating.classifiers(session)
    await make_agent(session, "mediaRating")
    assert await rating.classifiers(session)
    blob = await made(session, {"prompt": "a bikini"})
    workflow = await session.get_one(Workflow, await rating.ask(session, blob_id=blob.id))
    assert (workflow.person_id, workflow.reserved, workflow.notes) == (SYSTEM_ID, 0, {"rates": blob.id})
    step = (
        await session.execute(WorkflowStep.__table__.select().where(WorkflowStep.workflow_id == workflow.id))
    ).one()
    job = (await session.execute(Job.__table__.select().where(Job.workflow_id == workflow.id))).one()
    assert job.media == [blob.id] or blob.id in str(job.media)
    for seen, level in (({"nsfwLevel": "pg", "isBlocked": False}, Level.R), ({"nsfwLevel": "x"}, Level.X)):
        (await session.get_one(WorkflowStep, step.id)).output = seen
        await session.flush()
        await rating.answered(session, workflow_id=workflow.id)
        assert (await blobs.links(session, [blob.id]))[blob.id].level is level
    (await session.get_one(WorkflowStep, step.id)).output = {"nsfwLevel": "x", "isBlocked": True}
    await session.flush()
    await rating.answered(session, workflow_id=workflow.id)
    assert (await blobs.links(session, [blob.id]))[blob.id].blocked_reason == "blocked"


async def test_an_owner_makes_it_stricter_and_a_moderator_says_how_it_is(session: AsyncSession) -> None:
    blob = await made(session, {"prompt": "a tree"})
    owner, other = actor_for(blob.person_id), actor_for(await make_person(session))
    staff = actor_for(await make_person(session), role=Role.MODERATOR)
    with pytest.raises(NotFound):
        await rating.rate(session, other, blob_id=blob.id, level="x")
    with pytest.raises(Forbidden):
        await rating.rate(session, owner, blob_id=blob.id, level="pg")
    with pytest.raises(Invalid):
        await rating.rate(session, owner, blob_id=blob.id, level="spicy")
    await rating.rate(session, owner, blob_id=blob.id, level="r")
    with pytest.raises(Forbidden):
        await rating.rate(session, owner, blob_id=blob.id, level="pg13")
    await rating.rate(session, staff, blob_id=blob.id, level="pg", reason="A tree.")
    assert (await blobs.links(session, [blob.id]))[blob.id].level is Level.PG
    action = (await session.execute(StaffAction.__table__.select())).one()
    assert action.action == "studio.output.rate"
