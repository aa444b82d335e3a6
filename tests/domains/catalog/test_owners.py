"""What owners see of their own, previews, wishes, old drafts, comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.catalog import (
    make_file,
    make_model,
    make_preview,
    make_published_model,
    make_published_version,
    make_version,
    set_status,
)

from civitas.domains.accounts.types import ANONYMOUS, Role
from civitas.domains.catalog import aging, comparing, engagement, previews, queries
from civitas.domains.catalog.engagement import Wish
from civitas.domains.catalog.previews import Preview
from civitas.domains.catalog.tables import FileHeader, Model, ModelFile, ModelVersion, VersionPreview
from civitas.kit import clock
from civitas.kit.errors import Invalid, NotFound, Unauthorised


@contextmanager
def counted(session: AsyncSession) -> Iterator[list[str]]:
    """The statements that run meanwhile."""
    found: list[str] = []

    def hear(*args: Any) -> None:
        found.append(args[2])

    engine = session.get_bind().engine
    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def picture(image_id: int, level: int = 1, position: int = 0, **fields: Any) -> Preview:
    values: dict[str, Any] = {
        "image_id": image_id, "position": position, "key": f"key-{image_id}", "name": "a.png",
        "kind": "image", "width": 8, "height": 8, "blurhash": None, "nsfw_level": level, "person_id": 1,
    }  # fmt: skip
    return Preview(**(values | fields))


@pytest.mark.parametrize(
    ("model", "version", "levels", "shown", "level"),
    [
        ({}, {}, [1, 2, 8], [1, 2, 8], 11),
        ({}, {}, [], [], 1),
        ({"nsfw": True}, {}, [1], [1], 28),
        ({"minor": True}, {}, [1, 4, 2], [1, 2], 3),
        ({"sfw_only": True}, {}, [16], [], 1),
        ({}, {"base_model": "SDXL Turbo"}, [1, 4], [1], 1),
        ({}, {}, [32, 33, 1], [1], 1),
    ],
)
async def test_levels_follow_the_pictures_that_may_be_shown(
    session: AsyncSession,
    model: dict[str, Any],
    version: dict[str, Any],
    levels: list[int],
    shown: list[int],
    level: int,
) -> None:
    model_id = await make_model(session, **model)
    version_id = await make_version(session, model_id, **version)
    wanted = [picture(number, each, number) for number, each in enumerate(levels, start=1)]
    await previews.replace(session, version_id=version_id, previews=wanted)
    await previews.replace(session, version_id=version_id, previews=wanted)
    found = await session.scalars(
        select(VersionPreview.nsfw_level)
        .where(VersionPreview.version_id == version_id)
        .order_by(VersionPreview.position)
    )
    row = await session.get_one(Model, model_id, populate_existing=True)
    assert (list(found.all()), row.nsfw_level) == (shown, level)


async def test_pictures_of_a_version_that_is_gone_are_passed_over(session: AsyncSession) -> None:
    await previews.replace(session, version_id=2**50, previews=[picture(1)])


async def test_my_models_page_through_without_gaps(session: AsyncSession) -> None:
    actor = await make_actor(session)
    made = [(await make_published_model(session, actor.id, versions=2))[0] for _ in range(5)]
    made.append(await make_model(session, actor.id))
    gone = await make_model(session, actor.id)
    await set_status(session, gone, "Deleted")
    await make_published_model(session)
    seen: list[int] = []
    cursor = None
    while True:
        with counted(session) as statements:
            page = await queries.my_models(session, actor, cursor=cursor, limit=2)
        assert len(statements) == 1
        seen += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)
    assert len(seen) == len(set(seen))
    [draft] = (await queries.my_models(session, actor, status="Draft")).items
    assert (draft.versions, draft.downloads, draft.image_key) == (0, 0, None)
    published = (await queries.my_models(session, actor, status="Published")).items
    assert {(item.versions, item.image_key is not None) for item in published} == {(2, True)}
    assert [item.id for item in (await queries.my_models(session, actor, status="Deleted")).items] == [gone]
    assert await queries.counts_by_status(session, actor) == {"Published": 5, "Draft": 1, "Deleted": 1}


async def test_my_models_refuse_nonsense(session: AsyncSession) -> None:
    actor = await make_actor(session)
    for arguments in ({"status": "Cooking"}, {"cursor": "!!"}, {"cursor": "WzFd"}):
        with pytest.raises(Invalid):
            await queries.my_models(session, actor, **arguments)
    with pytest.raises(Unauthorised):
        await queries.my_models(session, ANONYMOUS)


async def test_one_model_for_editing_in_a_fixed_number_of_statements(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, ids = await make_published_model(session, actor.id, versions=3, tags=("a", "b"))
    draft = await make_version(session, model_id, position=9)
    await make_file(session, draft, scan_status="pending")
    with counted(session) as statements:
        found = await queries.model_for_editing(session, actor, model_id=model_id)
    assert len(statements) <= 9
    assert [version.row.id for version in found.versions] == [*ids, draft]
    assert found.tags == ("a", "b")
    assert len(found.versions[0].files[0].hashes) == 6
    assert len(found.versions[0].previews) == 1
    assert [item.code for item in found.checklist.missing] == ["scan-pending", "no-posts"]
    for other in (await make_actor(session), ANONYMOUS):
        with pytest.raises(NotFound):
            await queries.model_for_editing(session, other, model_id=model_id)


async def test_history_is_for_the_owner_and_staff(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id)
    for number in range(3):
        await session.execute(
            text("INSERT INTO model_events (model_id, person_id, action) VALUES (:m, :p, :a)"),
            {"m": model_id, "p": actor.id, "a": f"step{number}"},
        )
    page = await queries.history(session, actor, model_id=model_id, limit=2)
    rest = await queries.history(session, actor, model_id=model_id, cursor=page.next_cursor)
    assert [line.action for line in (*page.items, *rest.items)] == ["step2", "step1", "step0"]
    assert page.items[0].username == actor.username
    await queries.history(session, await make_actor(session, role=Role.MODERATOR), model_id=model_id)
    with pytest.raises(NotFound):
        await queries.history(session, await make_actor(session), model_id=model_id)


async def test_wishes_come_and_go_once(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, _ = await make_published_model(session)
    draft = await make_model(session)
    for _ in range(2):
        await engagement.engage(session, actor, model_id=model_id, wish=Wish.FAVOURITE)
    await engagement.engage(session, actor, model_id=model_id, wish=Wish.HIDE)
    found = await engagement.wishes(session, actor, model_ids=[model_id, draft])
    assert found == {model_id: frozenset({Wish.FAVOURITE, Wish.HIDE})}
    assert await engagement.wishes(session, ANONYMOUS, model_ids=[model_id]) == {}
    waiting = await session.execute(
        text(
            "SELECT count(DISTINCT args->>'event') FROM procrastinate.procrastinate_jobs"
            " WHERE args->>'name' = 'catalog.ModelEngaged' AND args->'body'->>'kind' = 'favourite'"
        )
    )
    assert waiting.scalar_one() == 1
    for _ in range(2):
        await engagement.disengage(session, actor, model_id=model_id, wish=Wish.HIDE)
    page = await engagement.engaged(session, actor, wish=Wish.FAVOURITE)
    assert (list(page.items), page.next_cursor) == ([model_id], None)
    with pytest.raises(NotFound):
        await engagement.engage(session, actor, model_id=draft, wish=Wish.NOTIFY)
    with pytest.raises(Unauthorised):
        await engagement.engage(session, ANONYMOUS, model_id=model_id, wish=Wish.MUTE)


async def test_wishes_page_by_age(session: AsyncSession) -> None:
    actor = await make_actor(session)
    made = [(await make_published_model(session))[0] for _ in range(3)]
    for age, model_id in enumerate(made):
        await engagement.engage(session, actor, model_id=model_id, wish=Wish.FAVOURITE)
        await session.execute(
            text("UPDATE model_engagements SET created_at = now() - make_interval(hours => :h)"
                 " WHERE model_id = :m"), {"h": age, "m": model_id},
        )  # fmt: skip
    first = await engagement.engaged(session, actor, wish=Wish.FAVOURITE, limit=2)
    rest = await engagement.engaged(session, actor, wish=Wish.FAVOURITE, limit=2, cursor=first.next_cursor)
    assert [*first.items, *rest.items] == made


async def test_forgotten_drafts_are_warned_of_and_then_go(session: AsyncSession) -> None:
    now = clock.now()
    old = now - timedelta(days=31)
    draft = await make_model(session, updated_at=old)
    popular = await make_model(session, updated_at=old)
    await session.execute(
        text("INSERT INTO model_metrics (model_id, downloads) VALUES (:m, 10)"), {"m": popular}
    )
    fresh = await make_model(session)
    public, _ = await make_published_model(session, updated_at=old)
    assert await aging.remove_warned(session) == 0
    assert await aging.warn(session) == 1
    assert await aging.warn(session) == 0
    with clock.held_at(now + timedelta(days=6)):
        assert await aging.remove_warned(session) == 0
    with clock.held_at(now + timedelta(days=8)):
        assert await aging.remove_warned(session) == 1
    rows = await session.execute(
        select(Model.id, Model.status).where(Model.id.in_([draft, popular, fresh, public]))
    )
    assert dict(rows.all()) == {draft: "Deleted", popular: "Draft", fresh: "Draft", public: "Published"}


async def test_touching_a_draft_is_keeping_it(session: AsyncSession) -> None:
    now = clock.now()
    draft = await make_model(session, updated_at=now - timedelta(days=31))
    await aging.warn(session)
    with clock.held_at(now + timedelta(days=1)):
        await session.execute(update(Model).where(Model.id == draft).values(updated_at=clock.now()))
    with clock.held_at(now + timedelta(days=20)):
        assert await aging.remove_warned(session) == 0
        assert await aging.warn(session) == 0


async def _header(session: AsyncSession, version_id: int, tensors: list[Any], **columns: Any) -> None:
    file_id = await session.scalar(
        select(ModelFile.id).where(ModelFile.version_id == version_id, ModelFile.is_primary)
    )
    values: dict[str, Any] = {
        "file_id": file_id, "architecture": None, "training": None, "metadata": {}, "tensors": tensors,
        "tensor_count": len(tensors), "parameter_count": 0,
    }  # fmt: skip
    await session.execute(insert(FileHeader.__table__).values(**(values | columns)))  # type: ignore[arg-type]


def tensor(name: str, dtype: str = "F16", shape: tuple[int, ...] = (4, 4)) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": list(shape), "size": 32}


async def test_two_versions_side_by_side(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, [left] = await make_published_model(session, actor.id, version={"clip_skip": 1})
    right = await make_published_version(session, model_id, clip_skip=2, description="Sharper.")
    await _header(session, left, [tensor("a"), tensor("b"), tensor("gone")], training={"rank": 8, "seed": 1})
    await _header(
        session, right, [tensor("a"), tensor("b", "F32"), tensor("new")], training={"rank": 16, "seed": 1}
    )
    for version_id, seed in ((left, 7), (left, 8), (right, 8), (right, "9")):
        meta = {"prompt": "a  tree" if seed == 8 else "a tree", "seed": seed}
        await make_preview(session, version_id, actor.id or 0, meta=meta)
    found = await comparing.compare(session, ANONYMOUS, left_id=left, right_id=right)
    differing = {field.name: (field.left, field.right) for field in found.fields if not field.equal}
    assert differing["clipSkip"] == (1, 2)
    assert found.right.changelog == "Sharper."
    assert found.tensors is not None
    assert (found.tensors.same, found.tensors.added_names, found.tensors.removed_names) == (
        1, ("new",), ("gone",),
    )  # fmt: skip
    assert [(change.name, change.right_dtype) for change in found.tensors.changes] == [("b", "F32")]
    assert [(one.name, one.equal) for one in found.training] == [("rank", False), ("seed", True)]
    assert [(pair.prompt, pair.same_seed) for pair in found.samples] == [("a tree", True), ("a tree", False)]
    assert [pair.identical for pair in found.files] == [False]


async def test_comparing_shows_no_more_than_one_may_see(session: AsyncSession) -> None:
    actor = await make_actor(session)
    _, [public] = await make_published_model(session, actor.id)
    draft = await make_version(session, await make_model(session, actor.id))
    with pytest.raises(NotFound):
        await comparing.compare(session, ANONYMOUS, left_id=public, right_id=draft)
    found = await comparing.compare(session, actor, left_id=public, right_id=draft)
    assert found.tensors is None
    assert (found.files[0].left is not None, found.files[0].right) == (True, None)
    same = await comparing.compare(session, ANONYMOUS, left_id=public, right_id=public)
    assert all(field.equal for field in same.fields)
    assert [pair.identical for pair in same.files] == [True]
    count = await session.scalar(select(func.count()).select_from(ModelVersion))
    assert count
