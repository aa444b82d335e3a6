"""Comments over the API: threads on any subject, writing, keeping order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from civitas.contracts.subjects import Subject
from civitas.domains.community.comments import counting, keeping, reading, writing
from civitas.domains.community.comments.reading import Branch, Told
from civitas.domains.community.comments.types import LONGEST, Order, State
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.portraits import portrait
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Writer
from civitas.kit import paging
from civitas.kit.errors import Invalid
from civitas.kit.ids import row_ids

router = APIRouter(tags=["Comments"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Kind = Annotated[str, Query(max_length=40)]
Number = Annotated[int, Query(ge=1, le=2**63 - 1)]
CommentId = Annotated[int, Path(ge=1, le=2**63 - 1)]
MOST_COUNTED = 200


class Speaker(Answer):
    """Who wrote it; without a name once they left."""

    id: int
    username: str | None
    image: str | None


class CommentShown(Answer):
    """A comment. `content` is Markdown; it is empty where the comment is hidden, removed, or not shown to you."""

    id: int
    kind: str
    subject_id: int
    parent_id: int | None
    depth: int
    person: Speaker
    content: str
    state: State
    pinned: bool
    mentions: list[str]
    created_at: datetime
    edited_at: datetime | None
    reply_count: int
    reaction_count: int


class BranchShown(CommentShown):
    """A comment of the first level with the first answers below it, in the order in which they were given."""

    replies: list[CommentShown]
    replies_cursor: str | None


class ThreadShown(Answer):
    """A page of a thread; `pinned` comes with the first page only."""

    items: list[BranchShown]
    pinned: list[BranchShown]
    count: int
    locked: bool
    deepest: int
    metadata: dict[str, Any]


class Replies(Answer):
    """A page of answers."""

    items: list[CommentShown]
    metadata: dict[str, Any]


class Counts(Answer):
    """How many comments are shown on each subject; those without one have 0."""

    counts: dict[int, int]


class NewComment(Body):
    """What to say, about what; `parentId` is the comment that it answers."""

    kind: str = Field(max_length=40)
    subject_id: int = Field(ge=1, le=2**63 - 1)
    parent_id: int | None = Field(default=None, ge=1, le=2**63 - 1)
    content: str = Field(max_length=LONGEST * 2)


class Rewording(Body):
    """What it says from now on."""

    content: str = Field(max_length=LONGEST * 2)


class Reason(Body):
    """Why, for the log of staff."""

    reason: str = Field(default="", max_length=2000)


class Earlier(Answer):
    """What a comment said until a moment."""

    content: str
    replaced_at: datetime


class Pinning(Body):
    """Whether it is kept above the others."""

    pinned: bool


class Locking(Body):
    """Whether the thread is closed."""

    locked: bool


class Lock(Answer):
    """How a thread stands."""

    kind: str
    subject_id: int
    locked: bool
    count: int


@router.get("/comments", operation_id="listComments", summary="List Comments")
async def list_comments(
    request: Request,
    viewer: Viewer,
    session: Reading,
    kind: Kind,
    subject: Annotated[int, Query(alias="subjectId", ge=1, le=2**63 - 1)],
    sort: Order = Order.NEWEST,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=reading.MOST)] = reading.PAGE,
) -> ThreadShown:
    """The thread of a model, image, post, review or another kind of subject, each comment with its first answers."""
    await take(request, "read")
    view = await reading.thread(
        session, viewer, subject=Subject(kind, subject), order=sort, cursor=cursor, limit=limit
    )
    about = Subject(kind, subject)
    return ThreadShown(
        items=[_branch(request, about, one) for one in view.branches],
        pinned=[_branch(request, about, one) for one in view.pinned],
        count=view.count,
        locked=view.locked,
        deepest=view.deepest,
        metadata=_metadata(request, view.next_cursor),
    )


@router.get("/comments/counts", operation_id="countComments", summary="Count Comments")
async def count_comments(
    request: Request, session: Reading, kind: Kind, ids: Annotated[str, Query(max_length=4000)]
) -> Counts:
    """How many comments are shown on each of up to 200 subjects of one kind: `ids=1,2,3`."""
    await take(request, "read")
    parts = [part.strip() for part in ids.split(",") if part.strip()]
    numbers = row_ids(parts)
    if len(parts) > MOST_COUNTED or len(numbers) < len(parts):
        raise Invalid(f"ids are up to {MOST_COUNTED} numbers with commas between them.", code="bad_ids")
    found = await counting.counts(session, kind=kind, ids=numbers)
    return Counts(counts={number: found.get(number, 0) for number in numbers})


@router.post("/comments", operation_id="writeComment", summary="Write A Comment", status_code=201)
async def write_comment(request: Request, body: NewComment, writer: Writer, session: Unit) -> CommentShown:
    """Comment on something, or answer a comment on it; `@name` tells a person of it."""
    made = await writing.write(
        session,
        writer,
        subject=Subject(body.kind, body.subject_id),
        content=body.content,
        parent_id=body.parent_id,
    )
    return await _one(request, session, writer, made.id)


@router.get("/comments/{comment_id}", operation_id="getComment", summary="Get A Comment")
async def get_comment(
    request: Request, viewer: Viewer, session: Reading, comment_id: CommentId
) -> CommentShown:
    """One comment."""
    await take(request, "read")
    return await _one(request, session, viewer, comment_id)


@router.get("/comments/{comment_id}/replies", operation_id="listReplies", summary="List Answers")
async def list_replies(
    request: Request, viewer: Viewer, session: Reading, comment_id: CommentId, cursor: Cursor = None
) -> Replies:
    """All answers below a comment of the first level, in the order in which they were given."""
    await take(request, "read")
    place, page = await reading.answers(session, viewer, comment_id=comment_id, cursor=cursor)
    return Replies(
        items=[_shown(request, place.subject, one) for one in page.items],
        metadata=_metadata(request, page.next_cursor),
    )


@router.patch("/comments/{comment_id}", operation_id="editComment", summary="Edit A Comment")
async def edit_comment(
    request: Request, body: Rewording, writer: Writer, session: Unit, comment_id: CommentId
) -> CommentShown:
    """Say it differently; only its writer can."""
    await writing.edit(session, writer, comment_id=comment_id, content=body.content)
    return await _one(request, session, writer, comment_id)


@router.delete(
    "/comments/{comment_id}", operation_id="removeComment", summary="Remove A Comment", status_code=204
)
async def remove_comment(writer: Writer, session: Unit, comment_id: CommentId) -> None:
    """Take one's own comment back; answers stay."""
    await writing.remove(session, writer, comment_id=comment_id)


