"""The reactions to things as pages show them: for one thing, or for many of a kind at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor
from civitas.domains.gallery.feeds import reactions
from civitas.domains.gallery.feeds.reactions import Counts, Feeling

# As they are shown; there is no button for a dislike, which existing clients know of only by its count.
SHOWN: Final = (
    (Feeling.LIKE, "Like", "thumb-up"),
    (Feeling.HEART, "Heart", "heart"),
    (Feeling.LAUGH, "Laugh", "smile"),
    (Feeling.CRY, "Cry", "tear"),
)
# Where words are reacted to, the buttons stand back behind them.
QUIET: Final = frozenset({"comment", "review"})


@dataclass(frozen=True, slots=True)
class ReactionButton:
    """A reaction with its count, and whether it is the viewer's."""

    feeling: str
    label: str
    icon: str
    count: int
    pressed: bool


@dataclass(frozen=True, slots=True)
class ReactionBar:
    """All reactions to a thing."""

    kind: str
    subject_id: int
    buttons: tuple[ReactionButton, ...]

    @property
    def quiet(self) -> bool:
        """Whether it is small, and counts only what there is."""
        return self.kind in QUIET


async def bar_of(session: AsyncSession, actor: Actor, subject: Subject) -> ReactionBar:
    """The reactions to a thing, as they are this second."""
    return (await bars_of(session, actor, kind=subject.kind, ids=[subject.id]))[subject.id]


async def bars_of(
    session: AsyncSession, actor: Actor, *, kind: str, ids: Sequence[int]
) -> Mapping[int, ReactionBar]:
    """The reactions to each of these things, in as many queries as for one."""
    counts = await reactions.counts(session, kind=kind, ids=ids)
    mine = await reactions.mine(session, actor, kind=kind, ids=ids)
    return {one: _bar(kind, one, counts.get(one, Counts()), mine.get(one, frozenset())) for one in ids}


def _bar(kind: str, subject_id: int, counts: Counts, mine: frozenset[Feeling]) -> ReactionBar:
    return ReactionBar(
        kind,
        subject_id,
        tuple(
            ReactionButton(feeling.value, label, icon, max(0, counts.of(feeling)), feeling in mine)
            for feeling, label, icon in SHOWN
        ),
    )
