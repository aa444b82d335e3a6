"""Taking the demo away without a trace, through the domains first so that every listener hears of it."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.demo import collecting, silencing, stocking, telling
from civitas.app.demo.content import FRIENDS, PEOPLE
from civitas.app.house import House
from civitas.domains.accounts.tables import Person, Profile
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.blobs import references
from civitas.domains.blobs.tables import Upload
from civitas.domains.buzz.memberships import desk, runs
from civitas.domains.buzz.memberships import queries as membership_queries
from civitas.domains.buzz.programme import participation
from civitas.domains.buzz.programme.tables import Participant
from civitas.domains.catalog import air, base_models, removal
from civitas.domains.catalog.access_tables import AccessPayment
from civitas.domains.catalog.tables import Model, ModelFile, ModelVersion, VersionParent
from civitas.domains.catalog.types import Origin, Status
from civitas.domains.gallery import previews
from civitas.domains.gallery.tables import Post
from civitas.infra.queue.draining import drain
from civitas.kit import clock


async def count(session: AsyncSession) -> int:
    """How many models there are, of whatever origin."""
    return int(await session.scalar(select(func.count()).select_from(Model)) or 0)


async def remove(house: House) -> int:
    """Remove the demo's models, pictures and people; returns how many models went.

    Models that others have made from demo models stay; they keep the name of their source.
    """
    async with house.database.unit() as session:
        models = (await session.scalars(select(Model).where(Model.origin == Origin.DEMO))).all()
        for model in models:
            if model.status != Status.DELETED:
                await removal.delete(session, SYSTEM, model_id=model.id, reason="other")
        people = await _people(session)
        for person_id in people:
            await previews.remove_all_of(session, person_id=person_id)
            await _out_of_the_economy(session, person_id)
    await drain(house.context())
    async with house.database.unit() as session:
        ids = [model.id for model in models]
        files = await session.execute(
            select(ModelFile.id, ModelFile.blob_id)
            .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
            .where(ModelVersion.model_id.in_(ids))
        )
        for file_id, blob_id in files.all():
            if blob_id is None:
                continue
            await references.drop(session, blob_id=blob_id, kind="model_file", subject_id=file_id)
        await silencing.clear(session, people, ids)
        await stocking.clear(session)
        await telling.clear(session, people)
        # Everybody was paid back when the models went; the ledger keeps what there was.
        sold = select(ModelVersion.id).where(ModelVersion.model_id.in_(ids))
        await session.execute(delete(AccessPayment).where(AccessPayment.version_id.in_(sold)))
        await _let_children_go(session, ids)
        await collecting.clear(session, people)
        await session.execute(delete(Post).where(Post.person_id.in_(people)))
        await session.execute(delete(Upload).where(Upload.person_id.in_(people)))
        await session.execute(delete(Model).where(Model.id.in_(ids)))
        await session.execute(delete(Profile).where(Profile.person_id.in_(people)))
        for person_id in people:
            await _person(session, person_id)
    return len(models)


async def _out_of_the_economy(session: AsyncSession, person_id: int) -> None:
    """No membership goes on for somebody who is gone, and nobody banks any more."""
    for run in (await runs.live(session, person_id)).values():
        await desk.end(session, SYSTEM, membership_id=run.id, reason="The demo was removed")
    for waits in await membership_queries.waiting(session, person_id):
        await desk.revoke(session, SYSTEM, grant_id=waits.id, reason="The demo was removed")
    taking_part = await session.get(Participant, person_id)
    if taking_part is not None and taking_part.status == "active":
        # What is banked goes back, so that nobody else's share is smaller for it.
        await participation.ban(session, SYSTEM, person_id=person_id, reason="The demo was removed")


async def _person(session: AsyncSession, person_id: int) -> None:
    """Remove a person; one whom others have paid, or who is in their history otherwise, stays without a name."""
    try:
        async with session.begin_nested():
            await session.execute(delete(Person).where(Person.id == person_id))
    except IntegrityError:
        await session.execute(
            update(Person)
            .where(Person.id == person_id)
            .values(
                status="deleted",
                username=None,
                username_folded=None,
                email=None,
                email_folded=None,
                avatar_key=None,
                deleted_at=clock.now(),
            )
        )


async def _let_children_go(session: AsyncSession, model_ids: list[int]) -> None:
    """Versions made from demo versions keep their source as an AIR, which outlives the model."""
    inner = select(ModelVersion.id).where(ModelVersion.model_id.in_(model_ids))
    await session.execute(delete(VersionParent).where(VersionParent.version_id.in_(inner)))
    rows = await session.execute(
        select(VersionParent, ModelVersion, Model)
        .join(ModelVersion, ModelVersion.id == VersionParent.parent_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(Model.id.in_(model_ids))
    )
    for parent, version, model in rows.all():
        known = base_models.current().find(version.base_model)
        ecosystem = known.ecosystem.air if known is not None else "other"
        name = air.of_version(
            ecosystem=ecosystem, model_type=model.type, model_id=model.id, version_id=version.id
        )
        parent.parent_id, parent.air = None, str(name)


async def _people(session: AsyncSession) -> list[int]:
    names = [person.username for person in (*PEOPLE, *FRIENDS)]
    return list((await session.scalars(select(Person.id).where(Person.username.in_(names)))).all())
