"""Posts over the API: from upload to publication, and what strangers are told."""

from __future__ import annotations

from datetime import timedelta

from tests.factories.accounts import make_person
from tests.factories.feeds import make_image
from tests.factories.films import film
from tests.factories.http import Client
from tests.factories.posts import make_post
from tests.flows import story
from tests.flows.story import API, ok

from civitas.infra.imaging import png
from civitas.kit import clock

RECIPE = "a paper boat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48"


async def test_a_post_from_upload_to_removal(client: Client) -> None:
    owner = await story.new_program(client)
    post = ok(
        await client.post(f"{API}/posts", json={"title": "Boats", "detail": "*two*", "tags": ["boat"]}), 201
    )
    here = f"{API}/posts/{post['id']}"
    assert (post["state"], post["detailHtml"]) == ("draft", "<p><em>two</em></p>")
    refused = await client.post(f"{here}/publish")
    assert (refused.status_code, refused.json()["code"]) == (400, "no_picture")
    ids = []
    for purpose in ("image", "media"):
        data = png.embed_text(story.drawing(), RECIPE)
        upload = await story.upload(client, data, "boat.png", purpose=purpose)
        made = ok(await client.post(f"{here}/images", json={"uploadId": upload, "note": "A boat"}), 201)
        ids.append(made["id"])
    await client.run_tasks()
    refused = await client.post(f"{here}/publish")
    assert refused.json()["code"] == "pictures_unrated"
    ok(await client.put(f"{here}/images/level", json={"nsfwLevel": 1}), 204)
    ok(await client.put(f"{here}/images/order", json={"ids": ids[::-1]}), 204)
    client.sign_out()
    assert (await client.get(here)).status_code == 404
    await story.become(client, owner)
    assert ok(await client.post(f"{here}/publish"))["state"] == "published"
    await client.run_tasks()
    client.sign_out()
    shown = ok(await client.get(here))
    assert [image["id"] for image in shown["images"]] == ids[::-1]
    assert shown["images"][0]["note"] == "A boat" and shown["tags"] == ["boat"]
    assert (await client.get(shown["images"][0]["url"])).status_code == 200
    listed = ok(await client.get(f"{API}/images", params={"postId": post["id"]}))
    assert {item["id"] for item in listed["items"]} == set(ids)
    await story.become(client, owner)
    mine = ok(await client.get(f"{API}/me/posts"))
    assert [(one["id"], one["imageCount"]) for one in mine["items"]] == [(post["id"], 2)]
    ok(await client.delete(here), 204)
    await client.run_tasks()
    assert ok(await client.get(f"{API}/images", params={"postId": post["id"]}))["items"] == []
    assert (await client.get(shown["images"][0]["url"])).status_code == 404
    assert ok(await client.post(f"{here}/restore"))["state"] == "published"


async def test_a_scheduled_post_shows_when_its_time_comes(client: Client) -> None:
    owner = await story.new_program(client)
    post = ok(await client.post(f"{API}/posts", json={}), 201)
    here = f"{API}/posts/{post['id']}"
    upload = await story.upload(client, story.drawing(), "a.png", purpose="media")
    ok(await client.post(f"{here}/images", json={"uploadId": upload, "nsfwLevel": 1}), 201)
    await client.run_tasks()
    at = clock.now() + timedelta(hours=2)
    assert (
        ok(await client.post(f"{here}/publish", json={"publishAt": at.isoformat()}))["state"] == "scheduled"
    )
    client.sign_out()
    assert (await client.get(here)).status_code == 404
    assert ok(await client.get(f"{API}/images", params={"postId": post["id"]}))["items"] == []
    await story.become(client, owner)
    assert ok(await client.post(f"{here}/unpublish"))["state"] == "draft"
    soon = await client.post(f"{here}/publish", json={"publishAt": clock.now().isoformat()})
    assert soon.json()["code"] == "schedule_too_soon"


async def test_a_film_and_a_sound_in_a_post(client: Client) -> None:
    await story.new_program(client)
    post = ok(await client.post(f"{API}/posts", json={}), 201)
    here = f"{API}/posts/{post['id']}"
    for name, data in (
        ("a.mp4", film(audio="aac")),
        ("b.mp3", film(shape="mp3", video=None, audio="mp3")),
        ("c.mp4", b"no film at all"),
    ):
        upload = await story.upload(client, data, name, purpose="media")
        ok(await client.post(f"{here}/images", json={"uploadId": upload, "nsfwLevel": 1}), 201)
    await client.run_tasks()
    ok(await client.post(f"{here}/publish"))
    client.sign_out()
    moving, sound = ok(await client.get(here))["images"]
    assert (moving["type"], moving["hasSound"], sound["type"]) == ("video", True, "audio")
    assert 1900 < moving["durationMs"] < 2400
    for url, kind in (
        (moving["url"], "image/jpeg"),
        (moving["url"].replace(".jpeg", ".mp4"), "video/mp4"),
        (moving["url"].replace("width=450", "original=true"), "video/mp4"),
        (sound["url"].replace("width=450", "original=true"), "audio/mpeg"),
    ):
        answer = await client.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


async def test_posts_are_listed_with_the_filters_of_feeds(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session, "ana"), await make_person(session, "ben")
        now = clock.now()
        made = []
        for at in range(5):
            post = await make_post(
                session, ana, title=f"Boat {at}", published_at=now - timedelta(hours=at + 1)
            )
            await make_image(session, ana, post_id=post, tags=("boat",))
            made.append(post)
        await make_image(session, ana, post_id=made[0], nsfw_level=8)
        kite = await make_image(session, ben, tags=("kite",))
        loud = await make_image(session, ben, nsfw_level=8)
        draft = await make_post(session, ben, published=False)
        await make_image(session, ben, post_id=draft)
    first = ok(await client.get(f"{API}/posts", params={"username": "ana", "limit": 3}))
    assert [one["id"] for one in first["items"]] == made[:3]
    assert first["items"][0] | {"publishedAt": ""} == {
        "id": made[0],
        "title": "Boat 0",
        "username": "ana",
        "publishedAt": "",
        "imageCount": 1,
        "imageIds": first["items"][0]["imageIds"],
        "url": first["items"][0]["url"],
    }
    assert len(first["items"][0]["imageIds"]) == 1, "the mature one is not counted for a stranger"
    rest = ok(await client.get(first["metadata"]["nextPage"]))
    assert [one["id"] for one in rest["items"]] == made[3:] and rest["metadata"]["nextCursor"] is None
    tagged = ok(await client.get(f"{API}/posts", params={"tags": "kite"}))["items"]
    assert [one["imageIds"] for one in tagged] == [[kite]]
    every = ok(await client.get(f"{API}/posts", params={"nsfw": "X"}))["items"]
    assert loud not in [number for one in every for number in one["imageIds"]]
    assert draft not in [one["id"] for one in every]
    assert (await client.get(f"{API}/posts", params={"sort": "Loudest"})).status_code == 400
