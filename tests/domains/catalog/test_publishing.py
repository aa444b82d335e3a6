"""Every requirement, schedules, races, and taking from view."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor
from tests.factories.catalog import (
    make_file,
    make_model,
    make_preview,
    make_published_model,
    make_version,
    set_status,
)

from civitas.domains.accounts.types import SYSTEM, Actor, Role
from civitas.domains.catalog import drafts, publishing, removal, versions
from civitas.domains.catalog.forms import ModelPatch
from civitas.domains.catalog.requirements import missing_for_publishing
from civitas.domains.catalog.tables import Model, ModelEvent, ModelFile, ModelVersion
from civitas.domains.catalog.types import Mode
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Gone, Invalid, NotFound


async def ready_draft(session: AsyncSession, actor: Actor, **columns: Any) -> tuple[int, int]:
    """A draft that lacks nothing, and its version."""
    model_id = await make_model(session, actor.id, tags=("style",), **columns)
    version_id = await make_version(session, model_id)
    await make_file(session, version_id)
    await make_preview(session, version_id, actor.id or 0)
    return model_id, version_id


async def published_facts(session: AsyncSession) -> list[str]:
    """Names of the events that wait for their listeners."""
    rows = await session.execute(
        text("SELECT args->>'name' FROM procrastinate.procrastinate_jobs ORDER BY id")
    )
    return [row[0] for row in rows]


async def _codes(session: AsyncSession, actor: Actor, model_id: int) -> list[str]:
    found = await missing_for_publishing(session, actor, model_id=model_id)
    return [item.code for item in found.missing]


async def test_the_list_shrinks_as_the_draft_grows(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id)
    assert await _codes(session, actor, model_id) == ["tags", "no-versions"]
    version_id = await make_version(session, model_id, base_model="Nothing Known 9")
    assert await _codes(session, actor, model_id) == ["tags", "no-files", "no-posts", "base-model"]
    file_id = await make_file(session, version_id, scan_status="pending")
    assert await _codes(session, actor, model_id) == ["tags", "scan-pending", "no-posts", "base-model"]
    for status in ("error", "suspicious", "dangerous"):
        await session.execute(update(ModelFile).where(ModelFile.id == file_id).values(scan_status=status))
        assert "scan-failed" in await _codes(session, actor, model_id)
    await session.execute(update(ModelFile).where(ModelFile.id == file_id).values(scan_status="clean"))
    await make_preview(session, version_id, actor.id or 0)
    await session.execute(
        update(ModelVersion).where(ModelVersion.id == version_id).values(base_model="SD 1.5")
    )
    assert await _codes(session, actor, model_id) == ["tags"]
    await drafts.update(session, actor, model_id=model_id, patch=ModelPatch.model_validate({"tags": ["ink"]}))
    found = await missing_for_publishing(session, actor, model_id=model_id)
    assert found.missing == ()
    assert found.ready


async def test_the_list_is_not_for_others(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, _ = await make_published_model(session, actor.id)
    with pytest.raises(NotFound):
        await missing_for_publishing(session, await make_actor(session), model_id=model_id)


@pytest.mark.parametrize(
    ("file", "missing"),
    [
        ({"scan_status": "pending"}, "scan-pending"),
        ({"scan_status": "error"}, "scan-failed"),
        ({"scan_status": "dangerous"}, "scan-failed"),
        ({"visibility": "Private"}, "scan-failed"),
        ({"is_primary": False}, "scan-failed"),
        ({"removed_at": clock.now(), "is_primary": False}, "no-files"),
    ],
)
async def test_nothing_is_published_without_a_clean_main_file(
    session: AsyncSession, file: dict[str, Any], missing: str
) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id, tags=("style",))
    version_id = await make_version(session, model_id)
    await make_file(session, version_id, **file)
    await make_preview(session, version_id, actor.id or 0)
    with pytest.raises(Invalid) as caught:
        await publishing.publish(session, actor, model_id=model_id)
    assert caught.value.code == "not_ready"
    assert [item["code"] for item in caught.value.details["missing"]] == [missing]


async def test_publishing_makes_public_and_says_so(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, version_id = await ready_draft(session, actor)
    unready = await make_version(session, model_id, position=1)
    model = await publishing.publish(session, actor, model_id=model_id)
    version = await session.get_one(ModelVersion, version_id)
    assert (model.status, version.status) == ("Published", "Published")
    assert model.published_at and version.published_at and model.last_version_at
    assert (await session.get_one(ModelVersion, unready)).status == "Draft"
    facts = await published_facts(session)
    assert "catalog.ModelChanged" in facts


async def test_publishing_twice_changes_nothing(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, _ = await ready_draft(session, actor)
    model = await publishing.publish(session, actor, model_id=model_id)
    before = (model.published_at, model.updated_at)
    again = await publishing.publish(session, actor, model_id=model_id)
    assert (again.published_at, again.updated_at) == before
    count = await session.scalar(
        select(func.count()).where(ModelEvent.model_id == model_id, ModelEvent.action == "published")
    )
    assert count == 1


async def test_only_named_versions_go_along(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, first = await ready_draft(session, actor)
    second = await make_version(session, model_id)
    await make_file(session, second)
    await make_preview(session, second, actor.id or 0)
    await publishing.publish(session, actor, model_id=model_id, version_ids=[second])
    assert (await session.get_one(ModelVersion, first)).status == "Draft"
    other_model, _ = await ready_draft(session, actor)
    with pytest.raises(Invalid) as caught:
        await publishing.publish(session, actor, model_id=other_model, version_ids=[first])
    assert caught.value.code == "foreign_version"


@pytest.mark.parametrize(
    ("ahead", "code"),
    [
        (timedelta(minutes=59), "schedule_too_soon"),
        (timedelta(days=-1), "schedule_too_soon"),
        (timedelta(days=400), "schedule_too_late"),
    ],
)
async def test_schedules_lie_between_an_hour_and_a_year_ahead(
    session: AsyncSession, ahead: timedelta, code: str
) -> None:
    actor = await make_actor(session)
    model_id, _ = await ready_draft(session, actor)
    with pytest.raises(Invalid) as caught:
        await publishing.publish(session, actor, model_id=model_id, publish_at=clock.now() + ahead)
    assert caught.value.code == code


async def test_a_scheduled_model_comes_out_on_time(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, version_id = await ready_draft(session, actor)
    at = clock.now() + timedelta(hours=2)
    model = await publishing.publish(session, actor, model_id=model_id, publish_at=at)
    assert (model.status, model.scheduled_at) == ("Scheduled", at)
    assert await publishing.due_models(session) == []
    with clock.held_at(at + timedelta(seconds=1)):
        assert list(await publishing.due_models(session)) == [model_id]
        await publishing.publish_due(session, model_id=model_id)
        assert (model.status, model.scheduled_at) == ("Published", None)
        assert (await session.get_one(ModelVersion, version_id)).status == "Published"
        assert await publishing.due_models(session) == []
        await publishing.publish_due(session, model_id=model_id)


async def test_a_scheduled_model_that_lost_its_file_is_a_draft_again(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, version_id = await ready_draft(session, actor)
    at = clock.now() + timedelta(hours=2)
    model = await publishing.publish(session, actor, model_id=model_id, publish_at=at)
    await session.execute(
        update(ModelFile).where(ModelFile.version_id == version_id).values(scan_status="dangerous")
    )
    with clock.held_at(at + timedelta(seconds=1)):
        await publishing.publish_due(session, model_id=model_id)
    assert (model.status, model.scheduled_at) == ("Draft", None)
    assert (await session.get_one(ModelVersion, version_id)).status == "Draft"


async def test_unpublishing_a_schedule_is_cancelling_it(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, version_id = await ready_draft(session, actor)
    at = clock.now() + timedelta(hours=2)
    await publishing.publish(session, actor, model_id=model_id, publish_at=at)
    model = await removal.unpublish(session, actor, model_id=model_id)
    assert model.status == "Draft"
    assert (await session.get_one(ModelVersion, version_id, populate_existing=True)).status == "Draft"


async def test_one_version_is_scheduled_and_comes_out(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, _ = await make_published_model(session, actor.id)
    version_id = await make_version(session, model_id)
    with pytest.raises(Invalid):
        await publishing.publish_version(session, actor, version_id=version_id)
    await make_file(session, version_id)
    await make_preview(session, version_id, actor.id or 0)
    at = clock.now() + timedelta(hours=2)
    version = await publishing.publish_version(session, actor, version_id=version_id, publish_at=at)
    assert version.status == "Scheduled"
    with clock.held_at(at):
        await publishing.publish_due(session, model_id=model_id)
    assert version.status == "Published"
    _, of_draft = await ready_draft(session, actor)
    with pytest.raises(Conflict) as caught:
        await publishing.publish_version(session, actor, version_id=of_draft)
    assert caught.value.code == "publish_model_first"


async def test_restrictions_of_the_base_model_hold(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, version_id = await ready_draft(session, actor, nsfw=True)
    await session.execute(
        update(ModelVersion).where(ModelVersion.id == version_id).values(base_model="SDXL Turbo")
    )
    with pytest.raises(Invalid) as caught:
        await publishing.publish(session, actor, model_id=model_id)
    assert [item["code"] for item in caught.value.details["missing"]] == ["licence-forbids-mature"]


async def test_non_commercial_base_models_switch_commerce_off(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, version_id = await ready_draft(session, actor)
    await session.execute(
        update(ModelVersion).where(ModelVersion.id == version_id).values(base_model="Ideogram 4.0")
    )
    model = await publishing.publish(session, actor, model_id=model_id)
    assert model.allow_commercial_use == ["None"]
    model = await drafts.update(
        session,
        actor,
        model_id=model_id,
        patch=ModelPatch.model_validate({"allowCommercialUse": ["Sell"]}),
    )
    assert model.allow_commercial_use == ["None"]


async def test_owner_unpublishes_and_restores(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, _ = await make_published_model(session, actor.id)
    published_at = (await session.get_one(Model, model_id)).published_at
    model = await removal.unpublish(session, actor, model_id=model_id)
    assert (model.status, model.unpublished_reason) == ("Unpublished", None)
    assert (await removal.unpublish(session, actor, model_id=model_id)).status == "Unpublished"
    model = await removal.restore(session, actor, model_id=model_id)
    assert (model.status, model.published_at) == ("Published", published_at)


async def test_staff_unpublish_with_a_reason_and_owners_cannot_undo_it(session: AsyncSession) -> None:
    actor = await make_actor(session)
    staff = await make_actor(session, role=Role.MODERATOR)
    model_id, _ = await make_published_model(session, actor.id)
    for reason, note in ((None, None), ("because", None), ("other", "  ")):
        with pytest.raises(Invalid):
            await removal.unpublish(session, staff, model_id=model_id, reason=reason, note=note)
    model = await removal.unpublish(session, staff, model_id=model_id, reason="spam")
    assert (model.status, model.unpublished_reason) == ("UnpublishedViolation", "spam")
    for attempt in (publishing.publish, removal.restore):
        with pytest.raises(Forbidden) as caught:
            await attempt(session, actor, model_id=model_id)
        assert caught.value.code == "publishing_barred"
    await removal.request_review(session, actor, model_id=model_id, note="please")
    await removal.request_review(session, actor, model_id=model_id)
    await removal.decline_review(session, staff, model_id=model_id, note="still spam")
    await removal.request_review(session, actor, model_id=model_id)
    actions = await session.scalars(
        select(ModelEvent.action).where(ModelEvent.model_id == model_id).order_by(ModelEvent.id)
    )
    assert list(actions.all()) == ["unpublished", "review_requested", "review_declined", "review_requested"]
    assert (await removal.restore(session, staff, model_id=model_id)).status == "Published"


async def test_deleting_leaves_a_way_back(session: AsyncSession) -> None:
    actor, other = await make_actor(session), await make_actor(session)
    model_id, _ = await make_published_model(session, actor.id)
    with pytest.raises(Forbidden):
        await removal.delete(session, other, model_id=model_id)
    model = await removal.delete(session, actor, model_id=model_id)
    assert (model.status, model.previous_status, model.deleted_by) == ("Deleted", "Published", actor.id)
    assert (await removal.delete(session, actor, model_id=model_id)).status == "Deleted"
    with pytest.raises(NotFound):
        await publishing.publish(session, actor, model_id=model_id)
    model = await removal.restore(session, actor, model_id=model_id)
    assert (model.status, model.deleted_at) == ("Published", None)
    with pytest.raises(Conflict):
        await removal.restore(session, actor, model_id=model_id)


async def test_undo_ends_after_thirty_days_and_the_hashes_stay(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, [version_id] = await make_published_model(session, actor.id)
    await removal.delete(session, actor, model_id=model_id)
    assert await removal.let_bytes_go(session) == 0
    with clock.held_at(clock.now() + timedelta(days=31)):
        with pytest.raises(Gone) as caught:
            await removal.restore(session, actor, model_id=model_id)
        assert caught.value.code == "undo_expired"
        assert await removal.let_bytes_go(session) == 1
    left = await session.execute(
        text("SELECT count(*) FROM blob_references r JOIN model_files f ON f.id = r.subject_id"
             " WHERE f.version_id = :v"), {"v": version_id}
    )  # fmt: skip
    hashes = await session.execute(
        text("SELECT count(*) FROM file_hashes WHERE version_id = :v"), {"v": version_id}
    )
    assert (left.scalar_one(), hashes.scalar_one()) == (0, 6)


async def test_what_staff_deleted_stays_deleted_for_its_owner(session: AsyncSession) -> None:
    actor, staff = await make_actor(session), await make_actor(session, role=Role.MODERATOR)
    model_id, _ = await make_published_model(session, actor.id)
    await removal.delete(session, staff, model_id=model_id, reason="spam")
    with pytest.raises(Forbidden) as caught:
        await removal.restore(session, actor, model_id=model_id)
    assert caught.value.code == "removed_by_staff"
    assert (await removal.restore(session, staff, model_id=model_id)).status == "Published"


async def test_archiving_is_the_owners_taking_down_is_staffs(session: AsyncSession) -> None:
    actor, staff = await make_actor(session), await make_actor(session, role=Role.MODERATOR)
    model_id, _ = await make_published_model(session, actor.id)
    assert (await removal.set_mode(session, actor, model_id=model_id, mode=Mode.ARCHIVED)).mode == "Archived"
    assert (await removal.set_mode(session, actor, model_id=model_id, mode=None)).mode is None
    with pytest.raises(Forbidden):
        await removal.set_mode(session, actor, model_id=model_id, mode=Mode.TAKEN_DOWN)
    await removal.set_mode(session, staff, model_id=model_id, mode=Mode.TAKEN_DOWN, reason="court order")
    with pytest.raises(Forbidden):
        await removal.set_mode(session, actor, model_id=model_id, mode=None)


@pytest.mark.parametrize("remove", [True, False])
async def test_models_of_people_who_leave_and_return(session: AsyncSession, remove: bool) -> None:
    actor = await make_actor(session)
    person = actor.id or 0
    public, _ = await make_published_model(session, person)
    draft = await make_model(session, person)
    await removal.owner_left(session, person_id=person, remove=remove)
    model = await session.get_one(Model, public)
    assert (model.status, model.person_id) == (("Deleted", person) if remove else ("Published", SYSTEM.id))
    assert (await session.get_one(Model, draft)).status == "Deleted"
    await removal.owner_left(session, person_id=person, remove=remove)
    await removal.owner_returned(session, person_id=person)
    assert (model.status, model.person_id) == ("Published", person)
    assert (await session.get_one(Model, draft)).status == "Draft"


async def test_transfers_are_for_administrators(session: AsyncSession) -> None:
    actor, other = await make_actor(session), await make_actor(session)
    model_id, _ = await make_published_model(session, actor.id)
    with pytest.raises(Forbidden):
        await removal.transfer(
            session, actor_for(9, role=Role.MODERATOR), model_id=model_id, to_person_id=other.id or 0
        )
    model = await removal.transfer(session, SYSTEM, model_id=model_id, to_person_id=other.id or 0)
    assert model.person_id == other.id


async def test_the_last_public_version_stays(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, [first, second] = await make_published_model(session, actor.id, versions=2)
    await versions.unpublish(session, actor, version_id=first)
    for attempt in (versions.unpublish, versions.delete):
        with pytest.raises(Conflict) as caught:
            await attempt(session, actor, version_id=second)
        assert caught.value.code == "last_version"
    await set_status(session, model_id, "Unpublished")
    await versions.delete(session, actor, version_id=second)


async def _race(dsn: str, attempts: Sequence[Any]) -> list[Any]:
    database = Database(dsn)
    try:

        async def one(attempt: Any) -> Any:
            async with database.unit() as session:
                return await attempt(session)

        return await asyncio.gather(*(one(attempt) for attempt in attempts), return_exceptions=True)
    finally:
        await database.close()


async def _committed_draft(dsn: str) -> tuple[Actor, int, int]:
    database = Database(dsn)
    async with database.unit() as session:
        actor = await make_actor(session)
        model_id, version_id = await ready_draft(session, actor)
    await database.close()
    return actor, model_id, version_id


async def test_two_tabs_publish_the_same_draft(own_dsn: str) -> None:
    actor, model_id, _ = await _committed_draft(own_dsn)

    async def publish(session: AsyncSession) -> Any:
        return (await publishing.publish(session, actor, model_id=model_id)).published_at

    results = await _race(own_dsn, [publish] * 4)
    assert len(set(results)) == 1

    async def count(session: AsyncSession) -> Any:
        return await session.scalar(
            select(func.count()).where(ModelEvent.model_id == model_id, ModelEvent.action == "published")
        )

    assert await _race(own_dsn, [count]) == [1]


async def test_two_tabs_edit_from_the_same_state(own_dsn: str) -> None:
    actor, model_id, _ = await _committed_draft(own_dsn)

    async def when(session: AsyncSession) -> Any:
        return await session.scalar(select(Model.updated_at).where(Model.id == model_id))

    [seen] = await _race(own_dsn, [when])

    def edit(name: str) -> Any:
        async def attempt(session: AsyncSession) -> Any:
            patch = ModelPatch.model_validate({"name": name})
            model = await drafts.update(session, actor, model_id=model_id, patch=patch, seen=seen)
            return model.name

        return attempt

    results = await _race(own_dsn, [edit("left"), edit("right")])
    conflicts = [result for result in results if isinstance(result, Conflict)]
    assert len(conflicts) == 1
    assert conflicts[0].code == "edited_elsewhere"
