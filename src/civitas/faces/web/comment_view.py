"""A thread as its templates read it: lines with what this viewer may do about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts.types import Actor
from civitas.domains.community.comments import reading
from civitas.domains.community.comments.reading import Branch, ThreadView, Told
from civitas.domains.community.comments.types import LONGEST, Order, State, deepest
from civitas.faces.http.portraits import portrait
from civitas.faces.web.forms import Entered
from civitas.faces.web.reaction_bars import ReactionBar, bars_of

ORDERS: Final = (
    (Order.NEWEST, "Newest"),
    (Order.OLDEST, "Oldest"),
    (Order.REACTIONS, "Most reactions"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A comment with what this viewer may do about it."""

    told: Told
    avatar_url: str | None
    own: bool
    may_answer: bool
    may_hide: bool
    may_show: bool
    may_pin: bool
    # Whom an answer goes to: the comment itself, or the one above where nesting ends.
    answers_to: int
    below_indent: int
    bar: ReactionBar | None

    @property
    def href(self) -> str:
        """Where this comment is, wherever it is shown."""
        return f"/comment/{self.told.id}"


@dataclass(frozen=True, slots=True)
class BranchView:
    """A comment of the first level and the answers shown below it."""

    top: Line
    answers: tuple[Line, ...]
    more_href: str | None
    more: int


@dataclass(frozen=True, slots=True)
class ThreadPage:
    """A thread: within a page, or alone."""

    facts: SubjectFacts
    href: str
    heading: str
    count: int
    locked: bool
    keeps: bool
    may_write: bool
    orders: tuple[tuple[str, str, bool], ...]
    pinned: tuple[BranchView, ...]
    branches: tuple[BranchView, ...]
    next_href: str | None
    newest_id: int
    first_page: bool
    form: Entered
    longest: int = LONGEST


@dataclass(frozen=True, slots=True)
class OnePage:
    """One comment with a form: to answer it, or to edit it."""

    facts: SubjectFacts
    line: Line
    form: Entered
    doing: str
    action: str
    title: str
    longest: int = LONGEST


@dataclass(frozen=True, slots=True)
class BranchPart:
    """One branch to be put in its place."""

    branch: BranchView
    locked: bool = False


async def thread_page(
    session: AsyncSession,
    actor: Actor,
    subject: Subject,
    *,
    sort: Order = Order.NEWEST,
    cursor: str | None = None,
    form: Entered | None = None,
) -> ThreadPage:
    """A page of a thread as its template reads it."""
    view: ThreadView = await reading.thread(session, actor, subject=subject, order=sort, cursor=cursor)
    href = href_of(subject)
    bars = await bars_in(session, actor, lines_in(*view.pinned, *view.branches))

    def shown(branch: Branch) -> BranchView:
        return branch_view(branch, actor, view.place.keeps, locked=view.locked, kind=subject.kind, bars=bars)

    chosen = {} if sort is Order.NEWEST else {"sort": sort.value}
    return ThreadPage(
        facts=view.place.facts,
        href=href,
        heading="Discussion" if subject.kind in ("model", "article", "challenge", "bounty") else "Comments",
        count=view.count,
        locked=view.locked,
        keeps=view.place.keeps,
        may_write=actor.signed_in and (not view.locked or view.place.keeps),
        orders=tuple(
            (label, f"{href}?{urlencode({'sort': one.value})}", one is sort) for one, label in ORDERS
        ),
        pinned=tuple(shown(one) for one in view.pinned),
        branches=tuple(shown(one) for one in view.branches),
        next_href=f"{href}?{urlencode(chosen | {'cursor': view.next_cursor})}" if view.next_cursor else None,
        newest_id=view.newest_id,
        first_page=cursor is None,
        form=form or Entered(),
    )


def href_of(subject: Subject) -> str:
    """Where the thread of a thing is."""
    return f"/comments/{subject.kind}/{subject.id}"


def more_href(comment_id: int, cursor: str | None) -> str | None:
    """Where more answers are; None when there are none."""
    return f"/comment/{comment_id}/replies?{urlencode({'cursor': cursor})}" if cursor else None


def lines_in(*branches: Branch) -> list[Told]:
    """All comments of these branches."""
    return [one for branch in branches for one in (branch.top, *branch.answers)]


async def bars_in(session: AsyncSession, actor: Actor, lines: Iterable[Told]) -> Mapping[int, ReactionBar]:
    """The reactions to those of these comments that are shown."""
    return await bars_of(session, actor, kind="comment", ids=[one.id for one in lines if one.shown])


def branch_view(
    branch: Branch, actor: Actor, keeps: bool, *, locked: bool, kind: str, bars: Mapping[int, ReactionBar]
) -> BranchView:
    """A branch as its template reads it."""
    return BranchView(
        line_of(branch.top, actor, keeps, locked=locked, kind=kind, bars=bars),
        tuple(line_of(one, actor, keeps, locked=locked, kind=kind, bars=bars) for one in branch.answers),
        more_href(branch.top.id, branch.next_cursor),
        max(0, branch.top.reply_count - sum(one.state is State.SHOWN for one in branch.answers)),
    )


def line_of(
    told: Told,
    actor: Actor,
    keeps: bool,
    *,
    locked: bool,
    kind: str,
    bars: Mapping[int, ReactionBar] | None = None,
) -> Line:
    """A comment with what the viewer may do about it; without `bars` nobody reacts to it there."""
    own = told.person_id == actor.id
    at_end = told.depth >= deepest(kind)
    return Line(
        told=told,
        avatar_url=portrait(told.avatar_key),
        own=own,
        may_answer=told.shown and actor.signed_in and (keeps or not locked),
        may_hide=told.state is State.SHOWN and keeps and not own,
        may_show=told.state is State.HIDDEN and keeps,
        may_pin=told.state is State.SHOWN and keeps and told.depth == 1,
        answers_to=(told.parent_id or told.id) if at_end else told.id,
        below_indent=min(told.depth - 1, 4),
        bar=(bars or {}).get(told.id),
    )
