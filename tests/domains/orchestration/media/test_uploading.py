"""Uploads: once for each link, within quotas, never what is blocked; who may read; how long it stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_person
from tests.factories.media import make_blob, make_job, make_step, make_workflow

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.accounts.types import ANONYMOUS, Role, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import BlobQuota
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.media import blocking, quotas, reading, uploading
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.media.previews import Watching
from civitas.domains.orchestration.media.tasks import sweep_blobs, sweep_strays
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job
from civitas.domains.orchestration.types import Level
from civitas.infra.db.database import BoundDatabase, Database
from civitas.infra.media.arrived import Arrived
from civitas.infra.queue.context import TaskContext
from civitas.infra.storage.memory import MemoryStore
from civitas.infra.storage.store import Store
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Limited, NotFound, TooLarge, Unauthorised, Unprocessable

LINKS = MediaLinks.derived(b"a secret for tests only, 32 bytes", "https://hub.example.org")


def arrived(body: bytes = b"picture", **more: Any) -> Arrived:
    said: dict[str, Any] = {"kind": "image", "media_type": "image/png", "phash": "00ff00ff00ff00ff"}
    return Arrived(
        storage_key=blobs.new_key(),
        size=more.pop("size", len(body)),
        sha256=hashlib.sha256(body).digest(),
        **(said | more),
    )


@contextmanager
def allowing(stored_gb: int = 1, uploads_a_day: int = 200) -> Iterator[None]:
    quota = BlobQuota(stored_gb=stored_gb, uploads_a_day=uploads_a_day)
    economy.use(economy.packaged().model_copy(update={"blobs": {"free": quota}}))
    try:
        yield
    finally:
        economy.use(None)


async def test_an_upload_is_its_owners_alone_until_somebody_rates_it(session: AsyncSession) -> None:
    actor = await make_actor(session)
    facts = await uploading.record(session, person_id=actor.require(), arrived=arrived())
    assert facts.level is Level.UNRATED and facts.available
    assert await reading.own(session, actor, blob_id=f"{facts.id}.png") == facts
    for other in (await make_actor(session), actor_for(actor.require(), scopes=Scope.MEDIA_READ)):
        with pytest.raises((NotFound, Forbidden)):
            await reading.own(session, other, blob_id=facts.id)
    with pytest.raises(Unauthorised):
        await reading.own(session, ANONYMOUS, blob_id=facts.id)
    staff = await make_actor(session, role=Role.MODERATOR)
    assert (await reading.own(session, staff, blob_id=facts.id)).id == facts.id
    with pytest.raises(Forbidden) as refused:
        reading.readable(facts, most=Level.XXX)
    assert refused.value.code == "too_mature"
    assert reading.readable(facts, most=Level.UNRATED) == facts


@pytest.mark.parametrize(
    ("level", "most", "shown"), [("pg", "pg", True), ("r", "pg13", False), ("x", "xxx", True)]
)
async def test_levels_bound_what_is_read(session: AsyncSession, level: str, most: str, shown: bool) -> None:
    person = await make_person(session)
    facts = await uploading.record(session, person_id=person, arrived=arrived(level=level))
    if shown:
        assert reading.readable(facts, most=Level(most)) == facts
    else:
        with pytest.raises(Forbidden):
            reading.readable(facts, most=Level(most))


async def test_a_link_uploads_once(session: AsyncSession) -> None:
    actor = await make_actor(session)
    url, _ = await uploading.presign(session, actor, links=LINKS)
    grant = LINKS.open_upload(parse_qs(urlsplit(url).query)["sig"][0])
    room = await uploading.admit(session, person_id=grant.person_id, blob_id=grant.blob_id)
    assert room == quotas.GIB
    made = await uploading.record(
        session, person_id=grant.person_id, blob_id=grant.blob_id, arrived=arrived()
    )
    assert (made.id, made.person_id) == (grant.blob_id, actor.id)
    with pytest.raises(Conflict):
        await uploading.admit(session, person_id=grant.person_id, blob_id=grant.blob_id)
    with pytest.raises(Conflict) as refused:
        await uploading.record(
            session, person_id=grant.person_id, blob_id=grant.blob_id, arrived=arrived(b"other")
        )
    assert refused.value.code == "upload_used"


async def test_quotas_are_counted_by_bytes_and_by_day(session: AsyncSession) -> None:
    person = await make_person(session)
    with allowing(uploads_a_day=2):
        await uploading.record(session, person_id=person, arrived=arrived(size=10))
        await uploading.record(session, person_id=person, arrived=arrived(size=20))
        with pytest.raises(Limited):
            await uploading.record(session, person_id=person, arrived=arrived())
        with clock.held_at(clock.now() + timedelta(days=2)):
            assert (await quotas.admit(session, person)).bytes_kept == 30
    with allowing(stored_gb=1):
        with pytest.raises(TooLarge) as refused:
            await uploading.record(session, person_id=person, arrived=arrived(size=quotas.GIB))
        assert refused.value.code == "storage_quota"
        workflow = await make_workflow(session, person)
        await make_blob(session, workflow)
        assert (await quotas.of_person(session, person)).bytes_kept == 30
    with allowing(stored_gb=-1, uploads_a_day=-1):
        assert (await quotas.admit(session, person, size=2**50)).room is None


async def test_what_is_blocked_is_not_taken(session: AsyncSession) -> None:
    actor, staff = await make_actor(session), await make_actor(session, role=Role.MODERATOR)
    facts = await uploading.record(session, person_id=actor.require(), arrived=arrived(b"bad"))
    await blocking.block(session, staff, blob_id=facts.id, reason="illegal")
    with pytest.raises(Forbidden) as refused:
        reading.readable((await blobs.links(session, [facts.id]))[facts.id])
    assert refused.value.code == "blob_blocked"
    for again in (arrived(b"bad", phash=None), arrived(b"saved anew", phash="00ff00ff00ff00fe")):
        with pytest.raises(Unprocessable) as unprocessable:
            await uploading.record(session, person_id=actor.require(), arrived=again)
        assert unprocessable.value.details == {"blockedReason": "illegal"}
    with pytest.raises(Unprocessable):
        await uploading.record(session, person_id=actor.require(), arrived=arrived(b"new", blocked="a face"))


async def test_refreshing_counts_thirty_days_anew(session: AsyncSession) -> None:
    actor = await make_actor(session)
    facts = await uploading.record(session, person_id=actor.require(), arrived=arrived())
    with clock.held_at(clock.now() + timedelta(days=20)):
        again = await reading.refresh(session, actor, blob_id=facts.id)
        assert again.expires_at == clock.now() + timedelta(days=30)
    with pytest.raises(NotFound):
        await reading.refresh(session, await make_actor(session), blob_id=facts.id)
    workflow = await make_workflow(session, actor.require())
    (slot,) = await blobs.reserve_slots(session, workflow=workflow, job_id="j", kinds=[MediaKind.IMAGE])
    with pytest.raises(NotFound):
        await reading.refresh(session, actor, blob_id=slot)


async def test_own_blobs_are_paged(session: AsyncSession) -> None:
    actor = await make_actor(session)
    made = [await uploading.record(session, person_id=actor.require(), arrived=arrived()) for _ in range(5)]
    found: list[str] = []
    cursor = None
    while True:
        page = await reading.mine(session, actor, cursor=cursor, limit=2)
        found += [facts.id for facts in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(found) == sorted(facts.id for facts in made) and len(found) == 5


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (None, "{id}.png"), ("cat.png", "cat.png"), ("../../etc/passwd", "passwd"), ("a\r\nb=c.png", "abc.png"),
        ("..", "{id}.png"), ("C:\\x\\y.png", "y.png"), ('q"uote.png', "quote.png"),
    ],
)  # fmt: skip
async def test_names_are_made_safe(session: AsyncSession, wanted: str | None, name: str) -> None:
    facts = await uploading.record(session, person_id=await make_person(session), arrived=arrived())
    made = reading.filename(facts, wanted)
    assert made.replace(" ", "").replace("-", "").replace("_", "") == name.format(id=facts.id)


async def test_types_that_a_browser_would_run_are_served_as_bytes(session: AsyncSession) -> None:
    person = await make_person(session)
    page = await uploading.record(session, person_id=person, arrived=arrived(media_type="text/html"))
    assert reading.media_type(page) == "application/octet-stream" and not reading.inline(page, download=False)
    shown = await uploading.record(session, person_id=person, arrived=arrived())
    assert reading.inline(shown, download=False) and not reading.inline(shown, download=True)


async def stored(store: MemoryStore, session: AsyncSession) -> None:
    for key in await session.scalars(select(MediaBlob.storage_key).where(MediaBlob.storage_key.is_not(None))):
        await store.put(str(key), b"x", "image/png")


async def test_after_thirty_days_bytes_go_and_workflows_show_what_was(
    units: BoundDatabase, session: AsyncSession
) -> None:
    store = MemoryStore()
    context = TaskContext(units, {Store: store})
    person = await make_person(session)
    workflow = await make_workflow(session, person)
    output = await make_blob(session, workflow)
    upload = await uploading.record(session, person_id=person, arrived=arrived())
    kept = await uploading.record(session, person_id=person, arrived=arrived())
    await stored(store, session)
    with clock.held_at(clock.now() + timedelta(days=10)):
        await blobs.used(session, [kept.id])
    with clock.held_at(clock.now() + timedelta(days=31)):
        await sweep_blobs(context)
        session.expire_all()
        found = await blobs.links(session, [output, upload.id, kept.id])
        assert set(found) == {output, kept.id} and not found[output].available
        assert list(store.objects) == [kept.storage_key]
    with clock.held_at(clock.now() + timedelta(days=100)):
        await sweep_blobs(context)
        session.expire_all()
        assert await blobs.links(session, [output, kept.id]) == {}
    assert store.objects == {}


async def test_bytes_that_nobody_knows_are_swept_once_they_are_old(
    units: BoundDatabase, session: AsyncSession
) -> None:
    store = MemoryStore()
    context = TaskContext(units, {Store: store})
    person = await make_person(session)
    known = await uploading.record(session, person_id=person, arrived=arrived())
    workflow = await make_workflow(session, person)
    step = await make_step(session, workflow)
    running = await make_job(session, step, person, id="job_ABC")
    shown, left = "orchestration/previews/job_abc/1.png", "orchestration/previews/job_xyz/1.png"
    running.preview = shown
    await session.flush()
    stray = blobs.new_key()
    for key in (str(known.storage_key), stray, shown, left, "blobs/2026/01/other"):
        await store.put(key, b"x", "image/png")
    await sweep_strays(context)
    assert len(store.objects) == 5
    with clock.held_at(clock.now() + timedelta(days=2)):
        await sweep_strays(context)
    assert sorted(store.objects) == sorted([str(known.storage_key), shown, "blobs/2026/01/other"])


async def test_previews_are_seen_until_the_job_ends(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with database.unit() as session:
        person = await make_person(session)
        workflow = await make_workflow(session, person)
        job = await make_job(session, await make_step(session, workflow), person, preview="one")
    watching = Watching(database, look_s=0.01)
    seen: list[str] = []
    async for key in watching.watch(job.id):
        seen.append(key)
        values: dict[str, Any] = {"preview": "two"}
        if key == "two":
            values = {"status": "succeeded", "completed_at": clock.now()}
        async with database.unit() as session:
            await session.execute(update(Job).where(Job.id == job.id).values(**values))
    assert seen == ["one", "two"]
    with pytest.raises(NotFound):
        async for _ in watching.watch("job_nobody"):
            pass
    await watching.closed()
    await database.close()
