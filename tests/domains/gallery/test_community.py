"""Pictures by others of what a version makes, remixes and their sources, and how many statements reading takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_published_model
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.types import X
from civitas.domains.gallery import community, image_recipes, post_reads, remixes
from civitas.domains.gallery.tables import Image, ImageResource
from civitas.kit import clock
from civitas.kit.errors import Invalid

PROMPT = "paper lanterns over a still lake at night, reflections, stars"


async def used(session: AsyncSession, version: int, post: int, **columns: Any) -> int:
    """A picture that was made with the version."""
    image = await make_image(session, post, **columns)
    session.add(ImageResource(image_id=image, version_id=version, source="hash"))
    await session.flush()
    return image


async def test_what_others_may_see_of_it_the_newest_first(session: AsyncSession) -> None:
    _, (version, other) = await make_published_model(session, versions=2)
    public = await make_post(session)
    shown = [await used(session, version, public) for _ in range(3)]
    mature = await used(session, version, public, nsfw_level=X)
    await used(session, other, public)
    await used(session, version, public, status="pending")
    await used(session, version, public, nsfw_level=0)
    await used(session, version, await make_post(session, published=False))
    await used(session, version, await make_post(session, published_at=clock.now() + timedelta(days=1)))
    await used(session, version, await make_post(session, deleted_at=clock.now()))
    await used(session, version, await make_post(session, version_id=version, showcase=True))
    ben = actor_for(await make_person(session))
    first = await community.page(session, ben, version_id=version, limit=2)
    rest = await community.page(session, ben, version_id=version, limit=2, cursor=first.next_cursor)
    assert [one.image.id for one in (*first.items, *rest.items)] == shown[::-1]
    assert rest.next_cursor is None
    all_levels = actor_for(await make_person(session), mature=True)
    assert mature in [
        one.image.id for one in (await community.page(session, all_levels, version_id=version)).items
    ]
    with pytest.raises(Invalid):
        await community.page(session, ben, version_id=version, cursor="x")


@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        (PROMPT, True),
        (f"{PROMPT}, masterpiece", True),
        ("a red car in the rain", False),
        (None, False),
    ],
)
async def test_a_remix_keeps_its_source_while_the_words_are_alike(
    session: AsyncSession, prompt: str | None, kept: bool
) -> None:
    source = await make_image(session, await make_post(session), meta={"prompt": PROMPT})
    image = await session.get_one(
        Image,
        await make_image(
            session, await make_post(session), meta={"prompt": prompt, "extra": {"remixOfId": source}}
        ),
    )
    await remixes.note(session, image)
    assert (image.remix_of_id == source) is kept


async def test_drafts_and_nonsense_are_no_source(session: AsyncSession) -> None:
    draft = await make_image(session, await make_post(session, published=False), meta={"prompt": PROMPT})
    for number in (draft, 999_999, True, "7", -1, 2**62):
        image = await session.get_one(
            Image,
            await make_image(session, await make_post(session), meta={"prompt": PROMPT, "remixOfId": number}),
        )
        await remixes.note(session, image)
        assert image.remix_of_id is None


async def test_a_post_takes_as_many_statements_whatever_is_in_it(
    session: AsyncSession, connection: AsyncConnection
) -> None:
    _, (version,) = await make_published_model(session, versions=1)
    viewer = actor_for(await make_person(session))
    counts = []
    for pictures in (1, 12):
        post = await make_post(session, version_id=version)
        for _ in range(pictures):
            await used(session, version, post, meta={"prompt": PROMPT})
        asked: list[str] = []

        def note(*args: Any, asked: list[str] = asked) -> None:
            asked.append(str(args[2]))

        engine = connection.sync_connection
        event.listen(engine, "before_cursor_execute", note)
        found = await post_reads.one(session, viewer, post_id=post)
        await image_recipes.of_images(session, viewer, found.images)
        event.remove(engine, "before_cursor_execute", note)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 8
