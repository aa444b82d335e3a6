"""`/comments/{kind}/{id}` and `/comment/{id}`: threads, alone or within any page, and what one does in them.

Pages hold a thread by including `comments/section.html`; everything else comes from here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor
from civitas.domains.community.comments import keeping, reading, writing
from civitas.domains.community.comments.types import LONGEST, Order, State
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.comment_view import (
    BranchPart,
    BranchView,
    OnePage,
    bars_in,
    branch_view,
    href_of,
    line_of,
    lines_in,
    more_href,
    thread_page,
)
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import fragment, render, toast_header
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit import paging
from civitas.kit.errors import Fault, Invalid, NotFound
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

MAX_ID: Final = 2**63 - 1
TEMPLATE: Final = "comments/thread.html"

Kind = Annotated[str, Path(pattern=r"^[a-z_]{1,40}$")]
Number = Annotated[int, Path(ge=1, le=MAX_ID)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


@router.get("/comments/{kind}/{subject_id:int}")
async def show(
    request: Request,
    actor: Visitor,
    session: Reading,
    kind: Kind,
    subject_id: Number,
    sort: Order = Order.NEWEST,
    cursor: Cursor = None,
) -> Response:
    """The thread of a thing: a page of its own, or the part of another."""
    page = await thread_page(session, actor, Subject(kind, subject_id), sort=sort, cursor=cursor)
    return render(request, TEMPLATE, page, block="comments")


@router.post("/comments/{kind}/{subject_id:int}")
async def write(request: Request, actor: Member, kind: Kind, subject_id: Number) -> Response:
    """Say something; an answer when the form names a comment."""
    form = await forms.read(request, longest=LONGEST * 2)
    subject = Subject(kind, subject_id)
    text = form.get("parent")
    parent = row_id(text)
    database = state_of(request).database
    try:
        async with database.unit() as session:
            made = await writing.write(
                session, actor, subject=subject, content=form.get("content"), parent_id=parent
            )
    except Fault as fault:
        if not _returnable(fault):
            raise
        return await _form_again(request, actor, subject, parent, form.failed(fault), forms.status_of(fault))
    if request.headers.get("hx-request") != "true":
        return redirect(request, f"/comment/{made.id}", text="Your comment is there.")
    async with database.reading() as session:
        if parent is not None:
            return await _branch_part(request, session, actor, made.id, "Your answer is there.")
        page = await thread_page(session, actor, subject)
    return fragment(request, TEMPLATE, "comments", page, headers=toast_header("ok", "Your comment is there."))


@router.post("/comments/{kind}/{subject_id:int}/lock")
async def lock(request: Request, actor: Member, kind: Kind, subject_id: Number) -> Response:
    """Close a thread, or open it again."""
    form = await forms.read(request)
    locked = form.get("locked") != "false"
    subject = Subject(kind, subject_id)
    async with state_of(request).database.unit() as session:
        await keeping.lock(session, actor, subject=subject, locked=locked)
        page = await thread_page(session, actor, subject)
    said = "The discussion is closed." if locked else "The discussion is open again."
    if request.headers.get("hx-request") == "true":
        return fragment(request, TEMPLATE, "comments", page, headers=toast_header("ok", said))
    return redirect(request, page.href, text=said)


@router.get("/comment/{comment_id:int}")
async def at(request: Request, actor: Visitor, session: Reading, comment_id: Number) -> Response:
    """One comment with its branch; without script also what is answered and edited."""
    place, branch = await reading.branch(session, actor, comment_id=comment_id)
    bars = await bars_in(session, actor, lines_in(branch))
    view = branch_view(branch, actor, place.keeps, locked=False, kind=place.subject.kind, bars=bars)
    if request.headers.get("hx-request") == "true":
        return fragment(request, TEMPLATE, "branch_part", BranchPart(view))
    page = await thread_page(session, actor, place.subject)
    return render(request, "comments/one.html", {"facts": place.facts, "branch": view, "thread": page,
                                                 "locked": page.locked, "here": comment_id})  # fmt: skip


@router.get("/comment/{comment_id:int}/replies")
async def replies(
    request: Request, actor: Visitor, session: Reading, comment_id: Number, cursor: Cursor = None
) -> Response:
    """More answers below a comment."""
    place, page = await reading.answers(session, actor, comment_id=comment_id, cursor=cursor)
    bars = await bars_in(session, actor, page.items)
    lines = tuple(
        line_of(one, actor, place.keeps, locked=False, kind=place.subject.kind, bars=bars)
        for one in page.items
        if one.shown or one.content or page.next_cursor
    )
    href = more_href(comment_id, page.next_cursor)
    if request.headers.get("hx-request") == "true":
        return fragment(
            request, TEMPLATE, "more_answers", {"lines": lines, "more_href": href, "locked": False}
        )
    _, top = await reading.one(session, actor, comment_id=comment_id)
    first = line_of(
        top,
        actor,
        place.keeps,
        locked=False,
        kind=place.subject.kind,
        bars=await bars_in(session, actor, [top]),
    )
    view = BranchView(first, lines, href, 0)
    thread = await thread_page(session, actor, place.subject)
    return render(request, "comments/one.html", {"facts": place.facts, "branch": view, "thread": thread,
                                                 "locked": thread.locked, "here": comment_id})  # fmt: skip


@router.get("/comment/{comment_id:int}/reply")
async def reply(request: Request, actor: Member, session: Reading, comment_id: Number) -> Response:
    """The form to answer a comment."""
    page = await _answering(session, actor, comment_id, Entered())
    return _form(request, page)


@router.get("/comment/{comment_id:int}/edit")
async def edit_form(request: Request, actor: Member, session: Reading, comment_id: Number) -> Response:
    """The form to say it differently."""
    page = await _editing(session, actor, comment_id, Entered())
    return _form(request, page)


@router.post("/comment/{comment_id:int}/edit")
async def edit(request: Request, actor: Member, comment_id: Number) -> Response:
    """Say it differently."""
    form = await forms.read(request, longest=LONGEST * 2)
    database = state_of(request).database
    try:
        async with database.unit() as session:
            await writing.edit(session, actor, comment_id=comment_id, content=form.get("content"))
    except Fault as fault:
        if not _returnable(fault):
            raise
        async with database.reading() as session:
            page = await _editing(session, actor, comment_id, form.failed(fault))
        return _form(request, page, forms.status_of(fault))
    return await _done(request, actor, comment_id, "Changed.")


Deed = Callable[[AsyncSession, Actor, int], Awaitable[object]]
_DEEDS: Final[dict[str, tuple[Deed, str]]] = {
    "remove": (lambda s, a, c: writing.remove(s, a, comment_id=c), "Removed."),
    "hide": (lambda s, a, c: keeping.hide(s, a, comment_id=c), "Hidden."),
    "restore": (lambda s, a, c: keeping.restore(s, a, comment_id=c), "It is shown again."),
    "pin": (lambda s, a, c: keeping.pin(s, a, comment_id=c), "Pinned."),
    "unpin": (lambda s, a, c: keeping.pin(s, a, comment_id=c, pinned=False), "No longer pinned."),
}


@router.post("/comment/{comment_id:int}/{deed}")
async def act(request: Request, actor: Member, comment_id: Number, deed: str) -> Response:
    """Remove one's own, or hide, show, pin what others say on one's thing."""
    if deed not in _DEEDS:
        raise NotFound("There is no such page.", code="page_not_found")
    run, said = _DEEDS[deed]
    database = state_of(request).database
    async with database.unit() as session:
        place, _ = await reading.one(session, actor, comment_id=comment_id)
        await run(session, actor, comment_id)
        if deed in ("pin", "unpin") and request.headers.get("hx-request") == "true":
            page = await thread_page(session, actor, place.subject)
            headers = toast_header("ok", said) | {"HX-Retarget": "#comments", "HX-Reswap": "outerHTML"}
            return fragment(request, TEMPLATE, "comments", page, headers=headers)
    return await _done(request, actor, comment_id, said)


async def _done(request: Request, actor: Actor, comment_id: int, said: str) -> Response:
    if request.headers.get("hx-request") != "true":
        return redirect(request, f"/comment/{comment_id}", text=said)
    async with state_of(request).database.reading() as session:
        return await _branch_part(request, session, actor, comment_id, said)


async def _branch_part(
    request: Request, session: AsyncSession, actor: Actor, comment_id: int, said: str
) -> Response:
    """The branch that a comment is in, to take the place of what is shown of it."""
    place, branch = await reading.branch(session, actor, comment_id=comment_id)
    bars = await bars_in(session, actor, lines_in(branch))
    view = branch_view(branch, actor, place.keeps, locked=False, kind=place.subject.kind, bars=bars)
    headers = toast_header("ok", said) | {
        "HX-Retarget": f"#branch-{branch.top.id}",
        "HX-Reswap": "outerHTML",
    }
    return fragment(request, TEMPLATE, "branch_part", BranchPart(view), headers=headers)


def _returnable(fault: Fault) -> bool:
    """Whether the form comes back with the words that were sent; everything else is a page of its own."""
    return isinstance(fault, Invalid) or fault.kind in ("conflict", "limited")


def _form(request: Request, page: OnePage, status: int = 200) -> Response:
    """The form alone for htmx, whose target has an id made as it goes; else its page."""
    if request.headers.get("hx-request") != "true":
        return render(request, "comments/form.html", page, status=status)
    part = fragment(request, "comments/form.html", "comment_form", page)
    # 422 is swapped in; so a limit is told in the form as well.
    part.status_code = 200 if status == 200 else 422
    return part


async def _form_again(
    request: Request, actor: Actor, subject: Subject, parent: int | None, form: Entered, status: int
) -> Response:
    inside = request.headers.get("hx-request") == "true"
    async with state_of(request).database.reading() as session:
        if parent is not None:
            page: Any = await _answering(session, actor, parent, form)
            return _form(request, page, status)
        page = await thread_page(session, actor, subject, form=form)
    # htmx swaps 422 in; a limit is told in the form as well.
    return render(request, TEMPLATE, page, block="comments", status=422 if inside else status)


async def _answering(session: AsyncSession, actor: Actor, comment_id: int, form: Entered) -> OnePage:
    place, told = await reading.one(session, actor, comment_id=comment_id)
    if not told.shown:
        raise NotFound("The comment that you answer is no longer shown.", code="comment_not_found")
    line = line_of(told, actor, place.keeps, locked=False, kind=place.subject.kind)
    if not form.values and line.answers_to != told.id and told.username:
        form = Entered({"content": (f"@{told.username} ",)})
    return OnePage(
        place.facts,
        line,
        form,
        "Answer",
        href_of(place.subject),
        f"Answer {told.username or 'a comment'}",
    )


async def _editing(session: AsyncSession, actor: Actor, comment_id: int, form: Entered) -> OnePage:
    place, told = await reading.one(session, actor, comment_id=comment_id)
    if told.person_id != actor.id or told.state is not State.SHOWN:
        raise NotFound("There is no comment of yours to edit.", code="comment_not_found")
    if not form.values:
        form = Entered({"content": (told.content,)})
    line = line_of(told, actor, place.keeps, locked=False, kind=place.subject.kind)
    return OnePage(place.facts, line, form, "Save", f"/comment/{told.id}/edit", "Edit your comment")
