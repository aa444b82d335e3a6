"""Comments over the API."""

from __future__ import annotations

from tests.factories.accounts import make_actor, make_person
from tests.factories.catalog import make_published_model
from tests.factories.http import Client

from civitas.domains.accounts.types import Role, Scope


async def test_a_thread_from_the_first_word_to_the_lock(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner, ben = await make_person(session, "owner_c"), await make_person(session, "ben_c")
        model, _ = await make_published_model(session, owner)
    await client.sign_in(ben)
    about = {"kind": "model", "subjectId": model}
    made = await client.post("/api/v1/comments", json={**about, "content": "Hello @owner_c"})
    assert made.status_code == 201
    said = made.json()
    assert (said["person"]["username"], said["mentions"], said["depth"]) == ("ben_c", ["owner_c"], 1)
    where = f"/api/v1/comments/{said['id']}"
    answer = (
        await client.post("/api/v1/comments", json={**about, "content": "And", "parentId": said["id"]})
    ).json()
    changed = await client.patch(where, json={"content": "Hello all"})
    assert (changed.json()["content"], changed.json()["mentions"]) == ("Hello all", [])
    assert (await client.get(where)).json()["replyCount"] == 1
    assert (await client.get(f"{where}/history")).status_code == 403
    assert (await client.put(f"{where}/hidden")).status_code == 403
    assert (await client.put(f"{where}/pinned", json={"pinned": True})).status_code == 403

    await client.sign_in(owner)
    assert (await client.put(f"{where}/pinned", json={"pinned": True})).json()["pinned"]
    thread = (await client.get("/api/v1/comments", params=about)).json()
    assert (thread["count"], thread["items"], thread["deepest"]) == (2, [], 5)
    assert [one["id"] for one in thread["pinned"][0]["replies"]] == [answer["id"]]
    assert (await client.put(f"/api/v1/comments/{answer['id']}/hidden")).status_code == 204
    assert (await client.delete(f"/api/v1/comments/{answer['id']}")).status_code == 403
    lock = f"/api/v1/comment-threads/model/{model}/lock"
    assert (await client.put(lock, json={"locked": True})).json() == {**about, "locked": True, "count": 1}

    client.sign_out()
    counted = await client.get("/api/v1/comments/counts", params={"kind": "model", "ids": f"{model},7777777"})
    assert counted.json()["counts"] == {str(model): 1, "7777777": 0}
    replies = (await client.get(f"{where}/replies")).json()["items"]
    assert [(one["state"], one["content"]) for one in replies] == [("hidden", "")]
    assert (await client.post("/api/v1/comments", json={**about, "content": "x"})).status_code in (401, 403)

    await client.sign_in(ben)
    refused = await client.post("/api/v1/comments", json={**about, "content": "More"})
    assert (refused.status_code, refused.json()["code"]) == (409, "thread_locked")
    assert (await client.delete(where)).status_code == 204
    assert (await client.get(where)).json()["state"] == "removed"


async def test_hiding_needs_no_reason_and_staff_read_history(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner, staff = await make_person(session), await make_actor(session, role=Role.MODERATOR)
        model, _ = await make_published_model(session, owner)
    await client.sign_in(owner)
    said = (
        await client.post("/api/v1/comments", json={"kind": "model", "subjectId": model, "content": "One"})
    ).json()
    where = f"/api/v1/comments/{said['id']}"
    await client.patch(where, json={"content": "Two"})
    await client.sign_in(staff.id or 0)
    assert [one["content"] for one in (await client.get(f"{where}/history")).json()] == ["One"]
    assert (await client.put(f"{where}/hidden", json={"reason": "Off topic"})).status_code == 204
    assert (await client.delete(f"{where}/hidden")).status_code == 204


async def test_what_makes_no_sense_is_told(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session)
        model, _ = await make_published_model(session, person)
    await client.use_key(person, scopes=Scope.USER_READ)
    body = {"kind": "model", "subjectId": model, "content": "x"}
    assert (await client.post("/api/v1/comments", json=body)).json()["code"] == "insufficient_scope"
    await client.use_key(person)
    for wrong, status in (
        ({"content": ""}, 400),
        ({"content": "y" * 50_001}, 400),
        ({"kind": "nonsense"}, 404),
        ({"subjectId": 0}, 400),
        ({"parentId": 2**62}, 404),
    ):
        assert (await client.post("/api/v1/comments", json=body | wrong)).status_code == status, wrong
    for query in ({"kind": "model", "ids": "x"}, {"kind": "model", "ids": ",".join(["1"] * 201)}):
        assert (await client.get("/api/v1/comments/counts", params=query)).status_code == 400
    assert (await client.get("/api/v1/comments/7777777")).status_code == 404
    assert (await client.post("/api/v1/comments", json=body)).status_code == 201
    listed = await client.get("/api/v1/comments", params={"kind": "model", "subjectId": model, "cursor": "x"})
    assert listed.status_code == 400
