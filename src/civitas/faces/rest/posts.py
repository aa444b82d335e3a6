"""Posts over the API: drafts, their pictures, publishing, removing."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from civitas.domains.catalog import prose
from civitas.domains.gallery import adding, post_pictures, post_publishing, post_reads, posting, posting_made
from civitas.domains.gallery.post_reads import PostState, ShownPost
from civitas.domains.gallery.tables import Post
from civitas.faces.http.actors import actor_of
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import base_url
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.pictures import OwnImage, shown
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(tags=["Posts"], dependencies=[CheckedForm])


class NewPost(Body):
    """What a draft begins with."""

    title: str | None = None
    detail: str | None = Field(default=None, description="Markdown.")
    tags: list[str] = Field(default_factory=list, max_length=20)
    version_id: int | None = Field(default=None, ge=1, le=2**53, description="The version it is about.")


class PostChange(Body):
    """What to change of a post; what is left out stays, an empty text takes it away."""

    title: str | None = None
    detail: str | None = None
    tags: list[str] | None = Field(default=None, max_length=20)
    version_id: int | None = Field(default=None, ge=0, le=2**53, description="0 for none.")


class NewPostImage(Body):
    """A finished upload to become a part of the post."""

    upload_id: uuid.UUID
    nsfw_level: int | None = Field(
        default=None, description="1 PG, 2 PG-13, 4 R, 8 X, 16 XXX; left out, only its owner sees it."
    )
    note: str | None = Field(default=None, description="Words about it; read out where it cannot be seen.")
    hide_meta: bool = False
    meta: dict[str, Any] | None = Field(
        default=None, description="The recipe, instead of what the file says."
    )


class PostImageOrder(Body):
    """Every picture of the post, in the order wanted."""

    ids: list[int] = Field(max_length=adding.MAX_PER_POST)


class PostLevel(Body):
    """How mature what nobody rated yet is."""

    nsfw_level: int = Field(description="1 PG, 2 PG-13, 4 R, 8 X, 16 XXX.")


class PublishWhen(Body):
    """When it becomes visible; now when left out."""

    publish_at: datetime | None = None


class PostAnswer(Answer):
    """A post without its pictures."""

    id: int
    state: PostState
    title: str | None
    detail: str | None
    detail_html: str | None
    version_id: int | None
    nsfw_level: int
    published_at: datetime | None
    created_at: datetime
    url: str


class WholePost(PostAnswer):
    """A post with its pictures, those only that the caller may see."""

    username: str | None
    tags: list[str]
    images: list[OwnImage]


class OwnPostLine(PostAnswer):
    """A post in one's own list."""

    image_count: int
    cover: OwnImage | None


class OwnPosts(Answer):
    """One's own posts, and where the next page begins."""

    items: list[OwnPostLine]
    next_cursor: str | None


@router.post("/posts", status_code=201, operation_id="createPost", summary="Begin A Post")
async def create(request: Request, body: NewPost, actor: Writer, session: Unit) -> PostAnswer:
    """Begin a draft; add pictures to it and publish it."""
    post = await posting.create(
        session, actor, title=body.title, detail=body.detail, tags=body.tags, version_id=body.version_id
    )
    return await _told(request, session, post)


class MadePost(PostAnswer):
    """A draft whose pictures are on their way."""

    pending: int


class FromGeneration(Body):
    """What of a generation to post; all of it when left out."""

    workflow_id: str = Field(min_length=1, max_length=100)
    blob_ids: list[str] = Field(default_factory=list, max_length=adding.MAX_PER_POST)


@router.post(
    "/posts/from-generation", status_code=201, operation_id="postGeneration", summary="Post What Was Made"
)
async def from_generation(request: Request, body: FromGeneration, actor: Writer, session: Unit) -> MadePost:
    """A draft with what a generation of one's own delivered; its pictures arrive one after another."""
    post, pending = await posting_made.post(
        session, actor, workflow_id=body.workflow_id, blob_ids=body.blob_ids
    )
    await session.flush()
    await session.refresh(post)
    return MadePost(**_facts(request, post), pending=pending)


