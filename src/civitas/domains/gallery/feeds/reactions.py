"""Reacting to things of any kind: one row a person and reaction, counted in the background (FEATURES C8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.events.gallery import Reacted, ReactionWithdrawn
from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts import following
from civitas.domains.accounts.types import SAFE_MASK, Actor, Scope
from civitas.domains.gallery.feeds.messages import FoldCounts
from civitas.domains.gallery.feeds.tables import EngagementChange, Reaction, SubjectCounts
from civitas.infra.queue.outbox import defer, publish
from civitas.kit.errors import Forbidden, Invalid, NotFound


class Feeling(StrEnum):
    """What one can feel about a thing."""

    LIKE = "like"
    HEART = "heart"
    LAUGH = "laugh"
    CRY = "cry"
    DISLIKE = "dislike"


# Kinds of subjects that people react to, as far as there are such rooms.
KINDS: Final = frozenset(
    {
        "image", "post", "comment", "article", "review", "model", "model_version", "collection",
        "bounty", "bounty_entry", "challenge", "announcement", "changelog",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """How often a thing was reacted to, commented on and collected."""

    likes: int = 0
    hearts: int = 0
    laughs: int = 0
    cries: int = 0
    dislikes: int = 0
    comments: int = 0
    collected: int = 0

    def of(self, feeling: Feeling) -> int:
        """The number of one reaction."""
        return {
            Feeling.LIKE: self.likes,
            Feeling.HEART: self.hearts,
            Feeling.LAUGH: self.laughs,
            Feeling.CRY: self.cries,
            Feeling.DISLIKE: self.dislikes,
        }[feeling]


async def react(session: AsyncSession, actor: Actor, *, subject: Subject, feeling: Feeling) -> bool:
    """React to a thing; whether that is new. Reacting twice is reacting once.

    Raises NotFound for what the actor may not see or nobody can react to, Forbidden (`blocked`, `muted`).
    """
    person = actor.require(Scope.SOCIAL_WRITE)
    if actor.muted:
        raise Forbidden("You cannot react while you are muted.", code="muted")
    facts = await require_visible(session, actor, subject)
    if facts.owner_id is not None and facts.owner_id != person:
        await following.require_no_block(session, actor, target_id=facts.owner_id)
    made = await session.scalar(
        upsert(Reaction)
        .values(kind=subject.kind, subject_id=subject.id, person_id=person, reaction=feeling.value)
        .on_conflict_do_nothing()
        .returning(Reaction.person_id)
    )
    if made is None:
        return False
    await count(session, subject, feeling.value, +1)
    await publish(session, Reacted(person, subject.kind, subject.id, feeling.value, facts.owner_id))
    return True


async def withdraw(session: AsyncSession, actor: Actor, *, subject: Subject, feeling: Feeling) -> bool:
    """Take a reaction back; whether there was one. The thing need not be there any more."""
    person = actor.require(Scope.SOCIAL_WRITE)
    gone = await session.scalar(
        delete(Reaction)
        .where(
            Reaction.kind == subject.kind,
            Reaction.subject_id == subject.id,
            Reaction.person_id == person,
            Reaction.reaction == feeling.value,
        )
        .returning(Reaction.person_id)
    )
    if gone is None:
        return False
    await count(session, subject, feeling.value, -1)
    await publish(session, ReactionWithdrawn(person, subject.kind, subject.id, feeling.value))
    return True


async def count(session: AsyncSession, subject: Subject, what: str, step: int) -> None:
    """Note one more or less of `what` (a reaction, `comment`, `collect`); it is folded within seconds."""
    await session.execute(
        insert(EngagementChange).values(kind=subject.kind, subject_id=subject.id, what=what, step=step)
    )
    await defer(session, FoldCounts(), once="gallery:counts", lock="gallery:counts", priority=2)


async def total(session: AsyncSession, subject: Subject) -> int:
    """How many reactions of any kind there are to a thing, by what is there now."""
    found = await session.scalar(
        select(func.count())
        .select_from(Reaction)
        .where(Reaction.kind == subject.kind, Reaction.subject_id == subject.id)
    )
    return int(found or 0)


async def mine(
    session: AsyncSession, actor: Actor, *, kind: str, ids: Sequence[int]
) -> dict[int, frozenset[Feeling]]:
    """What the actor feels about things of one kind; those without a reaction are absent."""
    if actor.id is None or not ids:
        return {}
    rows = await session.execute(
        select(Reaction.subject_id, Reaction.reaction).where(
            Reaction.kind == kind, Reaction.subject_id.in_(ids), Reaction.person_id == actor.id
        )
    )
    found: dict[int, set[Feeling]] = {}
    for subject_id, reaction in rows:
        found.setdefault(subject_id, set()).add(Feeling(reaction))
    return {subject_id: frozenset(feelings) for subject_id, feelings in found.items()}


async def counts(session: AsyncSession, *, kind: str, ids: Sequence[int]) -> dict[int, Counts]:
    """The counts of things of one kind, with what is not folded yet; those without any are absent."""
    if not ids:
        return {}
    rows = await session.execute(
        select(SubjectCounts).where(SubjectCounts.kind == kind, SubjectCounts.subject_id.in_(ids))
    )
    found = {
        row.subject_id: {name: getattr(row, name) for name in Counts.__dataclass_fields__}
        for row in rows.scalars()
    }
    waiting = await session.execute(
        select(EngagementChange.subject_id, EngagementChange.what, EngagementChange.step).where(
            EngagementChange.kind == kind, EngagementChange.subject_id.in_(ids)
        )
    )
    for subject_id, what, step in waiting:
        mine_ = found.setdefault(subject_id, dict.fromkeys(Counts.__dataclass_fields__, 0))
        mine_[COLUMNS[what]] += step
    return {subject_id: Counts(**values) for subject_id, values in found.items()}


# The column that each change is counted in.
COLUMNS: Final = {
    "like": "likes",
    "heart": "hearts",
    "laugh": "laughs",
    "cry": "cries",
    "dislike": "dislikes",
    "comment": "comments",
    "collect": "collected",
}


async def require_visible(session: AsyncSession, actor: Actor, subject: Subject) -> SubjectFacts:
    """The facts of a thing that the actor may see and react to. Raises Invalid (`bad_kind`), NotFound."""
    if subject.kind not in KINDS:
        raise Invalid("Nobody can react to things of this kind.", code="bad_kind")
    facts = await subjects.resolve(session, subject)
    hidden = facts is None or (not facts.public and facts.owner_id != actor.id and not actor.is_moderator)
    if (
        facts is None
        or hidden
        or (facts.mature and facts.owner_id != actor.id and not actor.mask & ~SAFE_MASK)
    ):
        raise NotFound("What you react to was not found.", code="subject_not_found")
    return facts
