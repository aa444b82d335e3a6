"""What a message points at on this site, as a card: found in our own books, never fetched, never beyond what one may see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts.types import SAFE_MASK, Actor

MOST: Final = 3
_KINDS: Final = {"models": "model", "articles": "article", "images": "image", "posts": "post"}
_PATH: Final = re.compile(
    r"(?:(https?)://([A-Za-z0-9.:\[\]-]{1,255}))?/(models|articles|images|posts)/(\d{1,18})\b"
)


def named(content: str, host: str) -> tuple[Subject, ...]:
    """The things of this site that a text names by their addresses, each once, three at most."""
    found: dict[Subject, None] = {}
    for match in _PATH.finditer(content):
        foreign = match[2] is not None and match[2].lower() != host.lower()
        # A path within another address is that address's own.
        inner = match[2] is None and match.start() > 0 and not content[match.start() - 1].isspace()
        if foreign or (inner and content[match.start() - 1] not in "(<"):
            continue
        found[Subject(_KINDS[match[3]], int(match[4]))] = None
    return tuple(found)[:MOST]


async def cards(
    session: AsyncSession, viewer: Actor, contents: Sequence[str], *, host: str
) -> list[tuple[SubjectFacts, ...]]:
    """What each text points at, as far as this viewer may see it; one query a kind for all of them."""
    wanted = [named(content, host) for content in contents]
    known = await subjects.resolve_all(session, [subject for found in wanted for subject in found])
    return [
        tuple(facts for one in found if (facts := known.get(one)) and _sees(viewer, facts))
        for found in wanted
    ]


def _sees(viewer: Actor, facts: SubjectFacts) -> bool:
    if facts.mature and not viewer.mask & ~SAFE_MASK:
        return False
    return facts.public or (facts.owner_id is not None and facts.owner_id == viewer.id)
