"""The palette's suggestions, robots.txt, the site map, oEmbed and llms.txt."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from sqlalchemy import insert, select, update
from tests.faces.web.browse_shelf import publish
from tests.factories.accounts import make_actor, make_person
from tests.factories.collections import make_collection, make_posted
from tests.factories.feeds import make_image
from tests.factories.http import Client
from tests.factories.posts import make_post

from civitas.domains.accounts.tables import Follow
from civitas.domains.catalog.tables import FileHash
from civitas.domains.gallery.collections import filling
from civitas.domains.gallery.collections.types import ReadBy
from civitas.domains.gallery.tables import Post
from civitas.kit import clock

SPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


async def suggested(client: Client, q: str) -> dict[str, list[dict[str, str]]]:
    answer = await client.get("/search/suggest", params={"q": q})
    assert answer.status_code == 200
    return {group["label"]: group["items"] for group in answer.json()["groups"]}


async def test_suggestions_by_name(client: Client) -> None:
    model, _ = await publish(client, name="Velvet Hours", tags=("velvet",))
    found = await suggested(client, "vel")
    assert found["Models"][0]["href"] == f"/models/{model}/velvet-hours"
    assert found["Tags"][0]["href"] == "/tag/velvet"
    assert next(iter(await suggested(client, "#vel"))) == "Tags"
    assert (await suggested(client, "sdxl 1"))["Base models"][0]["href"] == "/base-models/SDXL%201.0"
    assert await suggested(client, "") == {}


async def test_suggestions_of_words_people_and_pictures(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_actor(session, "velvet_ana")
        _, (image, mature) = await make_posted(session, ana.require(), levels=(1, 8))
        post, _ = await make_posted(session, ana.require())
        hung = await make_collection(session, ana, name="Soft velvet nights")
        hidden = await make_collection(session, ana, name="Velvet of mine", read_by=ReadBy.PRIVATE)
        loud = await make_collection(session, ana, name="Velvet after dark")
        await filling.add(session, ana, collection_id=hung.id, subject_ids=[image])
        await filling.add(session, ana, collection_id=hidden.id, subject_ids=[image])
        await filling.add(session, ana, collection_id=loud.id, subject_ids=[mature])
    found = await suggested(client, "velv")
    assert [one["title"] for one in found["Collections"]] == ["Soft velvet nights"]
    assert found["Collections"][0]["subtitle"] == "velvet_ana · 1 thing"
    assert [one["href"] for one in found["People"]] == ["/user/velvet_ana"]
    over = (await client.get("/api/v1/suggest", params={"query": "velv"})).json()["items"]
    assert [(one["kind"], one["name"], one["count"]) for one in over] == [
        ("collection", "Soft velvet nights", 1)
    ]
    exact = (await suggested(client, f"https://x.example/images/{image}?from=7"))["Exactly"]
    assert [one["href"] for one in exact] == [f"/images/{image}"]
    assert await suggested(client, f"/images/{mature}") == {}
    assert (await suggested(client, f"/posts/{post}"))["Exactly"][0]["subtitle"] == f"Post {post}"


async def test_posts_are_found_by_the_words_of_their_titles_by_those_who_may_see_them(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = (await make_actor(session, "ana")).require()
        shown = await make_post(session, ana, title="Harbour at dusk")
        await make_image(session, ana, post_id=shown)
        loud = await make_post(session, ana, title="Harbour after dark")
        await make_image(session, ana, post_id=loud, nsfw_level=8)
        later = await make_post(session, ana, title="Harbour to come", published=False)
        await make_image(session, ana, post_id=later)
        gone = await make_post(session, ana, title="Harbour of old")
        await make_image(session, ana, post_id=gone)
        await session.execute(update(Post).where(Post.id == gone).values(deleted_at=clock.now()))
    found = await suggested(client, "dusk harb")
    assert found["Posts"] == [
        {"title": "Harbour at dusk", "href": f"/posts/{shown}", "subtitle": "ana", "icon": "grid"}
    ]
    assert [one["href"] for one in (await suggested(client, "harbour"))["Posts"]] == [f"/posts/{shown}"]
    over = (await client.get("/api/v1/suggest", params={"query": "harbour"})).json()["items"]
    assert [(one["kind"], one["id"], one["detail"]) for one in over] == [("post", shown, "ana")]
    async with client.house.database.unit() as session:
        ben = await make_person(session)
        await session.execute(insert(Follow).values(person_id=ben, target_id=ana, kind="hide"))
    await client.sign_in(ben)
    assert "Posts" not in await suggested(client, "harbour")


async def test_suggestions_that_name_one_thing(client: Client) -> None:
    model, (version,) = await publish(client, name="Velvet Hours")
    async with client.house.database.reading() as session:
        rows = [tuple(row) for row in await session.execute(select(FileHash.kind, FileHash.value))]
    hashes = dict(rows)
    here = f"/models/{model}/velvet-hours"
    for kind in ("SHA256", "AutoV2"):
        assert (await suggested(client, hashes[kind].lower()))["Exactly"][0]["href"] == (
            f"{here}?modelVersionId={version}"
        )
    for asked in (str(model), f"https://x.example/models/{model}"):
        assert (await suggested(client, asked))["Exactly"][0]["href"] == here
    assert (await suggested(client, f"urn:air:sdxl:lora:civitai:{model}@{version}"))["Exactly"][0][
        "href"
    ] == (f"{here}?modelVersionId={version}")


@pytest.mark.parametrize(
    "q", ["'", "\\", "a" * 4000, "%00", "🌊", "<script>", "@", "#", "99999999999999999999"]
)
async def test_odd_words_suggest_nothing_and_break_nothing(client: Client, q: str) -> None:
    await suggested(client, q)


async def test_suggestions_keep_to_the_viewers_levels(client: Client) -> None:
    model, _ = await publish(client, name="Mature work", level=8)
    assert await suggested(client, "mature") == {}
    assert await suggested(client, str(model)) == {}
    async with client.house.database.unit() as session:
        viewer = await make_actor(session, mature=True)
    await client.sign_in(viewer.id or 0)
    assert (await suggested(client, "mature"))["Models"][0]["title"] == "Mature work"


async def test_the_site_map_leads_to_every_safe_model(client: Client) -> None:
    made = [(await publish(client, name=f"Work {at}"))[0] for at in range(3)]
    await publish(client, name="Mature work", level=8)
    robots = await client.get("/robots.txt")
    assert "Sitemap: http" in robots.text
    index = ElementTree.fromstring((await client.get("/sitemap.xml")).text)
    found = [place.text or "" for place in index.iter(f"{SPACE}loc")]
    pages = [await client.get(place) for place in found]
    assert all(page.status_code == 200 for page in pages)
    places = [
        place.text or "" for page in pages for place in ElementTree.fromstring(page.text).iter(f"{SPACE}loc")
    ]
    for model in made:
        assert any(place.endswith(f"/models/{model}/work-{made.index(model)}") for place in places)
    assert not any("mature" in place for place in places)
    assert (await client.get("/sitemap/models/999999.xml")).status_code == 404


async def test_oembed(client: Client) -> None:
    model, _ = await publish(client, name="Velvet Hours")
    base = str(client.base_url).rstrip("/")
    answer = await client.get("/oembed", params={"url": f"{base}/models/{model}/x", "maxwidth": 300})
    assert answer.json()["title"] == "Velvet Hours"
    assert answer.json()["thumbnail_width"] == 300
    foreign = await client.get("/oembed", params={"url": f"https://elsewhere.example/models/{model}"})
    assert foreign.status_code == 404
    mature, _ = await publish(client, name="Mature work", level=8)
    hidden = await client.get("/oembed", params={"url": f"{base}/models/{mature}"})
    assert hidden.status_code == 404
    assert (
        await client.get("/oembed", params={"url": f"{base}/models/{model}", "format": "xml"})
    ).status_code == 400


async def test_llms_txt_is_short_and_names_the_api(client: Client) -> None:
    answer = await client.get("/llms.txt")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "/api/v1/openapi.json" in answer.text
    assert len(answer.text) < 3000