@router.get(
    "/comments/{comment_id}/history", operation_id="getCommentHistory", summary="Get What It Said Before"
)
async def history(request: Request, viewer: Viewer, session: Reading, comment_id: CommentId) -> list[Earlier]:
    """What a comment said before it was edited or removed; for moderators."""
    await take(request, "read")
    found = await keeping.history(session, viewer, comment_id=comment_id)
    return [Earlier.model_validate(one) for one in found]


@router.put(
    "/comments/{comment_id}/hidden", operation_id="hideComment", summary="Hide A Comment", status_code=204
)
async def hide(writer: Writer, session: Unit, comment_id: CommentId, body: Reason | None = None) -> None:
    """Take a comment from view: the owner of what it is about, and moderators."""
    await keeping.hide(session, writer, comment_id=comment_id, reason=body.reason if body else "")


@router.delete(
    "/comments/{comment_id}/hidden", operation_id="unhideComment", summary="Show It Again", status_code=204
)
async def unhide(writer: Writer, session: Unit, comment_id: CommentId) -> None:
    """Show a hidden comment again; what a moderator hid, only moderators show."""
    await keeping.restore(session, writer, comment_id=comment_id)


@router.put("/comments/{comment_id}/pinned", operation_id="pinComment", summary="Pin A Comment")
async def pin(
    request: Request, body: Pinning, writer: Writer, session: Unit, comment_id: CommentId
) -> CommentShown:
    """Keep a comment of the first level above the others, or no longer; at most three."""
    await keeping.pin(session, writer, comment_id=comment_id, pinned=body.pinned)
    return await _one(request, session, writer, comment_id)


@router.put("/comment-threads/{kind}/{subject_id}/lock", operation_id="lockThread", summary="Lock A Thread")
async def lock(
    body: Locking,
    writer: Writer,
    session: Unit,
    kind: Annotated[str, Path(max_length=40)],
    subject_id: CommentId,
) -> Lock:
    """Close a thread, so that only its keepers add to it, or open it again."""
    thread = await keeping.lock(session, writer, subject=Subject(kind, subject_id), locked=body.locked)
    return Lock(
        kind=kind, subject_id=subject_id, locked=thread.locked_at is not None, count=thread.comment_count
    )


async def _one(request: Request, session: Any, actor: Any, comment_id: int) -> CommentShown:
    place, told = await reading.one(session, actor, comment_id=comment_id)
    return _shown(request, place.subject, told)


def _metadata(request: Request, cursor: str | None) -> dict[str, Any]:
    return {"nextCursor": cursor, "nextPage": with_query(request, cursor=cursor) if cursor else None}


def _branch(request: Request, about: Subject, branch: Branch) -> BranchShown:
    top = _shown(request, about, branch.top)
    return BranchShown(
        **dict(top),
        replies=[_shown(request, about, one) for one in branch.answers],
        replies_cursor=branch.next_cursor,
    )


def _shown(request: Request, about: Subject, told: Told) -> CommentShown:
    path = portrait(told.avatar_key)
    return CommentShown(
        id=told.id,
        kind=about.kind,
        subject_id=about.id,
        parent_id=told.parent_id,
        depth=told.depth,
        person=Speaker(
            id=told.person_id, username=told.username, image=base_url(request) + path if path else None
        ),
        content=told.content,
        state=told.state,
        pinned=told.pinned,
        mentions=sorted(told.mentions),
        created_at=told.created_at,
        edited_at=told.edited_at,
        reply_count=told.reply_count,
        reaction_count=told.reaction_count,
    )
