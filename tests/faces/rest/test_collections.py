"""Collections over the API: shapes, limits, leaks, and how many statements a page takes."""

from __future__ import annotations

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_published_model
from tests.factories.collections import make_collection, make_posted
from tests.factories.http import Client

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import rebuilding
from civitas.domains.gallery.collections import filling
from civitas.domains.gallery.collections.types import Kind, ReadBy, WriteBy


async def _filled(client: Client, *levels: int, mature: bool = True) -> tuple[Actor, int, list[int]]:
    async with client.house.database.unit() as session:
        ana = await make_actor(session, mature=mature)
        _, images = await make_posted(session, ana.require(), levels=levels)
        made = await make_collection(session, ana)
        await filling.add(session, ana, collection_id=made.id, subject_ids=images)
        return ana, made.id, images


async def test_a_stranger_reads_public_ones_without_what_is_mature(client: Client) -> None:
    _, number, images = await _filled(client, 1, 8)
    listed = (await client.get("/api/v1/collections")).json()
    (one,) = listed["items"]
    assert (one["id"], one["type"], one["read"], one["mode"]) == (number, "Image", "Public", None)
    assert (one["itemCount"], one["nsfw"], one["nsfwLevel"], len(one["images"])) == (1, False, 1, 1)
    assert listed["metadata"]["totalItems"] == 1
    alone = (await client.get(f"/api/v1/collections/{number}")).json()
    assert alone == one
    items = (await client.get(f"/api/v1/collections/{number}/items?nsfw=X")).json()["items"]
    assert [item["entityId"] for item in items] == images[:1]
    assert items[0]["data"]["url"].startswith("http")


async def test_a_list_for_safe_viewers_stays_safe_for_those_who_see_more(client: Client) -> None:
    ana, number, images = await _filled(client, 1, 8)
    await client.use_key(ana.require())
    assert (await client.get("/api/v1/collections")).json()["items"][0]["itemCount"] == 1
    found = await client.get("/api/v1/collections?nsfw=X")
    assert found.json()["items"][0]["itemCount"] == 2
    items = await client.get(f"/api/v1/collections/{number}/items?browsingLevel=8")
    assert [item["entityId"] for item in items.json()["items"]] == images[1:]


async def test_one_makes_fills_changes_and_deletes_one(client: Client) -> None:
    ana, _, images = await _filled(client, 1, 1)
    await client.use_key(ana.require())
    made = await client.post("/api/v1/collections", json={"name": "Boats", "kind": "image"})
    assert made.status_code == 201
    path = f"/api/v1/collections/{made.json()['id']}"
    added = await client.post(f"{path}/items", json={"ids": images, "note": "Look"})
    assert added.json() == {"accepted": images, "waiting": []}
    changed = await client.patch(path, json={"read": "public", "write": "review"})
    assert (changed.json()["read"], changed.json()["write"]) == ("Public", "Review")
    removed = await client.post(f"{path}/items/remove", json={"ids": images[:1]})
    assert removed.json() == {"removed": 1}
    assert (await client.get(path)).json()["itemCount"] == 1
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_review_and_contributors(client: Client) -> None:
    ana, _, _ = await _filled(client, 1)
    async with client.house.database.unit() as session:
        made = await make_collection(session, ana, write_by=WriteBy.REVIEW)
        ben = await make_actor(session, "ben_of_boats")
        _, images = await make_posted(session, ben.require())
    path = f"/api/v1/collections/{made.id}"
    await client.use_key(ben.require())
    assert (await client.post(f"{path}/items", json={"ids": images})).json()["waiting"] == images
    assert (await client.get(f"{path}/items")).json()["items"] == []
    await client.use_key(ana.require())
    waiting = (await client.get(f"{path}/items?status=review")).json()["items"]
    assert [one["status"] for one in waiting] == ["REVIEW"]
    body = {"itemIds": [waiting[0]["id"]], "status": "accepted"}
    assert (await client.post(f"{path}/items/review", json=body)).json() == {"changed": 1}
    body = {"permissions": ["add", "judge"]}
    assert (await client.put(f"{path}/contributors/ben_of_boats", json=body)).status_code == 204
    (shown,) = (await client.get(f"{path}/contributors")).json()
    assert shown["permissions"] == ["view", "add", "judge"]


