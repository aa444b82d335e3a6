"""What one does with what one made: cancel, mark, remove, take along, release what waits to be paid."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import posting_made
from civitas.domains.orchestration import cancelling, editing
from civitas.domains.orchestration.editing import Change
from civitas.domains.orchestration.media import rating
from civitas.domains.studio import again, labels, made
from civitas.domains.studio.made import FAVOURITE
from civitas.faces.http.media_links import links_of
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Unit
from civitas.faces.web import forms
from civitas.faces.web.create_feed import rules_of, view_of
from civitas.faces.web.shell import FlashKind
from civitas.faces.web.templating import fragment, toast_header
from civitas.faces.web.visits import SEE_OTHER, Member, redirect
from civitas.kit.errors import Conflict, Invalid, NotFound

router = APIRouter(prefix="/create/generations", dependencies=forms.CHECKED, include_in_schema=False)


@router.post("/several/{deed}")
async def several(request: Request, member: Member, session: Unit, deed: str) -> Response:
    """What one does with all that one ticked: take along, mark, remove."""
    form = await forms.read(request)
    chosen = [one[:64] for one in form.all("pick")]
    try:
        if deed == "archive":
            return await _packed(request, session, member, chosen)
        if deed == "favourite":
            await again.mark(session, member, workflow_ids=chosen, on=True)
            return redirect(request, "/create?tag=favorite", text="Marked.")
        if deed == "remove":
            await again.remove(session, member, workflow_ids=chosen)
            return redirect(request, "/create", text="Removed.")
    except (Invalid, Conflict) as fault:
        await session.rollback()
        return redirect(request, "/create", kind="danger", text=fault.message)
    raise NotFound("There is nothing of this kind to do.", code="no_such_deed")


@router.post("/{workflow_id}/cancel")
async def cancel(request: Request, member: Member, workflow_id: str) -> Response:
    """Stop what is under way; what was not delivered comes back."""
    async with state_of(request).database.unit() as session:
        await cancelling.cancel(session, member, workflow_id)
    return await _card(
        request, member, workflow_id, "Cancelled. What was not made comes back to your wallet."
    )


@router.post("/{workflow_id}/favourite")
async def favourite(request: Request, member: Member, workflow_id: str) -> Response:
    """Mark it, or take the mark away."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        deed = editing.add_tag if form.flag("on") and form.get("on") else editing.remove_tag
        await deed(session, member, workflow_id, tag=FAVOURITE)
    return await _card(request, member, workflow_id)


@router.post("/{workflow_id}/tag")
async def tag(request: Request, member: Member, workflow_id: str) -> Response:
    """Give it a tag of one's own, or take one away."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            if gone := form.get("remove"):
                await labels.take(session, member, workflow_id=workflow_id[:64], tag=gone)
            else:
                await labels.give(session, member, workflow_id=workflow_id[:64], tag=form.get("tag"))
    except Invalid as fault:
        return await _card(request, member, workflow_id, fault.message, kind="danger")
    return await _card(request, member, workflow_id)


@router.post("/{workflow_id}/feedback")
async def feedback(request: Request, member: Member, workflow_id: str) -> Response:
    """Say whether it came out well; pressed again, it is taken back."""
    form = await forms.read(request)
    liked = {"up": True, "down": False}.get(form.get("thumb"))
    async with state_of(request).database.unit() as session:
        await again.judge(session, member, workflow_id=workflow_id[:64], liked=liked)
    return await _card(request, member, workflow_id)


@router.post("/{workflow_id}/release")
async def release(request: Request, member: Member, workflow_id: str) -> Response:
    """Pay with yellow Buzz for what turned out mature, and see it."""
    async with state_of(request).database.unit() as session:
        await editing.update(session, member, workflow_id, change=Change(allow_mature=True))
    return await _card(request, member, workflow_id, "It was paid with yellow Buzz, and is shown now.")


@router.post("/{workflow_id}/level")
async def level(request: Request, member: Member, workflow_id: str) -> Response:
    """Call one of its pictures more mature than it was rated; only moderators make it milder."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        found = await made.one(session, member, workflow_id[:64])
        blob = form.get("blob")
        if blob not in {one.blob_id for one in found.pictures}:
            raise NotFound("This picture is not among those that were made.", code="blob_not_found")
        await rating.rate(session, member, blob_id=blob, level=form.get("level"), reason="Its owner's word.")
    return await _card(request, member, workflow_id, "Noted. It counts as that from now on.")


@router.post("/{workflow_id}/remove")
async def remove(request: Request, member: Member, session: Unit, workflow_id: str) -> Response:
    """Take it out of the feed; its pictures go as well."""
    await cancelling.delete(session, member, workflow_id)
    if request.headers.get("hx-request") == "true":
        return Response(status_code=200, headers=toast_header("ok", "Removed."))
    return redirect(request, "/create", text="Removed.")


@router.post("/{workflow_id}/post")
async def post(request: Request, member: Member, session: Unit, workflow_id: str) -> Response:
    """A draft of a post with its pictures, all of them or those chosen; on to its editor."""
    form = await forms.read(request)
    draft, count = await posting_made.post(
        session, member, workflow_id=workflow_id, blob_ids=form.all("blob")
    )
    return redirect(request, f"/posts/{draft.id}/edit?expect={count}")


@router.post("/{workflow_id}/archive")
async def archive(request: Request, member: Member, session: Unit, workflow_id: str) -> Response:
    """All its pictures in one zip, streamed from a link that holds for a week. Raises Conflict when there are none."""
    return await _packed(request, session, member, [workflow_id])


@router.post("/{workflow_id}/retry")
async def retry(request: Request, member: Member, workflow_id: str) -> Response:
    """Try once more what did not come out, as it was asked for; it is paid like the first."""
    async with state_of(request).database.unit() as session:
        started = await again.retry(session, member, workflow_id=workflow_id)
    if request.headers.get("hx-request") != "true":
        return redirect(request, f"/create#made-{started.workflow_id}")
    response = await _card(request, member, started.workflow_id)
    response.headers.update(toast_header("ok", "It is tried again."))
    return response


async def _packed(request: Request, session: AsyncSession, member: Actor, ids: Sequence[str]) -> Response:
    packed = await again.pack(session, member, workflow_ids=ids)
    # The link is signed and our own; `redirect` would take it for a page.
    return RedirectResponse(links_of(request).archive_url(packed.id, packed.expires_at), SEE_OTHER)


async def _card(
    request: Request, member: Actor, workflow_id: str, told: str | None = None, *, kind: FlashKind = "ok"
) -> Response:
    """The card as it is now, or the page for those without script."""
    if request.headers.get("hx-request") != "true":
        return redirect(request, f"/create#made-{workflow_id}", kind=kind, text=told)
    async with state_of(request).database.reading() as session:
        one = await made.one(session, member, workflow_id, rules=rules_of(request))
    headers = toast_header(kind, told) if told else None
    return fragment(request, "create/card.html", "card", {"view": view_of(request, one)}, headers=headers)
