"""The badge of a tier beside names, for pages that show many people at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from civitas.infra.db.readpool import ReadPool

_SHOWN = "SELECT username_folded, badge FROM people WHERE username_folded = ANY(%s) AND badge IS NOT NULL"


async def of_names(reads: ReadPool, usernames: Iterable[str]) -> dict[str, str]:
    """The tier's badge of everybody named who has one, by lower-case name; no question for nobody."""
    wanted = sorted({name.lower() for name in usernames})
    if not wanted:
        return {}
    return {str(name): str(badge) for name, badge in await reads.fetch(_SHOWN, (wanted,))}
