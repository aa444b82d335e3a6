"""Licence fees for generated images, and how versions that stand on others inherit them (FEATURES I56)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import policy
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.kit.errors import Invalid
from civitas.kit.sql import statements

SQL = statements("civitas.domains.catalog", "access.sql")
# A chain of sources that is longer than this is cut: nobody's model stands on so many others.
DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Fee:
    """What one version in the chain asks: `hundredths` of a Buzz for `images` images, to `receiver_id`."""

    source_version_id: int
    receiver_id: int
    hundredths: int
    images: int

    def due(self, images: int) -> Fraction:
        """What so many images cost, in quarters of a Buzz, exactly: whoever charges decides how to gather it."""
        return Fraction(self.hundredths * images, self.images * 25)


async def of_versions(session: AsyncSession, version_ids: Sequence[int]) -> Mapping[int, tuple[Fee, ...]]:
    """The fees that generating with each version owes: its own, and those of what it stands on.

    The chain goes through the source that the creator named, or what the model was forked from: a fork cannot leave
    it out. A creator does not owe themselves. Versions that owe nothing are left out.
    """
    found: dict[int, list[Fee]] = {}
    rows = await session.execute(text(SQL["fees"]), {"versions": list(version_ids), "deepest": DEEPEST})
    for row in rows:
        found.setdefault(row.version_id, []).append(
            Fee(row.source_id, row.receiver_id, row.licence_fee, row.licence_fee_images)
        )
    return {version_id: tuple(fees) for version_id, fees in found.items()}


async def replacing(session: AsyncSession, version_ids: Sequence[int]) -> frozenset[int]:
    """Those of these versions whose creator takes a fee of their own instead of compensation and tips."""
    fees = await of_versions(session, version_ids)
    return frozenset(
        version_id
        for version_id, owed in fees.items()
        if any(fee.source_version_id == version_id for fee in owed)
    )


async def check_source(session: AsyncSession, actor: Actor, *, version_id: int, source: int | None) -> None:
    """Raises Invalid (`source_not_found`, `source_circle`) unless a version may stand on this one."""
    if source is None:
        return
    visible = await session.scalar(
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id == source, policy.versions_visible_to(actor))
    )
    field = "licensingSourceVersionId"
    if visible is None:
        raise Invalid("The version it stands on was not found.", code="source_not_found",
                      fields={field: "There is no such version."})  # fmt: skip
    chain = await session.scalars(text(SQL["chain"]), {"version": source, "deepest": DEEPEST})
    if version_id in set(chain):
        raise Invalid("Versions cannot stand on each other in a circle.", code="source_circle",
                      fields={field: "That version stands on this one."})  # fmt: skip
