"""`hideMatureContent`: what is mature has no address where it is asked for, and in lists unless it is asked not to be."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from tests.faces.orchestrator.contract import kept
from tests.factories.accounts import make_person
from tests.factories.http import Client
from tests.factories.media import make_blob, make_step, make_workflow

from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.types import Level, Status
from civitas.kit import clock

API = "/v2/consumer/workflows"
INPUT = {
    "image": "https://pictures.example.org/a.png",
    "output": {"format": "webp", "quality": 80, "hideMetadata": True},
}


async def made(client: Client, level: Level) -> str:
    """A finished workflow of the caller that made one picture of this level."""
    async with client.house.database.unit() as session:
        person = await make_person(session)
        ended = {"status": Status.SUCCEEDED, "started_at": clock.now(), "completed_at": clock.now()}
        workflow = await make_workflow(session, person, allow_mature=True, **ended)
        blob = await make_blob(session, workflow)
        await session.execute(update(MediaBlob).where(MediaBlob.id == blob).values(nsfw_level=level.value))
        output = {"blob": {"$blob": blob}}
        await make_step(session, workflow, input=INPUT, resolved={}, output=output, **ended)
    await client.use_key(person)
    return workflow.id


async def shown(client: Client, path: str, hide: bool | None) -> Any:
    """Whether the picture is available, and whether it has an address."""
    params = {} if hide is None else {"hideMatureContent": str(hide).lower()}
    found: Any = kept(await client.get(path, params=params))
    (workflow,) = found.get("items", [found])
    blob = workflow["steps"][0]["output"]["blob"]
    return blob["available"], "url" in blob


@pytest.mark.parametrize(
    ("level", "hide", "seen"),
    [
        (Level.R, None, True),
        (Level.R, False, True),
        (Level.R, True, False),
        (Level.PG, True, True),
        (Level.PG13, True, True),
        (Level.XXX, True, False),
    ],
)
async def test_one_workflow_hides_what_is_mature_when_it_is_asked_to(
    client: Client, level: Level, hide: bool | None, seen: bool
) -> None:
    workflow = await made(client, level)
    assert await shown(client, f"{API}/{workflow}", hide) == (seen, seen)


@pytest.mark.parametrize(
    ("level", "hide", "seen"),
    [(Level.R, None, False), (Level.R, True, False), (Level.R, False, True), (Level.PG, None, True)],
)
async def test_a_list_hides_it_unless_it_is_asked_not_to(
    client: Client, level: Level, hide: bool | None, seen: bool
) -> None:
    await made(client, level)
    assert await shown(client, API, hide) == (seen, seen)
