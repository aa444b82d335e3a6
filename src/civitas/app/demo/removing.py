"""Taking the demo away without a trace, through the domains first so that every listener hears of it."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.demo.content import PEOPLE
from civitas.app.house import House
from civitas.domains.accounts.tables import Person, Profile
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.blobs import references
from civitas.domains.blobs.tables import Upload
from civitas.domains.catalog import air, base_models, removal
from civitas.domains.catalog.tables import Model, ModelFile, ModelVersion, VersionParent
from civitas.domains.catalog.types import Origin, Status
from civitas.domains.gallery import previews
from civitas.domains.gallery.tables import Post
from civitas.infra.queue.draining import drain


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
    await drain(house.context())
    async with house.database.unit() as session:
        ids = [model.id for model in models]
        files = await session.execute(
            select(ModelFile.id, ModelFile.blob_id)
            .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
            .where(ModelVersion.model_id.in_(ids))
        )
        for file_id, blob_id in files.tuples().all():
            if blob_id is None:
                continue
            await references.drop(session, blob_id=blob_id, kind="model_file", subject_id=file_id)
        await _let_children_go(session, ids)
        await session.execute(delete(Post).where(Post.person_id.in_(people)))
        await session.execute(delete(Upload).where(Upload.person_id.in_(people)))
        await session.execute(delete(Model).where(Model.id.in_(ids)))
        await session.execute(delete(Profile).where(Profile.person_id.in_(people)))
        await session.execute(delete(Person).where(Person.id.in_(people)))
    return len(models)


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
    for parent, version, model in rows.tuples().all():
        known = base_models.current().find(version.base_model)
        ecosystem = known.ecosystem.air if known is not None else "other"
        name = air.of_version(
            ecosystem=ecosystem, model_type=model.type, model_id=model.id, version_id=version.id
        )
        parent.parent_id, parent.air = None, str(name)


async def _people(session: AsyncSession) -> list[int]:
    names = [person.username for person in PEOPLE]
    return list((await session.scalars(select(Person.id).where(Person.username.in_(names)))).all())
