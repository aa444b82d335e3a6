"""The newest pictures of a writer, to put into an article with one press."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import BLOCKED, Actor
from civitas.domains.gallery.tables import Image

MOST = 24


@dataclass(frozen=True, slots=True)
class OwnPicture:
    """One's picture with what stands for it in a text."""

    id: int
    key: str
    name: str
    level: int

    @property
    def markdown(self) -> str:
        """What shows it in an article."""
        words = self.name.rpartition(".")[0] or self.name
        plain = "".join(ch for ch in words if ch not in "[]()\\`*_<>")
        return f"![{plain}](/images/{self.id})"


async def newest(session: AsyncSession, actor: Actor) -> Sequence[OwnPicture]:
    """One's newest pictures that can be shown."""
    rows = await session.execute(
        select(Image.id, Image.key, Image.name, Image.nsfw_level)
        .where(
            Image.person_id == actor.require(),
            Image.deleted_at.is_(None),
            Image.status == "ready",
            Image.kind == "image",
            Image.nsfw_level.op("&")(BLOCKED) == 0,
        )
        .order_by(Image.id.desc())
        .limit(MOST)
    )
    return [OwnPicture(*row) for row in rows]
