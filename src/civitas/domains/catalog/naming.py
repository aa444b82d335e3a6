"""How versions are called where another one names them: for lineage editors and pickers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import policy
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import Status


@dataclass(frozen=True, slots=True)
class VersionName:
    """How a version is called where another one names it."""

    id: int
    name: str
    model_id: int
    model: str
    base_model: str


async def version_names(
    session: AsyncSession, actor: Actor, *, version_ids: Sequence[int]
) -> dict[int, VersionName]:
    """Names of versions by id, those only that the actor may see."""
    rows = await session.execute(
        select(ModelVersion.id, ModelVersion.name, Model.id, Model.name, ModelVersion.base_model)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id.in_(version_ids), policy.versions_visible_to(actor))
    )
    return {row[0]: VersionName(*row) for row in rows}


async def versions_called(
    session: AsyncSession, actor: Actor, *, query: str, limit: int = 12
) -> Sequence[VersionName]:
    """The actor's own versions whose model's name holds `query`, the last edited first: for pickers."""
    text = query.strip().lower()[:60].replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    rows = await session.execute(
        select(ModelVersion.id, ModelVersion.name, Model.id, Model.name, ModelVersion.base_model)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            Model.person_id == actor.require(),
            Model.status != Status.DELETED,
            ModelVersion.status != Status.DELETED,
            func.lower(Model.name).like(f"%{text}%", escape="\\"),
        )
        .order_by(Model.updated_at.desc(), ModelVersion.position)
        .limit(limit)
    )
    return [VersionName(*row) for row in rows]
