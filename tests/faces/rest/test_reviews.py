"""Reviews over the API."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.catalog import make_published_model
from tests.factories.http import Client

from civitas.domains.catalog import rebuilding


async def test_a_review_from_writing_to_the_counts(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner, ben = await make_person(session), await make_person(session, "ben_r")
        model, (version,) = await make_published_model(session, owner)
        await rebuilding.rebuild(session, [model])
    await client.sign_in(ben)
    path = f"/api/v1/model-versions/{version}/review"
    made = await client.put(path, json={"recommended": True, "content": "Sharp"})
    assert (made.status_code, made.json()["person"]["username"]) == (200, "ben_r")
    where = f"/api/v1/reviews/{made.json()['id']}"
    assert (await client.put(f"{where}/excluded", json={"excluded": True})).status_code == 403
    await client.run_tasks()

    async def thumbs() -> tuple[int, int]:
        stats = (await client.get(f"/api/v1/models/{model}")).json()["stats"]
        return stats["thumbsUpCount"], stats["thumbsDownCount"]

    assert await thumbs() == (1, 0)
    await client.put(path, json={"recommended": False})
    await client.run_tasks()
    assert await thumbs() == (0, 1)
    listed = (await client.get("/api/v1/reviews", params={"username": "ben_r"})).json()
    assert [one["recommended"] for one in listed["items"]] == [False]
    assert len((await client.get("/api/v1/reviews")).json()["items"]) == 1
    summary = (await client.get(f"/api/v1/models/{model}/review-summary")).json()
    assert [(one["up"], one["down"]) for one in summary] == [(0, 1)]
    await client.sign_in(owner)
    assert (await client.put(path, json={"recommended": True})).json()["code"] == "own_model"
    assert (await client.put(f"{where}/excluded", json={"excluded": True})).json()["excluded"]
    await client.run_tasks()
    assert await thumbs() == (0, 0)
    await client.sign_in(ben)
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(where)).status_code == 404
