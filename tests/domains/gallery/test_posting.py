"""Writing posts: words, tags, versions, removing and putting back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_blob, make_model, make_published_model, make_version
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.types import Role, Scope
from civitas.domains.blobs.tables import Blob
from civitas.domains.gallery import post_reads, posting
from civitas.domains.gallery.post_reads import PostState
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Gone, Invalid, NotFound


async def test_a_draft_with_everything(session: AsyncSession) -> None:
    ana = await make_person(session)
    _, (version,) = await make_published_model(session, await make_person(session), versions=1)
    post = await posting.create(
        session,
        actor_for(ana),
        title="  Boats \u202e ",
        detail="*Paper*\r\nboats",
        tags=["#Boats", "boats", "Águas"],
        version_id=version,
    )
    found = await post_reads.one(session, actor_for(ana), post_id=post.id)
    assert (found.row.title, found.row.detail) == ("Boats", "*Paper*\nboats")
    assert list(found.tags) == ["aguas", "boats"]
    assert found.version is not None and found.version.id == version
    assert found.mine and post_reads.state_of(found.row) is PostState.DRAFT
    with pytest.raises(NotFound):
        await post_reads.one(session, actor_for(await make_person(session)), post_id=post.id)


async def test_what_is_left_out_stays_and_empty_takes_away(session: AsyncSession) -> None:
    ana = actor_for(await make_person(session))
    _, (version,) = await make_published_model(session, versions=1)
    post = await posting.create(session, ana, title="One", detail="Two", tags=["a"], version_id=version)
    await posting.change(session, ana, post_id=post.id, detail="")
    assert (post.title, post.detail, post.version_id) == ("One", None, version)
    assert await post_reads.tags_of(session, post.id) == ["a"]
    await posting.change(session, ana, post_id=post.id, title="", tags=["b", "c"], version_id=0)
    assert (post.title, post.version_id) == (None, None)
    assert await post_reads.tags_of(session, post.id) == ["b", "c"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"title": "x" * 151}, "title_too_long"),
        ({"detail": "x" * 50_001}, "detail_too_long"),
        ({"tags": ["a", "b", "c", "d", "e", "f"]}, "too_many_tags"),
        ({"tags": ["x" * 61]}, "bad_tags"),
        ({"version_id": 999_999}, "version_not_found"),
    ],
)
async def test_what_cannot_be_written(session: AsyncSession, fields: dict[str, Any], code: str) -> None:
    ana = actor_for(await make_person(session))
    with pytest.raises(Invalid) as fault:
        await posting.create(session, ana, **fields)
    assert fault.value.code == code


async def test_a_version_that_one_may_not_see_cannot_be_named(session: AsyncSession) -> None:
    owner = await make_person(session)
    version = await make_version(session, await make_model(session, owner))
    await posting.create(session, actor_for(owner), version_id=version)
    with pytest.raises(Invalid):
        await posting.create(session, actor_for(await make_person(session)), version_id=version)


async def test_only_its_owner_and_staff_change_it(session: AsyncSession) -> None:
    owner = await make_person(session)
    post = await make_post(session, owner)
    draft = await make_post(session, owner, published=False)
    mature = await make_post(session, owner)
    await make_image(session, post)
    await make_image(session, mature, nsfw_level=16)
    other = await make_person(session)
    with pytest.raises(Forbidden):
        await posting.change(session, actor_for(other), post_id=post, title="x")
    for hidden in (draft, mature):
        with pytest.raises(NotFound):
            await posting.change(session, actor_for(other), post_id=hidden, title="x")
    changed = await posting.change(session, actor_for(other, role=Role.MODERATOR), post_id=draft, title="x")
    assert changed.title == "x"


@pytest.mark.parametrize("options", [{"muted": True}, {"onboarded": False}, {"scopes": Scope.READ_ONLY}])
async def test_who_has_no_voice_writes_nothing(session: AsyncSession, options: dict[str, Any]) -> None:
    ana = await make_person(session)
    with pytest.raises(Fault):
        await posting.create(session, actor_for(ana, **options))


async def test_previews_of_a_version_are_not_written_here(session: AsyncSession) -> None:
    ana = await make_person(session)
    version = await make_version(session, await make_model(session, ana))
    post = await make_post(session, ana, version_id=version, showcase=True)
    with pytest.raises(Conflict):
        await posting.remove(session, actor_for(ana), post_id=post)


async def test_removed_put_back_and_at_last_let_go(session: AsyncSession) -> None:
    ana = await make_person(session)
    blob = await make_blob(session)
    post_id = await make_post(session, ana)
    image = await make_image(session, post_id, blob_id=blob)
    await posting.remove(session, actor_for(ana), post_id=post_id)
    with pytest.raises(NotFound):
        await post_reads.one(session, actor_for(ana), post_id=post_id)
    assert await posting.forget(session) == 0
    post = await posting.restore(session, actor_for(ana), post_id=post_id)
    assert post_reads.state_of(post) is PostState.PUBLISHED
    with pytest.raises(Conflict):
        await posting.restore(session, actor_for(ana), post_id=post_id)
    await session.execute(
        update(Post).where(Post.id == post_id).values(deleted_at=clock.now() - timedelta(days=31))
    )
    with pytest.raises(Gone):
        await posting.restore(session, actor_for(ana), post_id=post_id)
    assert await posting.forget(session) == 1
    assert await session.scalar(select(Image.deleted_at).where(Image.id == image)) is not None
    assert await session.scalar(select(Blob.orphaned_at).where(Blob.id == blob)) is not None


async def test_a_removed_post_whose_time_passed_comes_back_as_a_draft(session: AsyncSession) -> None:
    ana = await make_person(session)
    post_id = await make_post(session, ana, published_at=clock.now() + timedelta(days=1))
    await posting.remove(session, actor_for(ana), post_id=post_id)
    post = await posting.restore(session, actor_for(ana), post_id=post_id)
    assert post_reads.state_of(post) is PostState.DRAFT


async def test_ones_own_posts_in_pages(session: AsyncSession) -> None:
    ana = await make_person(session)
    drafts = [await make_post(session, ana, published=False) for _ in range(3)]
    public = await make_post(session, ana)
    cover = await make_image(session, public)
    await make_image(session, public)
    gone = await make_post(session, ana, deleted_at=clock.now())
    await make_post(session)
    first = await post_reads.mine(session, actor_for(ana), limit=2)
    assert [one.row.id for one in first.items] == [public, drafts[2]]
    assert first.items[0].image_count == 2
    assert first.items[0].cover is not None and first.items[0].cover.id == cover
    rest = await post_reads.mine(session, actor_for(ana), limit=2, cursor=first.next_cursor)
    assert [one.row.id for one in rest.items] == [drafts[1], drafts[0]] and rest.next_cursor is None
    for state, ids in (
        (PostState.PUBLISHED, [public]),
        (PostState.REMOVED, [gone]),
        (PostState.SCHEDULED, []),
    ):
        page = await post_reads.mine(session, actor_for(ana), state=state)
        assert [one.row.id for one in page.items] == ids
