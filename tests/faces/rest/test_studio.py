"""The studio over the API."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.http import Client


async def test_what_the_generator_offers_is_open_to_all(client: Client) -> None:
    offered = (await client.get("/api/v1/studio/families")).json()
    small = next(one for one in offered if one["ecosystem"] == "Tessera")
    assert {"label": "Square", "width": 64, "height": 64} in small["sizes"]
    assert small["baseModels"] == ["Tessera"]
    assert "DPM++ 2M Karras" in small["samplers"]


async def test_a_prompt_is_looked_at_and_not_counted(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.sign_in(person)
    for _ in range(10):
        found = (await client.post("/api/v1/studio/prompts/look", json={"prompt": "nude child"})).json()
    assert found["blocked"]
    assert found["faults"][0]["category"] == "inappropriate_minor"
    assert "Nothing" not in found["faults"][0]["message"]
    found = (await client.post("/api/v1/studio/prompts/look", json={"prompt": "a #colour kite"})).json()
    assert (found["blocked"], found["unknownSnippets"]) == (False, ["colour"])


async def test_presets_and_snippets_from_making_to_removing(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.sign_in(person)
    made = await client.post(
        "/api/v1/studio/presets", json={"name": "Night", "settings": {"steps": 20}, "ecosystem": "SD1"}
    )
    assert made.status_code == 201
    where = f"/api/v1/studio/presets/{made.json()['id']}"
    changed = await client.patch(where, json={"description": "dark"})
    assert changed.json()["description"] == "dark"
    listed = (await client.get("/api/v1/studio/presets", params={"ecosystem": "SD1"})).json()
    assert [one["name"] for one in listed["items"]] == ["Night"]
    assert (await client.delete(where)).status_code == 204
    assert (await client.delete(where)).status_code == 404
    saved = await client.put("/api/v1/studio/snippets/Colour", json={"entries": ["red", "red", "blue"]})
    assert saved.json() == {"name": "colour", "entries": ["red", "blue"], "own": True}
    assert (await client.get("/api/v1/studio/snippets")).json() == [saved.json()]
    assert (await client.delete("/api/v1/studio/snippets/colour")).status_code == 204
    assert (await client.put("/api/v1/studio/snippets/1", json={"entries": ["x"]})).status_code == 400