@router.get("/me/posts", operation_id="listOwnPosts", summary="List One's Posts")
async def mine(
    request: Request,
    actor: Owner,
    session: Reading,
    state: PostState | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> OwnPosts:
    """Drafts, scheduled and published posts, the newest first; removed ones with `state=removed`."""
    page = await post_reads.mine(session, actor, state=state, cursor=cursor, limit=limit)
    return OwnPosts(
        items=[
            OwnPostLine(
                **_facts(request, one.row),
                image_count=one.image_count,
                cover=shown(request, one.cover) if one.cover else None,
            )
            for one in page.items
        ],
        next_cursor=page.next_cursor,
    )


@router.get("/posts/{post_id}", operation_id="getPost", summary="Get A Post")
async def get(request: Request, post_id: int, session: Reading) -> WholePost:
    """A post that is public, or one's own, with the pictures that the caller may see."""
    actor = await actor_of(request)
    return whole(request, await post_reads.one(session, actor, post_id=post_id))


@router.patch("/posts/{post_id}", operation_id="updatePost", summary="Change A Post")
async def change(
    request: Request, post_id: int, body: PostChange, actor: Writer, session: Unit
) -> PostAnswer:
    """Change title, text, tags or the version it is about."""
    post = await posting.change(
        session,
        actor,
        post_id=post_id,
        title=body.title,
        detail=body.detail,
        tags=body.tags,
        version_id=body.version_id,
    )
    return await _told(request, session, post)


@router.delete("/posts/{post_id}", status_code=204, operation_id="deletePost", summary="Remove A Post")
async def remove(post_id: int, actor: Writer, session: Unit) -> None:
    """Take a post away with its pictures; it can be put back for thirty days."""
    await posting.remove(session, actor, post_id=post_id)


@router.post("/posts/{post_id}/restore", operation_id="restorePost", summary="Put A Post Back")
async def restore(request: Request, post_id: int, actor: Writer, session: Unit) -> PostAnswer:
    """Put a removed post back, within thirty days."""
    return await _told(request, session, await posting.restore(session, actor, post_id=post_id))


@router.post("/posts/{post_id}/publish", operation_id="publishPost", summary="Publish A Post")
async def publish(
    request: Request, post_id: int, actor: Writer, session: Unit, when: PublishWhen | None = None
) -> PostAnswer:
    """Make a post visible now, or at a time an hour or more ahead; it needs a picture that is read and rated."""
    post = await post_publishing.publish(
        session, actor, post_id=post_id, publish_at=when.publish_at if when else None
    )
    return await _told(request, session, post)


@router.post("/posts/{post_id}/unpublish", operation_id="unpublishPost", summary="Make A Post A Draft")
async def unpublish(request: Request, post_id: int, actor: Writer, session: Unit) -> PostAnswer:
    """Make a post a draft again, or take back its time."""
    return await _told(request, session, await post_publishing.unpublish(session, actor, post_id=post_id))


@router.post("/posts/{post_id}/images", status_code=201, operation_id="addPostImage", summary="Add To A Post")
async def add(request: Request, post_id: int, body: NewPostImage, actor: Writer, session: Unit) -> OwnImage:
    """Add a finished upload of purpose `image` or `media`; it appears once it was decoded."""
    image = await post_pictures.add(
        session,
        actor,
        post_id=post_id,
        upload_id=body.upload_id,
        nsfw_level=body.nsfw_level,
        note=body.note,
        hide_meta=body.hide_meta,
        meta=body.meta,
    )
    return shown(request, image)


@router.put(
    "/posts/{post_id}/images/order", status_code=204, operation_id="orderPostImages", summary="Order A Post"
)
async def order(post_id: int, body: PostImageOrder, actor: Writer, session: Unit) -> None:
    """Put the pictures into this order."""
    await post_pictures.reorder(session, actor, post_id=post_id, image_ids=body.ids)


@router.put(
    "/posts/{post_id}/images/level", status_code=204, operation_id="ratePostImages", summary="Rate A Post"
)
async def rate(post_id: int, body: PostLevel, actor: Writer, session: Unit) -> None:
    """Say how mature the pictures are that nobody rated yet."""
    await post_pictures.rate_all(session, actor, post_id=post_id, nsfw_level=body.nsfw_level)


async def _told(request: Request, session: Unit, post: Post) -> PostAnswer:
    await session.flush()
    await session.refresh(post)
    return PostAnswer(**_facts(request, post))


def whole(request: Request, found: ShownPost) -> WholePost:
    """A post in the API's words."""
    return WholePost(
        **_facts(request, found.row),
        username=found.username,
        tags=list(found.tags),
        images=[shown(request, image) for image in found.images],
    )


def _facts(request: Request, post: Post) -> dict[str, Any]:
    return {
        "id": post.id,
        "state": post_reads.state_of(post),
        "title": post.title,
        "detail": post.detail,
        "detail_html": prose.html(post.detail) if post.detail else None,
        "version_id": post.version_id,
        "nsfw_level": post.nsfw_level,
        "published_at": post.published_at,
        "created_at": post.created_at,
        "url": f"{base_url(request)}/posts/{post.id}",
    }
