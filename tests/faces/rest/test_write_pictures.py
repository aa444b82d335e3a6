"""Pictures over the API: their recipe hidden, their originals, what moderators block."""

from __future__ import annotations

from typing import Any

import pytest
from tests.factories.accounts import make_person
from tests.factories.http import Client
from tests.flows import story
from tests.flows.story import API, ok

from civitas.domains.accounts.types import Role
from civitas.infra.imaging import png

RECIPE = "a paper boat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48"


async def shown_picture(client: Client) -> tuple[int, int, Any, bytes]:
    """The owner with a published model, and its one picture with a recipe: owner, version, picture, its bytes."""
    owner = await story.new_program(client)
    model = await story.draft(client)
    version = await story.version(client, model["id"])
    await story.file(client, version["id"])
    data = png.embed_text(story.drawing(), RECIPE)
    made = await story.picture(client, version["id"], data)
    ok(await client.post(f"{API}/models/{model['id']}/publish"))
    await client.run_tasks()
    (listed,) = ok(await client.get(f"{API}/model-versions/{version['id']}/images"))
    assert listed["id"] == made["id"]
    return owner, version["id"], listed, data


def original(image: Any) -> str:
    return str(image["url"]).replace("width=450", "original=true")


async def prompts(client: Client, version_id: int) -> list[Any]:
    """The prompts that strangers are told: in the version's document and in the list of pictures."""
    await client.run_tasks()
    version = ok(await client.get(f"{API}/model-versions/{version_id}"))
    listed = ok(await client.get(f"{API}/images", params={"modelVersionId": version_id}))
    every = [*version["images"], *listed["items"]]
    assert len(every) == 2
    return [(image["meta"] or {}).get("prompt") for image in every]


async def test_a_hidden_recipe_is_told_nowhere_and_comes_back(client: Client) -> None:
    owner, version_id, image, data = await shown_picture(client)
    assert await prompts(client, version_id) == ["a paper boat"] * 2
    changed = ok(await client.patch(f"{API}/images/{image['id']}", json={"hideMeta": True}))
    assert changed["hideMeta"] is True and changed["nsfwLevel"] == 1
    client.sign_out()
    assert await prompts(client, version_id) == [None, None]
    given = await client.get(original(image))
    assert given.status_code == 200 and b"paper boat" not in given.content
    assert "immutable" in given.headers["cache-control"]
    await story.become(client, owner)
    ok(await client.patch(f"{API}/images/{image['id']}", json={"hideMeta": False, "nsfwLevel": 2}))
    client.sign_out()
    assert await prompts(client, version_id) == ["a paper boat"] * 2
    given = await client.get(original(image))
    assert given.content == data
    # It may be hidden again, so it is not kept for ever.
    assert "immutable" not in given.headers["cache-control"]


@pytest.mark.parametrize(
    "body", [{}, {"nsfwLevel": 3}, {"nsfwLevel": 32}, {"hideMeta": "perhaps"}, {"level": 1}]
)
async def test_changes_that_cannot_be(client: Client, body: dict[str, Any]) -> None:
    _, _, image, _ = await shown_picture(client)
    answer = await client.patch(f"{API}/images/{image['id']}", json=body)
    assert answer.status_code == 400, answer.text


async def test_only_the_owner_hides(client: Client) -> None:
    _, _, image, _ = await shown_picture(client)
    await story.new_program(client)
    answer = await client.patch(f"{API}/images/{image['id']}", json={"hideMeta": True})
    assert answer.status_code == 403


async def test_a_blocked_picture_loses_its_copies_and_gets_them_back(client: Client) -> None:
    owner, version_id, image, _ = await shown_picture(client)
    here = f"{API}/images/{image['id']}"
    copies = [key for key in client.store.objects if key.startswith("media/")]
    assert copies
    async with client.house.database.unit() as session:
        moderator = await make_person(session, role=Role.MODERATOR)
    await story.become(client, moderator)
    assert ok(await client.patch(here, json={"nsfwLevel": 32}))["nsfwLevel"] == 32
    await client.run_tasks()
    assert not [key for key in client.store.objects if key.startswith("media/")]
    for address in (image["url"], original(image)):
        assert (await client.get(address)).status_code == 404
    await story.become(client, owner)
    refused = await client.patch(here, json={"nsfwLevel": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "image_blocked")
    await story.become(client, moderator)
    ok(await client.patch(here, json={"nsfwLevel": 1}))
    await client.run_tasks()
    assert sorted(key for key in client.store.objects if key.startswith("media/")) == sorted(copies)
    client.sign_out()
    assert (await client.get(image["url"])).status_code == 200
    assert await prompts(client, version_id) == ["a paper boat"] * 2
