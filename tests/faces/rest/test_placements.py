"""Placements over the API: shapes, keys, scopes."""

from __future__ import annotations

from tests.factories.accounts import make_key
from tests.factories.http import Client
from tests.factories.placements import make_sticker, make_wall

from civitas.domains.accounts.types import Scope
from civitas.domains.gallery.placements.types import Openness


async def test_one_looks_offers_and_is_answered(client: Client) -> None:
    async with client.house.database.unit() as session:
        wall = await make_wall(session)
        owl = await make_sticker(session, wall.placer.require(), share=20)
    path = f"/api/v1/images/{wall.image}/placements"
    shipped = (await client.get("/api/v1/stickers")).json()
    assert len(shipped) == 12 and shipped[0] == {
        "word": "heart",
        "name": "Heart",
        "image": None,
        "makerShare": 0,
    }
    await client.use_key(wall.placer.require())
    assert (await client.get("/api/v1/stickers")).json()[-1]["word"] == f"c{owl}"
    quote = (await client.get(f"{path}/quote")).json()
    assert (quote["price"], quote["ownerPart"], quote["platformPart"], quote["declineFee"]) == (
        80,
        56,
        24,
        24,
    )
    assert [one["colour"] for one in quote["purses"]] == ["green", "yellow"]
    wanted = {"sticker": "star", "x": 0.25, "y": 1, "scale": 1.5, "rotation": -30, "price": 80}
    key = {"Idempotency-Key": "once"}
    made = await client.post(path, json=wanted, headers=key)
    assert made.status_code == 201 and made.json()["status"] == "pending"
    number = made.json()["id"]
    assert (await client.post(path, json=wanted, headers=key)).json()["id"] == number
    assert (await client.post(path, json={"sticker": "star", "remixId": 1})).json()["code"] == "bad_placement"
    assert (await client.post(path, json={"sticker": "star", "colour": "blue"})).json()[
        "code"
    ] == "wrong_colour"
    assert (await client.post(path, json={"sticker": "star", "x": 1.1})).status_code == 400
    assert (await client.post(f"/api/v1/placements/{number}/approve")).status_code == 404
    await client.use_key(wall.owner.require())
    listed = (await client.get("/api/v1/me/placements?status=pending")).json()["items"]
    assert [one["id"] for one in listed] == [number]
    approved = (await client.post(f"/api/v1/placements/{number}/approve")).json()
    assert approved["status"] == "approved" and approved["settlesAt"]
    client.sign_out()
    (shown,) = (await client.get(path)).json()
    assert (shown["sticker"], shown["x"], shown["y"], shown["scale"], shown["rotation"]) == (
        "star",
        0.25,
        1,
        1.5,
        -30,
    )
    await client.use_key(wall.owner.require())
    removed = (await client.post(f"/api/v1/placements/{number}/remove", json={"reason": "Enough"})).json()
    assert (removed["status"], removed["removedBy"], removed["reason"]) == ("removed", "owner", "Enough")


async def test_a_key_without_tipping_places_nothing(client: Client) -> None:
    async with client.house.database.unit() as session:
        wall = await make_wall(session, mode=Openness.AUTO)
        weak = await make_key(session, wall.placer.require(), scopes=Scope.FULL & ~Scope.SOCIAL_TIP)
    answer = await client.post(
        f"/api/v1/images/{wall.image}/placements",
        json={"sticker": "star"},
        headers={"Authorization": f"Bearer {weak}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_spaces_say_what_is_set_and_what_holds(client: Client) -> None:
    async with client.house.database.unit() as session:
        wall = await make_wall(session)
    await client.use_key(wall.owner.require())
    path = f"/api/v1/posts/{wall.post}/placement-space"
    changed = (await client.put(path, json={"sticker": {"mode": "off"}})).json()
    first = changed["spaces"][0]
    assert first == {
        "kind": "sticker", "mode": "off", "price": None, "inheritedMode": "review", "inheritedPrice": 80,
    }  # fmt: skip
    assert changed["highestPrice"] == 100
    assert (await client.put(path, json={"remix": {"price": 5}})).json()["code"] == "bad_price"
    own = (await client.get(f"/api/v1/images/{wall.image}/placement-space")).json()
    assert own["spaces"][0]["inheritedMode"] == "off"
    assert (
        await client.put("/api/v1/me/placement-space", json={"remix": {"mode": "auto"}})
    ).status_code == 200
