"""`/posts/{id}`: a post in a column, each picture beside its recipe; the deeds of its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import prose
from civitas.domains.gallery import image_recipes, post_publishing, post_reads, posting
from civitas.domains.gallery.post_reads import PostState, ShownPost
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, picture_panels
from civitas.faces.web.form_values import local_moment
from civitas.faces.web.picture_panels import PostPicture
from civitas.faces.web.pictures import avatar_url
from civitas.faces.web.props import Creator
from civitas.faces.web.reaction_bars import ReactionBar, bar_of
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit.errors import Fault, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class PostPage:
    """A post with the pictures that the visitor may see."""

    found: ShownPost
    state: PostState
    title: str
    detail: str | None
    creator: Creator | None
    pictures: tuple[PostPicture, ...]
    waiting: int
    # None for what is not public: nobody speaks of it yet.
    bar: ReactionBar | None


@router.get("/posts/{post_id:int}")
async def show(request: Request, visitor: Visitor, session: Reading, post_id: int) -> Response:
    """The post's page."""
    found = await post_reads.one(session, visitor, post_id=post_id)
    told = await image_recipes.of_images(session, visitor, found.images)
    eyes = eyes_of(visitor)
    ready = [one for one in found.images if one.status == "ready" and not picture_panels.blocked(one)]
    creator = Creator(found.username, avatar_url(found.avatar_key)) if found.username else None
    state = post_reads.state_of(found.row)
    page = PostPage(
        found=found,
        state=state,
        title=found.row.title or (f"Pictures by {found.username}" if found.username else "Pictures"),
        detail=prose.html(found.row.detail) if found.row.detail else None,
        creator=creator,
        pictures=tuple(
            picture_panels.shown(image, number, told[image.id], eyes) for number, image in enumerate(ready, 1)
        ),
        waiting=len(found.images) - len(ready),
        bar=await bar_of(session, visitor, Subject("post", post_id)) if state == "published" else None,
    )
    return render(request, "posts/post.html", page)


@router.get("/posts/pictures/{image_id:int}/workflow.json")
async def workflow(visitor: Visitor, session: Reading, image_id: int) -> Response:
    """The ComfyUI graph of a picture, to be opened there: the editor's own where the file has it."""
    found = await image_recipes.one(session, visitor, image_id=image_id)
    graph = (found.workflow or {}).get("workflow") or (found.workflow or {}).get("prompt")
    if not graph:
        raise NotFound("This picture has no ComfyUI workflow.", code="workflow_not_found")
    return Response(
        orjson.dumps(graph),
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="workflow-{image_id}.json"'},
    )


async def whoever_writes(member: Member) -> Actor:
    """A member; who may write, the chapters ask."""
    return member


Writer = Annotated[Actor, Depends(whoever_writes)]


@router.post("/posts/{post_id:int}/publish")
async def publish(request: Request, member: Writer, post_id: int) -> Response:
    """Publish now, or at the time that the form says."""
    form = await forms.read(request)
    try:
        at = local_moment(form.get("at"), form.get("offset")) if form.get("when") == "later" else None
        async with state_of(request).database.unit() as session:
            await post_publishing.publish(session, member, post_id=post_id, publish_at=at)
    except Fault as fault:
        if fault.kind in ("not_found", "forbidden"):
            raise
        return redirect(request, f"/posts/{post_id}/edit", kind="danger", text=fault.message)
    return redirect(
        request, f"/posts/{post_id}", text="It will be public at its time." if at else "It is public."
    )


@router.post("/posts/{post_id:int}/unpublish")
async def unpublish(request: Request, member: Writer, post_id: int) -> Response:
    """Make it a draft again."""
    async with state_of(request).database.unit() as session:
        await post_publishing.unpublish(session, member, post_id=post_id)
    return redirect(request, f"/posts/{post_id}/edit", text="It is a draft again.")


@router.post("/posts/{post_id:int}/remove")
async def remove(request: Request, member: Writer, post_id: int) -> Response:
    """Take it away; the way back is told for thirty days."""
    async with state_of(request).database.unit() as session:
        await posting.remove(session, member, post_id=post_id)
    return redirect(
        request, "/posts/mine?state=removed", text="Removed. You can put it back for thirty days."
    )


@router.post("/posts/{post_id:int}/restore")
async def restore(request: Request, member: Writer, post_id: int) -> Response:
    """Put it back."""
    async with state_of(request).database.unit() as session:
        await posting.restore(session, member, post_id=post_id)
    return redirect(request, f"/posts/{post_id}/edit", text="It is back.")
