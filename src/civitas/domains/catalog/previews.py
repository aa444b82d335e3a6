"""The pictures that the catalogue shows of a version, and the levels that follow from them (FEATURES N5, B20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import or_
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import ModelChanged
from civitas.domains.accounts.types import ALL_MASK, BLOCKED, MATURE_MASK, PG
from civitas.domains.catalog import base_models
from civitas.domains.catalog.tables import Model, ModelVersion, VersionPreview
from civitas.domains.catalog.types import Status
from civitas.infra.queue.outbox import publish

MAX_PREVIEWS = 100


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture that is ready to be shown; `key` names it in URLs, sizes are in pixels."""

    image_id: int
    position: int
    key: str
    name: str
    kind: str
    width: int
    height: int
    blurhash: str | None
    nsfw_level: int
    person_id: int
    meta: dict[str, Any] | None = None


def forbidden_levels(model: Model, version: ModelVersion) -> int:
    """Levels that a version's pictures may not have: by its licence, or because the model is for everybody."""
    found = base_models.current().find(version.base_model)
    licence = found.forbidden_levels if found is not None else 0
    return licence | BLOCKED | (MATURE_MASK if model.minor or model.sfw_only else 0)


async def replace(session: AsyncSession, *, version_id: int, previews: Sequence[Preview]) -> None:
    """These are now the pictures of the version, in this order; the levels follow.

    Pictures of a level that the version may not show are left out. A version that does not exist is passed over.
    """
    row = (
        await session.execute(
            select(Model, ModelVersion)
            .join(ModelVersion, ModelVersion.model_id == Model.id)
            .where(ModelVersion.id == version_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).first()
    if row is None:
        return
    model, version = row
    forbidden = forbidden_levels(model, version)
    shown = [preview for preview in previews if not preview.nsfw_level & forbidden][:MAX_PREVIEWS]
    await session.execute(delete(VersionPreview).where(VersionPreview.version_id == version_id))
    if shown:
        await session.execute(
            insert(VersionPreview), [asdict(preview) | {"version_id": version_id} for preview in shown]
        )
    await relevel(session, model)
    await publish(session, ModelChanged(model.id))


async def relevel(session: AsyncSession, model: Model) -> None:
    """Compute the levels of the model's versions and of the model again, from the pictures up."""
    await session.flush()
    found = await session.execute(
        select(VersionPreview.version_id, func.bit_or(VersionPreview.nsfw_level))
        .join(ModelVersion, ModelVersion.id == VersionPreview.version_id)
        .where(ModelVersion.model_id == model.id, ModelVersion.status != Status.DELETED)
        .group_by(VersionPreview.version_id)
    )
    levels: dict[int, int] = dict(found.all())
    versions = await session.execute(
        select(ModelVersion.id, ModelVersion.nsfw_level).where(ModelVersion.model_id == model.id)
    )
    for version_id, before in versions.all():
        # A version without pictures has nothing to hide.
        after = MATURE_MASK if model.nsfw else levels.get(version_id, PG)
        if after != before:
            await session.execute(
                update(ModelVersion).where(ModelVersion.id == version_id).values(nsfw_level=after)
            )
    model.nsfw_level = MATURE_MASK if model.nsfw else reduce(or_, levels.values(), 0) & ALL_MASK or PG
    await session.flush()


async def drop_forbidden(session: AsyncSession, model: Model) -> bool:
    """Take pictures from view that the model's rules now forbid; whether there were any."""
    await session.flush()
    versions = await session.scalars(
        select(ModelVersion).where(ModelVersion.model_id == model.id, ModelVersion.status != Status.DELETED)
    )
    dropped = 0
    for version in versions.all():
        done = await session.execute(
            delete(VersionPreview).where(
                VersionPreview.version_id == version.id,
                VersionPreview.nsfw_level.op("&")(forbidden_levels(model, version)) != 0,
            )
        )
        dropped += done.rowcount  # type: ignore[attr-defined]
    return dropped > 0
