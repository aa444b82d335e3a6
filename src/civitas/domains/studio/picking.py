"""Models to choose for a recipe, by a picture each: what the pickers of the page show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog.showing import Shot
from civitas.domains.catalog.tables import VersionPreview


async def shots(session: AsyncSession, actor: Actor, version_ids: Sequence[int]) -> Mapping[int, Shot]:
    """The first picture of each version that the viewer may be shown, in one statement."""
    if not version_ids:
        return {}
    rows = await session.execute(
        select(VersionPreview)
        .ext(distinct_on(VersionPreview.version_id))
        .where(
            VersionPreview.version_id.in_(list(version_ids)),
            VersionPreview.kind == "image",
            VersionPreview.nsfw_level.op("&")(actor.mask) != 0,
            VersionPreview.nsfw_level.op("&")(~actor.mask & 31) == 0,
        )
        .order_by(VersionPreview.version_id, VersionPreview.position, VersionPreview.image_id)
    )
    return {
        row.version_id: Shot(
            key=row.key,
            name=row.name,
            width=row.width,
            height=row.height,
            blurhash=row.blurhash,
            level=row.nsfw_level,
        )
        for (row,) in rows
    }
