"""Making and changing a post: `/posts/create`, `/posts/{id}/edit`, `/posts/mine`; everything works without script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.accounts.types import LEVEL_LABELS, Actor
from civitas.domains.catalog.documents import image_path
from civitas.domains.gallery import (
    adding,
    image_recipes,
    levels,
    post_pictures,
    post_reads,
    posting,
    tools,
    twins,
)
from civitas.domains.gallery.image_recipes import Recipe
from civitas.domains.gallery.post_reads import OwnPost, PostState, ShownPost
from civitas.domains.gallery.tables import Image
from civitas.domains.gallery.twins import Twin
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import form_values, forms, picture_panels
from civitas.faces.web.forms import Entered
from civitas.faces.web.pictures import level_name
from civitas.faces.web.props import Level
from civitas.faces.web.publish_frame import Creator
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Conflict, Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

LIST: Final = "picture_list"
LEVELS: Final = (("0", "Not rated"), *((str(level), LEVEL_LABELS[level]) for level in adding.LEVELS))
SHORTEST_WAIT_S: Final = 0.8
LONGEST_WAIT_S: Final = 15.0
# What does not arrive after so many looks was lost on its way.
MOST_ASKS: Final = 40
ACCEPT: Final = (
    "image/png,image/jpeg,image/webp,image/avif,image/heic,image/heif,.heic,.heif,image/gif,video/mp4,video/webm,video/quicktime,video/x-matroska,.mkv,"
    "audio/mpeg,audio/wav,audio/flac,audio/ogg,audio/mp4"
)
ENDINGS: Final = ".png,.jpg,.jpeg,.webp,.avif,.heic,.heif,.gif,.mp4,.m4v,.webm,.mov,.mkv,.mp3,.wav,.flac,.ogg,.opus,.m4a,.aac"
TABS: Final = (
    (None, "All"),
    (PostState.DRAFT, "Drafts"),
    (PostState.SCHEDULED, "Scheduled"),
    (PostState.PUBLISHED, "Public"),
    (PostState.REMOVED, "Removed"),
)


@dataclass(frozen=True, slots=True)
class EditedPicture:
    """A picture for its owner; `src` is None until it was decoded. `floor` names the least level it may have."""

    row: Image
    number: int
    src: str | None
    blocked: bool
    level: Level
    floor: Level | None
    recipe: Recipe
    twin: Twin | None


@dataclass(frozen=True, slots=True)
class Editor:
    """The post in hand. Sizes in bytes, waits in seconds."""

    found: ShownPost
    state: PostState
    form: Entered
    tags: str
    pictures: tuple[EditedPicture, ...]
    wait: float | None
    asked: int
    expect: int
    unrated: int
    max_size: int
    plain_limit: int
    offered: Mapping[str, Sequence[tools.Offered]]
    most: int = adding.MAX_PER_POST
    accept: str = ACCEPT
    endings: str = ENDINGS
    levels: tuple[tuple[str, str], ...] = LEVELS

    @property
    def here(self) -> str:
        """Where the post's forms go."""
        return f"/posts/{self.found.row.id}"


@dataclass(frozen=True, slots=True)
class Beginning:
    """The page that begins a post."""

    form: Entered
    version_id: int | None


@dataclass(frozen=True, slots=True)
class OwnCard:
    """A post in one's own list."""

    post: OwnPost
    state: PostState
    src: str | None
    href: str


@dataclass(frozen=True, slots=True)
class OwnPosts:
    """One's own posts."""

    cards: tuple[OwnCard, ...]
    tabs: tuple[tuple[str, str, bool], ...]
    next_href: str | None


@router.get("/posts/create")
async def begin(
    request: Request, member: Creator, version: Annotated[int | None, Query(ge=1, le=2**53)] = None
) -> Response:
    """What a post is, and the button that begins one."""
    return render(request, "posts/create.html", Beginning(Entered(), version))


@router.post("/posts/create")
async def create(request: Request, member: Creator) -> Response:
    """A draft, and on to its editor."""
    form = await forms.read(request)
    try:
        version = form_values.version_id(form.get("version"), field="version")
        async with state_of(request).database.unit() as session:
            post = await posting.create(session, member, title=form.get("title"), version_id=version)
    except (Invalid, Conflict) as fault:
        page = Beginning(form.failed(fault, versionId="version"), None)
        return render(request, "posts/create.html", page, status=forms.status_of(fault))
    # What another app shared waits in the browser, which the editor's script is told.
    shared = "?shared=1" if form.get("shared") == "1" else ""
    return redirect(request, f"/posts/{post.id}/edit{shared}")


@router.get("/posts/mine")
async def mine(
    request: Request,
    member: Member,
    session: Reading,
    state: PostState | None = None,
    cursor: str | None = None,
) -> Response:
    """One's own posts by state."""
    found = await post_reads.mine(session, member, state=state, cursor=cursor, limit=24)
    chosen = f"state={state}&" if state else ""
    page = OwnPosts(
        cards=tuple(_card(one) for one in found.items),
        tabs=tuple(
            (label, f"/posts/mine{'?state=' + one if one else ''}", one == state) for one, label in TABS
        ),
        next_href=f"/posts/mine?{chosen}cursor={found.next_cursor}" if found.next_cursor else None,
    )
    return render(request, "posts/mine.html", page)


