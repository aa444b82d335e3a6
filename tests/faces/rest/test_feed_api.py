"""`GET /images` with its filters, reactions, hiding and seeing over the API."""

from __future__ import annotations

from typing import Any

from tests.factories.accounts import make_person
from tests.factories.feeds import make_image
from tests.factories.http import Client

API = "/api/v1"


async def listed(client: Client, **params: Any) -> list[int]:
    answer = await client.get(f"{API}/images", params=params)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_every_parameter_narrows_and_pages_follow_their_links(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner = await make_person(session, "Painter")
        cat = await make_image(session, owner, tags=("cat",), meta={"prompt": "x"}, tools=("Krita",))
        film = await make_image(session, owner, kind="video", remix_of_id=cat)
        here = await make_image(session, owner, workflow_id="wf")
        soft = await make_image(session, owner, nsfw_level=2)
        mature = await make_image(session, owner, nsfw_level=8)
    safe = [soft, here, film, cat]
    assert await listed(client) == safe
    assert await listed(client, nsfw="X", browsingLevel=31) == safe, "strangers get safe levels only"
    assert await listed(client, nsfw="None") == await listed(client, nsfw="false") == safe
    assert await listed(client, tags="cat") == await listed(client, tag="cat") == [cat]
    assert await listed(client, tags="-cat") == [soft, here, film]
    assert await listed(client, tools="krita") == await listed(client, withMeta="True") == [cat]
    assert await listed(client, type="video") == await listed(client, remixes="true") == [film]
    assert await listed(client, fromPlatform="1") == [here]
    assert await listed(client, username="painter", sort="Oldest") == safe[::-1]
    assert await listed(client, username="nobody") == await listed(client, tag="unheard") == []
    assert await listed(client, imageId=mature) == []
    first = (await client.get(f"{API}/images", params={"limit": 3, "tags": "-cat", "sort": "Oldest"})).json()
    assert [item["id"] for item in first["items"]] == [film, here, soft]
    two = (await client.get(f"{API}/images", params={"limit": 2, "type": "image"})).json()
    onward = await client.get(two["metadata"]["nextPage"])
    assert [i["id"] for i in two["items"] + onward.json()["items"]] == [soft, here, cat]
    assert (await client.get(f"{API}/images", params={"limit": 200, "page": 6})).status_code == 429
    assert (await client.get(f"{API}/images", params={"type": "smell"})).status_code == 400
    item = (await client.get(f"{API}/images", params={"imageId": cat})).json()["items"][0]
    assert item["nsfw"] is False and item["nsfwLevel"] == "None" and item["browsingLevel"] == 1
    assert item["username"] == "Painter" and item["meta"] == {"prompt": "x"}
    assert item["stats"]["heartCount"] == 0 and f"/img/{item['url'].split('/')[4]}/width=" in item["url"]


async def test_reacting_hiding_and_seeing(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner, fan = await make_person(session), await make_person(session)
        image, other = await make_image(session, owner, tags=("moon",)), await make_image(session, owner)
    url = f"{API}/reactions/image/{image}"
    assert (await client.put(f"{url}/heart")).status_code == 401
    await client.use_key(fan)
    assert (await client.put(f"{url}/heart")).status_code == 204
    assert (await client.put(f"{url}/heart")).status_code == 204
    told = (await client.get(url)).json()
    assert told["heartCount"] == 1 and told["mine"] == ["heart"]
    await client.run_tasks()
    stats = (await client.get(f"{API}/images", params={"imageId": image})).json()["items"][0]["stats"]
    assert stats["heartCount"] == 1
    assert await listed(client, sort="Most Reactions") == [image, other]
    assert (await client.delete(f"{url}/heart")).status_code == 204
    assert (await client.get(url)).json()["heartCount"] == 0
    assert (await client.put(f"{url}/envy")).status_code in (400, 422)
    assert (await client.put(f"{API}/tags/moon/hidden")).status_code == 204
    assert await listed(client) == [other]
    hidden = (await client.get(f"{API}/me/hidden-things")).json()["items"]
    assert [(one["kind"], one["name"]) for one in hidden] == [("tag", "moon")]
    assert (await client.delete(f"{API}/tags/moon/hidden")).status_code == 204
    assert (await client.put(f"{API}/images/{other}/hidden")).status_code == 204
    assert await listed(client) == [image]
    assert (await client.delete(f"{API}/images/{other}/hidden")).status_code == 204
    assert (await client.post(f"{API}/me/seen", json={"imageIds": [image]})).status_code == 204
    assert await listed(client, unseen="true") == [other]
    assert (await client.delete(f"{API}/me/seen")).status_code == 204
    assert await listed(client, unseen="true") == [other, image]
