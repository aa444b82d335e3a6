"""Slots before there are bytes, bytes that never change, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor, make_person
from tests.factories.media import make_blob, make_workflow, said

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Role
from civitas.domains.orchestration import blobs, fetching
from civitas.domains.orchestration.media import blocking, reading
from civitas.domains.orchestration.types import Level
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable


async def test_a_slot_has_an_id_before_it_has_bytes(session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    ids = await blobs.reserve_slots(
        session, workflow=workflow, job_id="job_1", kinds=[MediaKind.IMAGE, MediaKind.VIDEO]
    )
    assert len(set(ids)) == 2 and all(blobs.is_id(blob_id) for blob_id in ids)
    found = await blobs.links(session, [*ids, "unknown"])
    assert [found[blob_id].kind for blob_id in ids] == [MediaKind.IMAGE, MediaKind.VIDEO]
    assert not found[ids[0]].available and found[ids[0]].job_id == "job_1"
    assert await blobs.reserve_slots(session, workflow=workflow, job_id="job_1", kinds=[]) == []


async def test_delivered_bytes_are_there_and_never_change(session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    blob_id = await make_blob(session, workflow, b"first")
    await blobs.delivered(session, blob_id=blob_id, storage_key="again", delivered=said(b"first"))
    facts = (await blobs.links(session, [blob_id]))[blob_id]
    assert facts.available and facts.size == 5 and facts.level is Level.UNRATED
    assert facts.storage_key != "again"
    assert facts.expires_at is not None and facts.expires_at > clock.now() + timedelta(days=29)
    with pytest.raises(Conflict) as refused:
        await blobs.delivered(session, blob_id=blob_id, storage_key="k", delivered=said(b"other"))
    assert refused.value.code == "blob_delivered"


async def test_a_slot_takes_its_own_kind_only(session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    (blob_id,) = await blobs.reserve_slots(session, workflow=workflow, job_id="j", kinds=[MediaKind.AUDIO])
    with pytest.raises(Invalid, match="audio"):
        await blobs.delivered(session, blob_id=blob_id, storage_key="k", delivered=said(b"x"))
    with pytest.raises(NotFound):
        await blobs.delivered(session, blob_id="0" * 26, storage_key="k", delivered=said(b"x"))


async def test_what_was_blocked_stays_blocked_and_comes_back_blocked(session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    first, twin = await make_blob(session, workflow, b"bad"), await make_blob(session, workflow, b"bad")
    other = await make_blob(session, workflow, b"good")
    staff = await make_actor(session, role=Role.MODERATOR)
    with pytest.raises(Forbidden):
        await blocking.block(session, await make_actor(session), blob_id=first, reason="no")
    assert await blocking.block(session, staff, blob_id=first, reason="illegal") == 2
    found = await blobs.links(session, [first, twin, other])
    assert [found[blob_id].blocked_reason for blob_id in (first, twin, other)] == ["illegal", "illegal", None]
    later = await make_blob(session, workflow, b"bad")
    assert (await blobs.links(session, [later]))[later].blocked_reason == "illegal"


@pytest.mark.parametrize(("other", "blocked"), [("00000000000000ff", False), ("f000000000000001", True)])
async def test_pictures_that_look_alike_are_one(session: AsyncSession, other: str, blocked: bool) -> None:
    workflow = await make_workflow(session, await make_person(session))
    first = await make_blob(session, workflow, b"bad")
    await blobs.examined(session, blob_id=first, phash=blocking.signed("f000000000000000"), level=None)
    staff = await make_actor(session, role=Role.MODERATOR)
    await blocking.block(session, staff, blob_id=first, reason="illegal")
    found = await blocking.reason_for(session, sha256=b"\0" * 32, phash=blocking.signed(other))
    assert found == ("illegal" if blocked else None)


async def test_what_is_allowed_again_is_shown_but_for_other_reasons(session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    first, twin = await make_blob(session, workflow, b"odd"), await make_blob(session, workflow, b"odd")
    worse = await make_blob(session, workflow, b"worse")
    staff = await make_actor(session, role=Role.MODERATOR)
    await blocking.block(session, staff, blob_id=first, reason="by mistake")
    await blocking.block(session, staff, blob_id=worse, reason="illegal")
    with pytest.raises(Forbidden):
        await blocking.unblock(session, await make_actor(session), blob_id=first, reason="mine")
    with pytest.raises(Invalid) as refused:
        await blocking.unblock(session, staff, blob_id=first, reason=" ")
    assert refused.value.code == "reason_needed"
    assert await blocking.unblock(session, staff, blob_id=first, reason="looked again") == 2
    found = await blobs.links(session, [first, twin, worse])
    assert [found[blob_id].blocked_reason for blob_id in (first, twin, worse)] == [None, None, "illegal"]
    assert await blocking.unblock(session, staff, blob_id=first, reason="twice") == 0
    deeds = (await audit.page(session, staff)).items
    assert [deed.action for deed in deeds][:2] == ["media.unblock", "media.unblock"]
    assert deeds[-1].details["blob"] == first and deeds[-1].person_id == workflow.person_id


async def test_what_was_delivered_is_shown_to_nobody_before_it_was_examined(session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    blob_id = await make_blob(session, workflow, b"new", examined=False)
    with pytest.raises(Unavailable) as early:
        await reading.by_link(session, blob_id=blob_id)
    assert early.value.code == "blob_examined_first"
    waits = await fetching.bring(session, workflow=workflow, values=[blob_id])
    assert waits.waiting and waits.blobs == {blob_id: blob_id}
    await blobs.examined(session, blob_id=blob_id, phash=None, level=None)
    assert (await reading.by_link(session, blob_id=blob_id)).id == blob_id
    assert not (await fetching.bring(session, workflow=workflow, values=[blob_id])).waiting
    # A plain file has nothing that could be seen.
    file = await make_blob(session, workflow, b"zip", MediaKind.FILE, examined=False)
    assert (await reading.by_link(session, blob_id=file)).examined
