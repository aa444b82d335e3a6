"""Which pictures a person has seen, as bits: told by the feed and the viewer in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.gallery.feeds.tables import SeenImages

MOST: Final = 500

_NOTE: Final = text(
    """
    INSERT INTO seen_images AS s (person_id, chunk, bits)
    SELECT :person, chunk, bit_or(set_bit(repeat('0', 4096)::bit(4096), at, 1))
      FROM (SELECT i.id >> 12 AS chunk, (i.id & 4095)::int AS at
              FROM images i WHERE i.id = ANY(CAST(:ids AS bigint[]))) t
     GROUP BY chunk ORDER BY chunk
    ON CONFLICT (person_id, chunk) DO UPDATE SET bits = s.bits | excluded.bits, seen_at = now()
     WHERE s.bits | excluded.bits <> s.bits
    """
)


async def note(session: AsyncSession, actor: Actor, *, image_ids: Sequence[int]) -> None:
    """The actor has seen these pictures; at most 500 at once count, and ids that nothing has do not."""
    person = actor.require(Scope.SOCIAL_WRITE)
    ids = sorted({one for one in image_ids[:MOST] if 0 < one < 2**62})
    if ids:
        await session.execute(_NOTE, {"person": person, "ids": ids})


async def forget(session: AsyncSession, actor: Actor) -> None:
    """Nothing was seen."""
    await session.execute(delete(SeenImages).where(SeenImages.person_id == actor.require(Scope.SOCIAL_WRITE)))
