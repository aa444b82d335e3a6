"""The fourth step: the pictures of a version, their order, how mature each is, the recipe that was found in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import BLOCKED, LEVEL_LABELS, Actor
from civitas.domains.catalog.documents import image_path
from civitas.domains.gallery import adding, previews
from civitas.domains.gallery.tables import Image
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.pictures import level_name
from civitas.faces.web.props import Level
from civitas.faces.web.publish_frame import Creator, Frame
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault, Invalid
from civitas.kit.ids import row_ids

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

LIST: Final = "picture_list"
LEVELS: Final = tuple((str(level), LEVEL_LABELS[level]) for level in adding.LEVELS)
# The recipe's lines that are shown first, by the names of existing clients.
_SHOWN: Final = (
    ("Model", "Model"), ("sampler", "Sampler"), ("steps", "Steps"), ("cfgScale", "CFG"), ("seed", "Seed"),
    ("Size", "Size"),
)  # fmt: skip
SHORTEST_WAIT_S: Final = 0.8
LONGEST_WAIT_S: Final = 15.0
ACCEPT: Final = "image/png,image/jpeg,image/webp,image/avif,image/heic,image/heif,.heic,.heif,image/gif"


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture for its owner; `src` is None until it was decoded."""

    row: Image
    src: str | None
    number: int
    level: Level
    blocked: bool
    prompt: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PicturesPage:
    """The pictures in order. Sizes in bytes, waits in seconds."""

    frame: Frame
    views: tuple[PictureView, ...]
    wait: float | None
    asked: int
    plain_limit: int
    max_size: int
    most: int = adding.MAX_PER_POST
    accept: str = ACCEPT
    levels: tuple[tuple[str, str], ...] = LEVELS


@router.get("/models/{model_id:int}/versions/{number:int}/pictures")
async def show(
    request: Request,
    creator: Creator,
    model_id: int,
    number: int,
    asked: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Response:
    """The pictures; a list that waits for decoding asks again, a little later each time."""
    async with state_of(request).database.reading() as session:
        page = await _read(request, session, creator, model_id, number, asked)
    settled = page.wait is None and request.headers.get("hx-target") == "picture-list"
    headers = publish_frame.CHANGED if settled else None
    return render(request, "publish/pictures.html", page, block=LIST, headers=headers)


@router.post("/models/{model_id:int}/versions/{number:int}/pictures/order")
async def order(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """Put the pictures into the order of the fields `id`, or move one by a place (`earlier`, `later`)."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        ids = [image.id for image in await previews.own_of_version(session, creator, version_id=number)]
        wanted = moved(ids, form.get("earlier"), -1) or moved(ids, form.get("later"), 1)
        if wanted is None:
            wanted = row_ids(form.all("id"))
        await previews.reorder(session, creator, version_id=number, image_ids=wanted)
        return "The new order is saved."

    return await _done(request, creator, model_id, number, do)


@router.post("/models/{model_id:int}/versions/{number:int}/pictures/{image_id:int}/{deed}")
async def act(
    request: Request, creator: Creator, model_id: int, number: int, image_id: int, deed: str
) -> Response:
    """Say how mature a picture is, whether its recipe is shown, or take it away."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        mine = await previews.own_of_version(session, creator, version_id=number)
        if image_id not in {image.id for image in mine}:
            raise Invalid("This picture is not one of this version.", code="image_not_found")
        if deed == "level":
            level = form.get("level")
            found = await previews.rate(
                session, creator, image_id=image_id, nsfw_level=int(level) if level.isdigit() else 0
            )
            return f"Rated {level_name(found.nsfw_level)}."
        if deed == "recipe":
            hidden = form.flag("hidden")
            await previews.hide_recipe(session, creator, image_id=image_id, hidden=hidden)
            return "The recipe is kept to yourself." if hidden else "The recipe is shown."
        if deed == "remove":
            await previews.remove(session, creator, image_id=image_id)
            return "The picture is gone."
        raise Invalid("There is nothing of this name to do with a picture.", code="unknown_deed")

    return await _done(request, creator, model_id, number, do)


def moved(ids: Sequence[int], given: str, by: int) -> list[int] | None:
    """The ids with one of them moved by a place; None when `given` is none of them."""
    if not given.isdigit() or int(given) not in ids:
        return None
    moved = list(ids)
    place = moved.index(int(given))
    to = min(max(place + by, 0), len(moved) - 1)
    moved.insert(to, moved.pop(place))
    return moved


async def _done(request: Request, creator: Actor, model_id: int, number: int, do: Any) -> Response:
    """Do it in one transaction; then the list again for htmx, or the page."""
    failed: str | None = None
    text = ""
    try:
        async with state_of(request).database.unit() as session:
            await publish_frame.load(session, creator, model_id=model_id, place="pictures", version_id=number)
            text = await do(session)
    except Fault as fault:
        failed = publish_frame.fault_in_short(fault)
    if request.headers.get("hx-target") != "picture-list":
        here = publish_frame.href("pictures", model_id, number)
        return redirect(request, here, kind="danger" if failed else "ok", text=failed or text)
    async with state_of(request).database.reading() as session:
        page = await _read(request, session, creator, model_id, number, 0)
    headers = toast_header("danger" if failed else "ok", failed or text) | publish_frame.CHANGED
    return render(request, "publish/pictures.html", page, block=LIST, headers=headers)


async def _read(
    request: Request, session: AsyncSession, creator: Actor, model_id: int, number: int, asked: int
) -> PicturesPage:
    frame = await publish_frame.load(session, creator, model_id=model_id, place="pictures", version_id=number)
    images = await previews.own_of_version(session, creator, version_id=number)
    waits = any(image.status == "pending" for image in images)
    settings = state_of(request).settings
    return PicturesPage(
        frame=frame,
        views=tuple(_view(image, number) for number, image in enumerate(images, 1)),
        wait=min(SHORTEST_WAIT_S * 1.4**asked, LONGEST_WAIT_S) if waits else None,
        asked=asked + 1,
        plain_limit=int(settings.site.max_body_mb * 2**20) - 64 * 1024,
        max_size=settings.imaging.max_bytes,
    )


def _view(image: Image, number: int) -> PictureView:
    meta: Mapping[str, Any] = image.meta or {}
    blocked = bool(image.nsfw_level & BLOCKED)
    facts = [(label, str(meta[name])[:80]) for name, label in _SHOWN if meta.get(name) not in (None, "")]
    return PictureView(
        row=image,
        # A blocked picture is not sent to anybody, its owner included.
        src=image_path(image.key, image.name) if image.status == "ready" and not blocked else None,
        number=number,
        level=level_name(image.nsfw_level),
        blocked=blocked,
        prompt=str(meta.get("prompt") or "")[:600],
        facts=tuple(facts),
    )