@router.get("/posts/{post_id:int}/edit")
async def edit(
    request: Request,
    member: Creator,
    post_id: int,
    asked: Annotated[int, Query(ge=0, le=10_000)] = 0,
    expect: Annotated[int, Query(ge=0, le=20)] = 0,
) -> Response:
    """The editor; a list that waits for decoding, or for pictures that are on their way, asks again, later each time."""
    page = await _read(request, member, post_id, asked, expect=expect if asked < MOST_ASKS else 0)
    return render(request, "posts/edit.html", page, block=LIST)


@router.post("/posts/{post_id:int}/edit")
async def save(request: Request, member: Creator, post_id: int) -> Response:
    """Title, text, tags and the version that it is about."""
    form = await forms.read(request, posting.MAX_DETAIL + 1)
    try:
        version = form_values.version_id(form.get("version"), field="version")
        async with state_of(request).database.unit() as session:
            await posting.change(
                session,
                member,
                post_id=post_id,
                title=form.get("title"),
                detail=form.get("detail"),
                tags=form.get("tags").split(","),
                version_id=version or 0,
            )
    except Invalid as fault:
        page = await _read(request, member, post_id, 0, form.failed(fault, versionId="version"))
        return render(request, "posts/edit.html", page, status=forms.status_of(fault))
    return redirect(request, f"/posts/{post_id}/edit", text="Saved.")


async def editor(request: Request, member: Actor, post_id: int) -> Editor:
    """The editor as it is now."""
    return await _read(request, member, post_id, 0)


async def _read(
    request: Request,
    member: Actor,
    post_id: int,
    asked: int,
    form: Entered | None = None,
    expect: int = 0,
) -> Editor:
    async with state_of(request).database.unit() as session:
        found = await post_reads.own(session, member, post_id=post_id)
        if found.row.showcase:
            raise Conflict(
                "These are the pictures of a version; change them with the version.", code="showcase_post"
            )
        if found.row.album:
            raise Conflict("These are the pictures of an article; change them with it.", code="album_post")
        images = await post_pictures.of_post(session, post_id)
        told = await image_recipes.of_images(session, member, images)
        alike = {one.image_id: one for one in reversed(await twins.of_post(session, member, post_id=post_id))}
    views = _views(images, told, alike)
    settings = state_of(request).settings
    row = found.row
    values = {
        "title": (row.title or "",),
        "detail": (row.detail or "",),
        "tags": (", ".join(found.tags),),
        "version": (str(row.version_id or ""),),
    }
    expect = expect if len(images) < expect else 0
    waits = expect > 0 or any(image.status == "pending" for image in images)
    return Editor(
        found=found,
        state=post_reads.state_of(row),
        form=form or Entered(values),
        tags=", ".join(found.tags),
        pictures=views,
        wait=min(SHORTEST_WAIT_S * 1.4**asked, LONGEST_WAIT_S) if waits else None,
        asked=asked + 1,
        expect=expect,
        unrated=sum(image.status == "ready" and image.nsfw_level == 0 for image in images),
        max_size=settings.media.max_post_mb * 2**20,
        plain_limit=int(settings.site.max_body_mb * 2**20) - 64 * 1024,
        offered={"tool": tools.offered("tool"), "technique": tools.offered("technique")},
    )


def _views(
    images: Sequence[Image], told: Mapping[int, Recipe], alike: Mapping[int, Twin]
) -> tuple[EditedPicture, ...]:
    made = []
    for number, image in enumerate(images, 1):
        blocked = picture_panels.blocked(image)
        floor = levels.by_words(image.meta)
        made.append(
            EditedPicture(
                row=image,
                number=number,
                src=image_path(image.key, str(image.id)) if image.status == "ready" and not blocked else None,
                blocked=blocked,
                level=level_name(image.nsfw_level),
                floor=level_name(floor) if floor else None,
                recipe=told[image.id],
                twin=alike.get(image.id),
            )
        )
    return tuple(made)


def _card(one: OwnPost) -> OwnCard:
    cover = one.cover
    state = post_reads.state_of(one.row)
    return OwnCard(
        post=one,
        state=state,
        src=image_path(cover.key, str(cover.id))
        if cover and cover.status == "ready" and not picture_panels.blocked(cover)
        else None,
        href=f"/posts/{one.row.id}" if state is PostState.PUBLISHED else f"/posts/{one.row.id}/edit",
    )


async def answer(request: Request, member: Actor, post_id: int, failed: Fault | None, text: str) -> Response:
    """The list again for htmx, or the page, with what happened."""
    told = failed.message if failed else text
    if request.headers.get("hx-target") != "picture-list":
        return redirect(request, f"/posts/{post_id}/edit", kind="danger" if failed else "ok", text=told)
    page = await editor(request, member, post_id)
    return render(
        request, "posts/edit.html", page, block=LIST, headers=toast_header("danger" if failed else "ok", told)
    )
