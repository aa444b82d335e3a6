"""How models and versions are found when others point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolves
from civitas.domains.accounts.types import PG, R
from civitas.domains.catalog.maturity import is_mature
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import Availability, Status
from civitas.kit.text import slug


@resolves("model")
async def models(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Models that are not deleted."""
    rows = await session.execute(
        select(
            Model.id,
            Model.person_id,
            Model.name,
            Model.status,
            Model.availability,
            Model.nsfw,
            Model.nsfw_level,
        ).where(Model.id.in_(ids), Model.status != Status.DELETED)
    )
    return {
        row.id: SubjectFacts(
            subject=Subject("model", row.id),
            owner_id=row.person_id,
            title=row.name,
            path=f"/models/{row.id}/{slug(row.name)}",
            mature=is_mature(row.nsfw, row.nsfw_level),
            public=_public(row.status, row.availability),
            level=row.nsfw_level or (R if row.nsfw else PG),
        )
        for row in rows
    }


@resolves("model_version")
async def versions(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Versions that are not deleted, of models that are not; named by the model and themselves."""
    rows = await session.execute(
        select(
            ModelVersion.id,
            ModelVersion.name,
            ModelVersion.status,
            ModelVersion.availability,
            ModelVersion.nsfw_level,
            Model.id.label("model_id"),
            Model.name.label("model_name"),
            Model.person_id,
            Model.status.label("model_status"),
            Model.availability.label("model_availability"),
            Model.nsfw,
        )
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            ModelVersion.id.in_(ids), ModelVersion.status != Status.DELETED, Model.status != Status.DELETED
        )
    )
    return {
        row.id: SubjectFacts(
            subject=Subject("model_version", row.id),
            owner_id=row.person_id,
            title=f"{row.model_name} {row.name}",
            path=f"/models/{row.model_id}/{slug(row.model_name)}?modelVersionId={row.id}",
            mature=is_mature(row.nsfw, row.nsfw_level),
            public=_public(row.status, row.availability)
            and _public(row.model_status, row.model_availability),
        )
        for row in rows
    }


def _public(status: str, availability: str) -> bool:
    return status == Status.PUBLISHED and availability != Availability.PRIVATE
