"""Staff's pages and API about prompts and outputs that nobody could rate."""

from __future__ import annotations

from tests.factories.accounts import actor_for, make_person
from tests.factories.http import Client
from tests.factories.media import make_blob, make_job, make_step, make_workflow

from civitas.domains.accounts.types import Role
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.studio import blocking


async def _refused(client: Client, times: int) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, "eager")
        actor = actor_for(person)
        for _ in range(times):
            audit = await blocking.look(session, actor, prompt="a nude child")
            await blocking.count(session, actor, findings=audit.hard, prompt="a nude child")
    return person


async def _staff(client: Client) -> None:
    async with client.house.database.unit() as session:
        staff = await make_person(session, role=Role.MODERATOR)
    await client.sign_in(staff)


async def test_a_restriction_is_looked_at_and_overturned(client: Client) -> None:
    person = await _refused(client, 9)
    await client.sign_in(person)
    assert (await client.get("/staff/prompts")).status_code == 403
    assert (await client.get("/api/v1/staff/studio/restrictions")).status_code == 403
    await _staff(client)
    page = (await client.page("/staff/prompts")).text
    assert "eager" in page
    assert "9 prompts were refused" in page
    detail = (await client.page(f"/staff/prompts/{person}")).text
    assert "a nude child" in detail
    (case,) = (await client.get("/api/v1/staff/studio/restrictions")).json()["items"]
    done = await client.submit(
        f"/staff/prompts/{person}/overturn", restriction=case["id"], reason="A misunderstanding."
    )
    assert done.status_code == 303
    assert "They can generate." in (await client.page(f"/staff/prompts/{person}")).text
    assert (await client.get("/api/v1/staff/studio/restrictions")).json()["items"] == []
    assert "studio.restriction.overturn" in (await client.page("/staff/log")).text
    assert (await client.get("/staff/prompts/987654")).status_code == 404
    bad = await client.submit(f"/staff/prompts/{person}/explode", reason="x")
    assert bad.status_code == 303


async def test_phrases_are_cleared_and_taken_back_over_the_api(client: Client) -> None:
    person = await _refused(client, 6)
    await _staff(client)
    given = {"personId": person, "phrase": "nude child", "reason": "The title of a painting."}
    assert (await client.post("/api/v1/staff/studio/phrases", json=given)).status_code == 204
    record = (await client.get("/api/v1/staff/studio/record", params={"personId": person})).json()
    assert [one["phrase"] for one in record["allowances"]] == ["nude child"]
    assert (len(record["blocks"]), record["restricted"]) == (6, False)
    assert (await client.get("/api/v1/staff/studio/often")).json()[0]["blocks"] == 6
    async with client.house.database.reading() as session:
        assert not (await blocking.look(session, actor_for(person), prompt="nude child")).hard
    assert (await client.post("/api/v1/staff/studio/phrases/withdraw", json=given)).status_code == 204
    assert (await client.post("/api/v1/staff/studio/phrases/withdraw", json=given)).status_code == 404
    stopped = {"personId": person, "reason": "Enough."}
    assert (await client.post("/api/v1/staff/studio/restrictions", json=stopped)).status_code == 204
    (case,) = (await client.get("/api/v1/staff/studio/restrictions", params={"state": "upheld"})).json()[
        "items"
    ]
    decided = await client.post(
        f"/api/v1/staff/studio/restrictions/{case['id']}/decision",
        json={"upheld": False, "note": "Talked to."},
    )
    assert decided.json()["state"] == "overturned"


async def test_what_nobody_rated_is_rated_by_a_moderator(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session)
        flow = await make_workflow(session, person)
        job = await make_job(session, await make_step(session, flow), person)
        blob = await session.get_one(MediaBlob, await make_blob(session, flow))
        blob.job_id = job.id
        blob_id = blob.id
    await _staff(client)
    assert blob_id in (await client.page("/staff/outputs")).text
    (found,) = (await client.get("/api/v1/staff/studio/outputs")).json()["items"]
    assert (found["id"], found["personId"]) == (blob_id, person)
    assert (await client.submit(f"/staff/outputs/{blob_id}", level="r")).status_code == 303
    assert blob_id not in (await client.page("/staff/outputs")).text
    rated = await client.put(
        f"/api/v1/staff/studio/outputs/{blob_id}/level", json={"level": "pg13", "reason": "Looked again."}
    )
    assert rated.status_code == 204
    assert (
        await client.put(
            f"/api/v1/staff/studio/outputs/{'Z' * 26}/level", json={"level": "pg", "reason": "x"}
        )
    ).status_code == 404


async def test_a_blob_is_blocked_and_allowed_again_by_page_and_api(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner = await make_person(session)
        blob_id = await make_blob(session, await make_workflow(session, owner), b"bad")
    await client.sign_in(owner)
    assert (
        await client.post(f"/api/v1/staff/media/{blob_id}/block", json={"reason": "x"})
    ).status_code == 403
    await _staff(client)
    page = (await client.page(f"/staff/outputs?blob={blob_id}")).text
    assert f'value="{blob_id}"' in page
    link = f"https://hub.example.org/v2/consumer/blobs/{blob_id}?sig=x&exp=1"
    done = await client.submit("/staff/media", blob=link, reason="Illegal.", deed="block")
    assert done.status_code == 303
    assert await _reason(client, blob_id) == "Illegal."
    answer = await client.post(f"/api/v1/staff/media/{blob_id}/unblock", json={"reason": "Not at all."})
    assert answer.json() == {"blobs": 1}
    assert await _reason(client, blob_id) is None
    await client.submit("/staff/media", blob=blob_id, reason="", deed="block")
    assert await _reason(client, blob_id) is None
    log = (await client.page("/staff/log")).text
    assert "media.block" in log and "media.unblock" in log


async def _reason(client: Client, blob_id: str) -> str | None:
    async with client.house.database.reading() as session:
        blob = await session.get(MediaBlob, blob_id, populate_existing=True)
        return blob.blocked_reason if blob is not None else "gone"
