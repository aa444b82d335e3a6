"""What is new of whom and what one follows: order, pages, and what must not be in it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_published_model
from tests.factories.collections import make_collection, make_posted
from tests.factories.http import Client

from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import ANONYMOUS, Actor, Relation
from civitas.domains.catalog import rebuilding
from civitas.domains.community.articles import publishing, writing
from civitas.domains.community.news import reads
from civitas.domains.gallery.collections import filling, making, people
from civitas.domains.gallery.collections.making import CollectionEdit
from civitas.domains.gallery.collections.types import ReadBy
from civitas.domains.gallery.tables import Post
from civitas.kit import clock
from civitas.kit.errors import Invalid, Unauthorised


async def _posted(session: AsyncSession, who: Actor, level: int = 1, **columns: object) -> int:
    post, _ = await make_posted(session, who.require(), levels=(level,), **columns)
    await session.execute(update(Post).where(Post.id == post).values(nsfw_level=level))
    return post


async def _world(session: AsyncSession) -> tuple[Actor, Actor, dict[str, int]]:
    ben = await make_actor(session, "ben_follows")
    ana = await make_actor(session, "ana_makes", mature=True)
    await following.decide(session, ben, target_id=ana.require(), relation=Relation.FOLLOW)
    then = clock.now() - timedelta(hours=3)
    old = clock.now() - timedelta(days=30)
    await session.execute(update(Person).where(Person.id == ana.require()).values(created_at=old))
    model, _ = await make_published_model(session, ana.require(), name="Harbour light", last_version_at=then)
    await rebuilding.rebuild(session, [model])
    post = await _posted(session, ana, published_at=clock.now() - timedelta(hours=2), title="Two boats")
    article = await writing.create(session, ana, title="On nets", content="Words about nets.")
    await publishing.publish(session, ana, article_id=article.id)
    cleo = await make_actor(session)
    made = await make_collection(session, cleo, name="Rope")
    await people.follow(session, ben, collection_id=made.id, on=True)
    _, images = await make_posted(session, cleo.require(), levels=(1, 1))
    await filling.add(session, cleo, collection_id=made.id, subject_ids=images)
    return ben, ana, {"model": model, "post": post, "article": article.id, "collection": made.id}


async def test_it_holds_what_the_followed_did(session: AsyncSession) -> None:
    ben, _, made = await _world(session)
    found = (await reads.page(session, ben)).items
    assert {one.kind: one.id for one in found} == made
    assert [one.moment for one in found] == sorted((one.moment for one in found), reverse=True)
    assert next(one.number for one in found if one.kind == "collection") == 2


async def test_pages_together_hold_each_piece_once(session: AsyncSession) -> None:
    ben, ana, made = await _world(session)
    same = clock.now() - timedelta(hours=1)
    posts = [await _posted(session, ana, published_at=same) for _ in range(5)]
    seen: list[tuple[str, int]] = []
    cursor = None
    while True:
        page = await reads.page(session, ben, cursor=cursor, limit=2)
        seen += [(one.kind, one.id) for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == len(made) + len(posts)
    with pytest.raises(Invalid):
        await reads.page(session, ben, cursor="nonsense")


async def test_drafts_mature_and_hidden_things_are_not_in_it(session: AsyncSession) -> None:
    ben, ana, made = await _world(session)
    await _posted(session, ana, level=16)
    await _posted(session, ana, published_at=None)
    await _posted(session, ana, published_at=clock.now() + timedelta(days=1))
    assert len((await reads.page(session, ben)).items) == len(made)
    await following.decide(session, ben, target_id=ana.require(), relation=Relation.HIDE)
    assert [one.kind for one in (await reads.page(session, ben)).items] == ["collection"]


async def test_a_collection_that_became_private_tells_nothing(session: AsyncSession) -> None:
    ben, _, made = await _world(session)
    staff = await make_actor(session)
    assert staff.id != ben.id
    owner = (await reads.page(session, ben)).items
    holder = next(one for one in owner if one.kind == "collection").person_id
    cleo = Actor(id=holder, username="x", scopes=ben.scopes, via="session", verified=True, onboarded=True)
    await making.edit(
        session, cleo, collection_id=made["collection"], changes=CollectionEdit(read_by=ReadBy.PRIVATE)
    )
    assert "collection" not in {one.kind for one in (await reads.page(session, ben)).items}


async def test_strangers_have_none(session: AsyncSession, client: Client) -> None:
    with pytest.raises(Unauthorised):
        await reads.page(session, ANONYMOUS)
    assert (await client.page("/following")).headers["location"].startswith("/login")


async def test_the_page_and_the_api(client: Client, connection: AsyncConnection) -> None:
    async with client.house.database.unit() as session:
        ben, _, made = await _world(session)
    await client.sign_in(ben.require())
    await client.page("/following")
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    page = await client.page("/following")
    for words in ("Harbour light", "Two boats", "On nets", "2 new in “Rope”", "published a model"):
        assert words in page.text
    statements = [one for one in asked if one.lstrip().upper().startswith(("SELECT", "WITH"))]
    assert len(statements) <= 16, statements
    listed = (await client.get("/api/v1/me/news?limit=3")).json()
    assert len(listed["items"]) == 3 and listed["metadata"]["nextCursor"]
    rest = (await client.get(f"/api/v1/me/news?cursor={listed['metadata']['nextCursor']}")).json()
    assert {(one["kind"], one["id"]) for one in listed["items"] + rest["items"]} == set(made.items())
