"""Articles over the API."""

from __future__ import annotations

from datetime import timedelta

from tests.factories.accounts import actor_for, make_person
from tests.factories.community import make_article, make_picture, make_writer
from tests.factories.http import Client

from civitas.kit import clock


async def test_a_stranger_reads_what_is_public_and_safe(client: Client) -> None:
    async with client.house.database.unit() as session:
        writer = await make_writer(session, "ana")
        picture = await make_picture(session, writer.require())
        dark = await make_picture(session, writer.require(), level=16)
        article = await make_article(
            session,
            writer,
            title="On light",
            content=f"# One\n\n![A kite](/images/{picture}) <script>x</script>",
            tags=["light"],
            category="guide",
            cover_image_id=picture,
        )
        hidden = await make_article(session, writer, title="Dark", content=f"![x](/images/{dark})")
    listed = (await client.get("/api/v1/articles")).json()
    assert [one["id"] for one in listed["items"]] == [article.id]
    assert listed["items"][0]["coverImage"]["id"] == picture
    assert listed["items"][0]["user"]["username"] == "ana"
    found = (await client.get(f"/api/v1/articles/{article.id}")).json()
    assert found["toc"] == [{"depth": 1, "anchor": "part-one", "text": "One"}]
    assert "<script" not in found["content"] and 'alt="A kite"' in found["content"]
    assert found["url"].endswith(f"/articles/{article.id}/on-light")
    for asked in ("nsfw=true", "browsingLevel=31"):
        assert len((await client.get(f"/api/v1/articles?{asked}")).json()["items"]) == 1
    assert (await client.get(f"/api/v1/articles/{hidden.id}")).status_code == 404
    assert (await client.get("/api/v1/articles?sort=Best")).status_code == 400
    assert (await client.get("/api/v1/articles?category=guide&tags=light&sort=Most%20Reactions")).json()[
        "items"
    ]


async def test_writing_from_draft_to_removal(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session, "ana", created_at=clock.now() - timedelta(days=9))
    await client.use_key(person)
    made = await client.post("/api/v1/articles", json={"title": "On light", "tags": ["Light"]})
    assert made.status_code == 201, made.text
    where = f"/api/v1/articles/{made.json()['id']}"
    saved = await client.patch(where, json={"content": "It bends.", "basedOn": made.json()["revisionId"]})
    assert saved.json()["ahead"] and saved.json()["status"] == "draft"
    kept = await client.post(f"{where}/autosave", json={"content": "It bends!", "basedOn": 1})
    assert kept.json()["beside"]
    assert (await client.post(f"{where}/publish")).json()["status"] == "published"
    revisions = (await client.get(f"{where}/revisions")).json()
    assert revisions[0]["kind"] == "published"
    restored = await client.post(f"{where}/revisions/{revisions[-1]['id']}/restore")
    assert restored.json()["content"] == ""
    assert (await client.get(where)).json()["markdown"] == "It bends!"
    assert (await client.post(f"{where}/unpublish")).json()["status"] == "unpublished"
    assert len((await client.get("/api/v1/articles/mine")).json()["items"]) == 1
    assert (await client.delete(where)).status_code == 204
    assert (await client.get(where)).status_code == 404


async def test_staff_alone_rule(client: Client) -> None:
    async with client.house.database.unit() as session:
        article = await make_article(session, await make_writer(session, "ana"))
        ben = await make_person(session, "ben")
        staff = await make_person(session, "staff", role="moderator")
        assert actor_for(staff).id == staff
    path = f"/api/v1/staff/articles/{article.id}"
    await client.use_key(ben)
    assert (await client.post(f"{path}/unpublish", json={"reason": "x"})).status_code == 403
    await client.use_key(staff)
    assert (await client.post(f"{path}/unpublish", json={"reason": ""})).status_code == 400
    assert (await client.post(f"{path}/unpublish", json={"reason": "Copied."})).status_code == 204
    assert (await client.get("/api/v1/articles")).json()["items"] == []
    assert (await client.post(f"{path}/restore", json={"reason": "It was theirs."})).status_code == 204
