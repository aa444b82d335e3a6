"""Two people, one model: asked, accepted, what they may and may not, and gone again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import insert
from tests.factories.http import HTML, Client
from tests.flows import story
from tests.flows.story import API, ok

from civitas.domains.accounts.tables import Follow
from civitas.domains.accounts.types import Scope
from civitas.domains.catalog import collaborators


@dataclass
class Pair:
    """An owner with a draft that could be published, and somebody else."""

    owner: int
    other: int
    model: int
    version: int


@pytest.fixture
async def pair(client: Client) -> Pair:
    other = await story.person(client, "Helpful")
    owner = await story.new_program(client, username="Owning")
    model, version = await story.ready(client, name="Common <work>")
    return Pair(owner, other, model, version)


async def ask(client: Client, pair: Pair, name: str = "helpful", status: int = 204) -> Any:
    await story.become(client, pair.owner)
    url = f"{API}/models/{pair.model}/collaborators"
    return ok(await client.post(url, json={"username": name}), status)


async def answer(client: Client, pair: Pair, accept: bool, status: int = 204) -> Any:
    await story.become(client, pair.other)
    return ok(await client.put(f"{API}/models/{pair.model}/collaboration", json={"accept": accept}), status)


async def listed(client: Client, pair: Pair) -> list[tuple[str, str]]:
    found = ok(await client.get(f"{API}/models/{pair.model}/collaborators"))
    return [(one["username"], one["status"]) for one in found]


async def test_who_accepts_edits_and_publishes_but_does_not_manage(client: Client, pair: Pair) -> None:
    here = f"{API}/models/{pair.model}"
    await ask(client, pair)
    await ask(client, pair)
    assert await listed(client, pair) == [("Helpful", "pending")]
    await client.run_tasks()
    (mail,) = client.mails
    assert (
        mail.to == "helpful@example.org" and "Owning asks you" in mail.text and "/studio/shared" in mail.text
    )
    await story.become(client, pair.other)
    assert (await client.patch(here, json={"name": "Mine"})).status_code == 404
    (asked,) = ok(await client.get(f"{API}/me/collaborations"))
    assert (asked["modelId"], asked["status"], asked["owner"]) == (pair.model, "pending", "Owning")
    await answer(client, pair, True)
    assert ok(await client.patch(here, json={"name": "Ours"}))["name"] == "Ours"
    made = await story.version(client, pair.model)
    await story.file(client, made["id"])
    await story.picture(client, made["id"])
    ok(await client.post(f"{here}/publish"))
    await client.run_tasks()
    assert (await client.delete(here)).status_code == 403
    assert (await client.post(f"{here}/collaborators", json={"username": "owning"})).status_code == 403
    assert (await client.get(f"/models/{pair.model}/manage", headers=HTML)).status_code == 200
    client.sign_out()
    assert await listed(client, pair) == [("Helpful", "accepted")]
    page = (await client.page(f"/models/{pair.model}")).text
    assert "Together with" in page and 'href="/user/Helpful"' in page


@pytest.mark.parametrize("by_owner", [True, False])
async def test_who_is_gone_may_nothing(client: Client, pair: Pair, by_owner: bool) -> None:
    await ask(client, pair)
    await answer(client, pair, True)
    await story.become(client, pair.owner if by_owner else pair.other)
    ok(await client.delete(f"{API}/models/{pair.model}/collaborators/helpful"), 204)
    ok(await client.delete(f"{API}/models/{pair.model}/collaborators/helpful"), 204 if by_owner else 404)
    await story.become(client, pair.other)
    assert (await client.patch(f"{API}/models/{pair.model}", json={"name": "x"})).status_code == 404
    assert ok(await client.get(f"{API}/me/collaborations")) == []


async def test_a_no_is_kept_and_can_be_taken_back(client: Client, pair: Pair) -> None:
    await ask(client, pair)
    await answer(client, pair, False)
    assert (await ask(client, pair, status=409))["code"] == "declined"
    ok(await client.delete(f"{API}/models/{pair.model}/collaborators/helpful"), 204)
    assert await listed(client, pair) == [("Helpful", "declined")]
    await answer(client, pair, True)
    assert await listed(client, pair) == [("Helpful", "accepted")]
    await story.become(client, pair.owner)
    assert await listed(client, pair) == [("Helpful", "accepted")]


async def test_who_cannot_be_asked(client: Client, pair: Pair) -> None:
    assert (await ask(client, pair, "owning", 400))["code"] == "own_model"
    assert (await ask(client, pair, "nobody_at_all", 404))["code"] == "person_not_found"
    assert (await answer(client, pair, True, 404))["code"] == "invitation_not_found"
    async with client.house.database.unit() as session:
        row = {"person_id": pair.other, "target_id": pair.owner, "kind": "block"}
        await session.execute(insert(Follow).values(**row))
    assert (await ask(client, pair, status=403))["code"] == "blocked"
    for number in range(collaborators.MOST):
        await story.person(client, f"many_{number}")
        await ask(client, pair, f"many_{number}")
    await story.person(client, "one_more")
    assert (await ask(client, pair, "one_more", 409))["code"] == "too_many_collaborators"


async def test_a_key_that_may_not_read_models_is_a_stranger(client: Client, pair: Pair) -> None:
    await ask(client, pair)
    await answer(client, pair, True)
    client.sign_out()
    await client.use_key(pair.other, scopes=Scope.USER_READ)
    assert (await client.get(f"{API}/models/{pair.model}/collaborators")).status_code == 404


async def test_who_leaves_the_site_leaves_the_model(client: Client, pair: Pair) -> None:
    await ask(client, pair)
    await answer(client, pair, True)
    async with client.house.database.unit() as session:
        await collaborators.forget(session, person_id=pair.other)
    assert (await client.patch(f"{API}/models/{pair.model}", json={"name": "x"})).status_code == 404
    await story.become(client, pair.owner)
    assert await listed(client, pair) == []


async def test_the_pages_do_it_without_script(client: Client, pair: Pair) -> None:
    manage = f"/models/{pair.model}/manage"
    await story.become(client, pair.owner, by_key=False)
    await client.submit(f"/models/{pair.model}/collaborators", username="@Helpful")
    assert "asked" in (await client.page(manage)).text
    await story.become(client, pair.other, by_key=False)
    shared = (await client.page("/studio/shared")).text
    assert "Common &lt;work&gt;" in shared and "Accept" in shared
    await client.submit(f"/studio/shared/{pair.model}/accept")
    own = (await client.page(manage)).text
    assert "Leave it" in own and f"/models/{pair.model}/do/delete" not in own and "Ask somebody" not in own
    assert f'href="{manage}"' in (await client.page("/studio/shared")).text
    await client.submit(f"/studio/shared/{pair.model}/leave")
    assert (await client.page(manage)).status_code == 404
