"""`@name` in a text: who is meant, and who of them may be told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.community.comments.types import MOST_MENTIONS
from civitas.kit.errors import Invalid

# Not within a word or an address, and not more than a name can have.
_NAME: Final = re.compile(r"(?<![\w@/.])@([A-Za-z0-9_]{3,25})(?![\w@])", re.ASCII)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def names_in(text: str) -> list[str]:
    """The names that a text mentions outside code, folded, each once. Raises Invalid beyond `MOST_MENTIONS`."""
    found = dict.fromkeys(match[1].lower() for match in _NAME.finditer(_CODE.sub(" ", text)))
    if len(found) > MOST_MENTIONS:
        raise Invalid(f"A comment can mention at most {MOST_MENTIONS} people.", code="too_many_mentions")
    return list(found)


async def people_in(session: AsyncSession, text: str, *, writer_id: int) -> Sequence[int]:
    """The ids of living people whom a text mentions, without its writer and whoever is cut off by a block."""
    names = names_in(text)
    if not names:
        return ()
    found = (
        await session.scalars(
            select(Person.id).where(
                Person.username_folded.in_(names), Person.status == "active", Person.id != writer_id
            )
        )
    ).all()
    if not found:
        return ()
    apart = await following.unseen_by(session, writer_id)
    return sorted(person for person in found if person not in apart)
