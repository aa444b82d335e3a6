"""Tags of one's own on what one made, to find it again; the site's own marks stand in the same list (FEATURES G15)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import editing
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.studio import made
from civitas.domains.studio.made import FAVOURITE, GENERATED
from civitas.kit.errors import Invalid
from civitas.kit.text import clean_line

LONGEST: Final = 40
# Words that the site sets by itself, by what was made and how; so are all words with a colon.
MARKS: Final = frozenset({GENERATED, FAVOURITE, "img", "vid", "aud", "folder", "txt2img", "img2img", "comfy"})
# Tags are looked for among so many of the newest.
RECENT: Final = 2_000
MOST_SHOWN: Final = 30


def own(tags: Sequence[str]) -> tuple[str, ...]:
    """Those of the tags that a person gave, in their order."""
    return tuple(tag for tag in tags if tag not in MARKS and ":" not in tag)


async def give(session: AsyncSession, actor: Actor, *, workflow_id: str, tag: str) -> str:
    """Tag something made; what is there already stays. The tag as it is kept.

    Raises Invalid (`bad_tag`) for what is no tag or is a mark of the site, UnknownWorkflow, BadTemplate for too many.
    """
    kept = clean_line(tag[: 10 * LONGEST]).lower()
    if not 1 <= len(kept) <= LONGEST or any(sign in kept for sign in ":,"):
        told = f"A tag has 1 to {LONGEST} characters, without colons and commas."
        raise Invalid(told, code="bad_tag", fields={"tag": told})
    if kept in MARKS:
        told = f"“{kept}” is a mark of the site's own; choose another word."
        raise Invalid(told, code="bad_tag", fields={"tag": told})
    one = await made.one(session, actor, workflow_id)
    await editing.add_tag(session, actor, one.id, tag=kept)
    return kept


async def take(session: AsyncSession, actor: Actor, *, workflow_id: str, tag: str) -> None:
    """Take a tag of one's own away. Raises UnknownWorkflow."""
    one = await made.one(session, actor, workflow_id)
    if tag in own(one.tags):
        await editing.remove_tag(session, actor, one.id, tag=tag)


async def used(session: AsyncSession, actor: Actor) -> list[str]:
    """The tags that a person gave to what they made lately, those used most first."""
    recent = (
        select(Workflow.tags)
        .where(
            Workflow.person_id == actor.require(),
            Workflow.deleted_at.is_(None),
            Workflow.tags.contains([GENERATED]),
        )
        .order_by(Workflow.created_at.desc())
        .limit(RECENT)
        .subquery()
    )
    tag = func.unnest(recent.c.tags).label("tag")
    each = select(tag).subquery()
    rows = await session.scalars(
        select(each.c.tag)
        .where(each.c.tag.not_in(MARKS), ~each.c.tag.contains(":"))
        .group_by(each.c.tag)
        .order_by(func.count().desc(), each.c.tag)
        .limit(MOST_SHOWN)
    )
    return list(rows)