async def test_a_contest_over_the_api(client: Client) -> None:
    ana, _, images = await _filled(client, 1)
    await client.use_key(ana.require())
    made = await client.post(
        "/api/v1/collections", json={"name": "Sea", "kind": "image", "read": "public", "contest": True}
    )
    path = f"/api/v1/collections/{made.json()['id']}"
    rules = {"judging": True, "voting": True, "startsAt": "2026-01-01T00:00:00Z", "tags": [{"name": "Calm"}]}
    put = await client.put(f"{path}/contest", json=rules)
    (tag,) = put.json()["tags"]
    naive = await client.put(f"{path}/contest", json={"startsAt": "2026-01-01T00:00:00"})
    assert naive.status_code == 400
    await client.post(f"{path}/items", json={"ids": images, "tagId": tag["id"]})
    (item,) = (await client.get(f"{path}/items")).json()["items"]
    assert (await client.put(f"{path}/entries/{item['id']}/score", json={"score": 8})).status_code == 204
    (item,) = (await client.get(f"{path}/items?order=best&tagId={tag['id']}")).json()["items"]
    assert item["score"] == 8


async def test_models_come_with_their_public_documents(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_actor(session)
        model, _ = await make_published_model(session, ana.require(), name="Harbour light")
        await rebuilding.rebuild(session, [model])
        made = await make_collection(session, ana, kind=Kind.MODEL)
        await filling.add(session, ana, collection_id=made.id, subject_ids=[model])
    items = (await client.get(f"/api/v1/collections/{made.id}/items")).json()["items"]
    assert items[0]["data"]["name"] == "Harbour light"
    plain = (await client.get(f"/api/v1/models/{model}")).json()
    assert items[0]["data"] == plain
    assert (await client.get("/api/v1/collections")).json()["items"][0]["image"]


@pytest.mark.parametrize(
    "path",
    ["collections?limit=0", "collections?cursor=x", "collections?type=Boat", "collections?sort=worst",
     "collections/1/items?order=up", "collections?page=900&limit=50"],
)  # fmt: skip
async def test_wrong_questions_are_told(client: Client, path: str) -> None:
    _, number, _ = await _filled(client, 1)
    found = await client.get(f"/api/v1/{path.replace('/1/', f'/{number}/')}")
    assert found.status_code in {400, 429}
    assert found.json()["error"]


async def test_ids_beyond_all_rows_are_not_found(client: Client) -> None:
    for number in (0, -1, 2**63 - 1, 10**30):
        found = await client.get(f"/api/v1/collections/{number}")
        assert found.status_code in {400, 404}, (number, found.text)


async def test_pages_take_a_fixed_number_of_statements(client: Client, connection: AsyncConnection) -> None:
    async with client.house.database.unit() as session:
        ana = await make_actor(session)
        for place in range(9):
            _, images = await make_posted(session, ana.require(), levels=(1,) * 6)
            made = await make_collection(session, ana, name=f"Set {place}")
            await filling.add(session, ana, collection_id=made.id, subject_ids=images)
        await make_collection(session, ana, read_by=ReadBy.PRIVATE)
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    listed = (await client.get("/api/v1/collections")).json()["items"]
    assert len(listed) == 9
    statements = [one for one in asked if not one.startswith(("SAVEPOINT", "RELEASE", "SET", "ROLLBACK"))]
    assert len(statements) <= 2, statements
    asked.clear()
    await client.get(f"/api/v1/collections/{made.id}/items")
    statements = [one for one in asked if not one.startswith(("SAVEPOINT", "RELEASE", "SET", "ROLLBACK"))]
    assert len(statements) <= 3, statements
