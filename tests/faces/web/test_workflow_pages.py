"""Workflows and callbacks of one's own on pages, and the operators' look at the machines."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import Client

from civitas.domains.accounts.tables import StaffAction
from civitas.domains.accounts.types import Role
from civitas.domains.orchestration import submitting
from civitas.domains.orchestration.agent_tables import Agent
from civitas.domains.orchestration.dispatch import queues
from civitas.domains.orchestration.templates import Callback, StepTemplate, Template
from civitas.kit.errors import Forbidden


async def submitted(client: Client, person: int, *steps: StepTemplate, **fields: object) -> str:
    """A workflow of this person; echo unless other steps are given."""
    async with client.house.database.unit() as session:
        await give_buzz(session, person, 1_000)
        template = Template(steps or (StepTemplate("echo", {"message": "hello there"}),), **fields)  # type: ignore[arg-type]
        return await submitting.submit(session, actor_for(person), template)


async def person_of(client: Client, **columns: object) -> int:
    async with client.house.database.unit() as session:
        return await make_person(session, **columns)  # type: ignore[arg-type]


async def test_workflows_are_listed_found_and_shown_in_full(client: Client) -> None:
    person = await person_of(client)
    echo = await submitted(client, person, tags=("mine",))
    convert = StepTemplate(
        "convertImage", {"image": "data:image/png;base64,AAAA", "output": {"format": "jpeg"}}
    )
    other = await submitted(client, person, convert)
    await client.sign_in(person)
    page = (await client.page("/workflows")).text
    assert echo in page
    assert other in page
    assert other not in (await client.page("/workflows", tag="mine")).text
    shown = (await client.page(f"/workflows/{echo}")).text
    assert "hello there" in shown
    assert "succeeded" in shown
    assert (await client.submit(f"/workflows/{other}/cancel")).status_code == 303
    assert "canceled" in (await client.page(f"/workflows/{other}")).text
    assert (await client.submit(f"/workflows/{other}/delete")).status_code == 303
    assert (await client.get(f"/workflows/{other}")).status_code == 404


async def test_nobody_sees_what_is_not_theirs(client: Client) -> None:
    workflow = await submitted(client, await person_of(client))
    await client.sign_in(await person_of(client))
    assert (await client.get(f"/workflows/{workflow}")).status_code == 404
    assert (await client.submit(f"/workflows/{workflow}/cancel")).status_code == 404
    await client.sign_in(await person_of(client, role="moderator"))
    page = (await client.page(f"/workflows/{workflow}")).text
    assert "succeeded" in page
    assert "/cancel" not in page


async def test_secrets_are_shown_once_and_deliveries_are_told_again(client: Client) -> None:
    person = await person_of(client)
    await submitted(
        client, person, callbacks=(Callback("https://hooks.example.com/x", ("workflow:succeeded",)),)
    )
    await client.sign_in(person)
    made = await client.submit("/workflows/callbacks/secrets")
    secret = re.search(r"whsec_[A-Za-z0-9+/=]{30,}", made.text)
    assert secret
    assert made.headers["cache-control"] == "no-store"
    page = (await client.page("/workflows/callbacks")).text
    assert secret.group() not in page
    assert f"whsec_…{secret.group()[-4:]}" in page
    assert "https://hooks.example.com/x" in page
    assert "workflow:succeeded" in (await client.page("/workflows/callbacks", state="waiting")).text
    assert "Nothing was told" in (await client.page("/workflows/callbacks", state="delivered")).text
    number = re.search(r"secrets/(\d+)/revoke", page)
    assert number
    await client.submit(f"/workflows/callbacks/secrets/{number.group(1)}/revoke")
    assert "whsec_…" not in (await client.page("/workflows/callbacks")).text


async def test_machines_are_added_paused_and_revoked_and_all_of_it_is_logged(client: Client) -> None:
    await client.sign_in(await person_of(client, role="admin"))
    refused = await client.submit("/staff/machines/agents", name="Darkroom", reason="")
    assert refused.status_code == 400
    made = await client.submit("/staff/machines/agents", name="Darkroom", reason="A new GPU.")
    token = re.search(r"civa_[A-Za-z0-9_-]{20,}", made.text)
    assert token
    assert token.group() not in (await client.page("/staff/machines")).text
    async with client.house.database.reading() as session:
        agent = (await session.scalars(select(Agent))).one()
    where = f"/staff/machines/agents/{agent.id}"
    assert (await client.submit(f"{where}/wish", wish="nonsense")).status_code == 400
    await client.submit(f"{where}/wish", wish="pause")
    assert "Away" in (await client.page("/staff/machines")).text
    await client.submit(f"{where}/revoke", reason="Sold.")
    assert "Darkroom" not in (await client.page("/staff/machines")).text
    async with client.house.database.reading() as session:
        actions = set(await session.scalars(select(StaffAction.action)))
    assert {"agent.make", "agent.pause", "agent.revoke"} <= actions


async def test_the_console_is_staffs_alone(client: Client) -> None:
    await client.sign_in(await person_of(client))
    assert (await client.get("/staff/machines")).status_code == 403
    await client.sign_in(await person_of(client, role="moderator"))
    assert (await client.get("/staff/machines")).status_code == 200
    assert (await client.submit("/staff/machines/agents", name="Darkroom", reason="x")).status_code == 403
    async with client.house.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Agent)) == 0


async def test_queues_tell_what_waits_without_an_agent(session: AsyncSession) -> None:
    person = await make_person(session)
    await give_buzz(session, person, 1_000)
    step = StepTemplate("mediaHash", {"mediaUrl": "https://example.com/a.png", "hashTypes": ["perceptual"]})
    echo = StepTemplate("promptEnhancement", {"prompt": "a cat", "ecosystem": "sd1"})
    await submitting.submit(session, actor_for(person), Template((echo, step)))
    with pytest.raises(Forbidden):
        await queues.queues(session, actor_for(person), lease_s=60)
    staff = actor_for(person, role=Role.MODERATOR)
    found = {one.capability: one for one in await queues.queues(session, staff, lease_s=60)}
    waits = found["promptEnhancement"]
    assert (waits.waiting, waits.running, waits.agents) == (1, 0, 0)
    assert waits.oldest
    assert await queues.troubles(session, staff) == []
