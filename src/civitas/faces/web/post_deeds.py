"""What one does with the pictures of a post in its editor: order, level, words, models, tools, tags, taking away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.blobs.tables import Upload
from civitas.domains.blobs.types import Purpose, UploadStatus
from civitas.domains.gallery import image_tags, post_pictures, posting, previews, resources, tools
from civitas.faces.http.state import state_of
from civitas.faces.web import form_values, forms, plain_uploads, post_editor, publish_pictures
from civitas.faces.web.forms import Entered
from civitas.faces.web.pictures import level_name
from civitas.faces.web.publish_frame import Creator
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault, Invalid
from civitas.kit.ids import row_id, row_ids

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Deed = Callable[[AsyncSession, Actor, int, Entered], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class ArrivedPage:
    """What was sent by an ordinary form and is being read through, or can be added now."""

    post_id: int
    uploads: tuple[Upload, ...]

    @property
    def waiting(self) -> bool:
        """Whether some bytes are still being read."""
        return any(upload.status == UploadStatus.VERIFYING for upload in self.uploads)

    @property
    def ready(self) -> tuple[Upload, ...]:
        """Those that can be added."""
        return tuple(upload for upload in self.uploads if upload.status == UploadStatus.DONE)


@router.post("/posts/{post_id:int}/order")
async def order(request: Request, member: Creator, post_id: int) -> Response:
    """Put the pictures into the order of the fields `id`, or move one by a place (`earlier`, `later`)."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        ids = [image.id for image in await post_pictures.of_post(session, post_id)]
        wanted = publish_pictures.moved(ids, form.get("earlier"), -1)
        wanted = wanted or publish_pictures.moved(ids, form.get("later"), 1)
        if wanted is None:
            wanted = row_ids(form.all("id"))
        await post_pictures.reorder(session, member, post_id=post_id, image_ids=wanted)
        return "The new order is saved."

    return await _done(request, member, post_id, do)


@router.post("/posts/{post_id:int}/level")
async def level(request: Request, member: Creator, post_id: int) -> Response:
    """Say how mature all are that nobody rated yet."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        await post_pictures.rate_all(session, member, post_id=post_id, nsfw_level=_whole(form.get("level")))
        return "Rated."

    return await _done(request, member, post_id, do)


@router.post("/posts/{post_id:int}/pictures/{image_id:int}/{deed}")
async def act(request: Request, member: Creator, post_id: int, image_id: int, deed: str) -> Response:
    """One of `DEEDS` with one picture."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        await posting.editable(session, member, post_id=post_id)
        if image_id not in {image.id for image in await post_pictures.of_post(session, post_id)}:
            raise Invalid("This picture is not one of this post.", code="image_not_found")
        if deed not in DEEDS:
            raise Invalid("There is nothing of this name to do with a picture.", code="unknown_deed")
        return await DEEDS[deed](session, member, image_id, form)

    return await _done(request, member, post_id, do)


@router.post("/posts/{post_id:int}/files")
async def send(request: Request, member: Creator, post_id: int) -> Response:
    """Take the files of a plain form; each becomes an upload that is read through in the background."""
    async with state_of(request).database.unit() as session:
        await posting.editable(session, member, post_id=post_id)
    given = (await request.form()).getlist("upload")
    chosen = [file for file in given if isinstance(file, UploadFile) and file.filename and file.size]
    if not chosen:
        raise Invalid("Choose a file first; an empty one is nothing to upload.", code="no_file")
    if len(chosen) > plain_uploads.MOST_AT_ONCE:
        raise Invalid(
            f"At most {plain_uploads.MOST_AT_ONCE} files at once without script.", code="too_many_files"
        )
    ids = [await plain_uploads.keep(request, member, file, Purpose.MEDIA) for file in chosen]
    query = "&".join(f"id={upload_id}" for upload_id in ids)
    return redirect(request, f"/posts/{post_id}/arrived?{query}")


@router.get("/posts/{post_id:int}/arrived")
async def arrived(request: Request, member: Creator, post_id: int) -> Response:
    """How far they are, and the button that adds what is ready."""
    async with state_of(request).database.reading() as session:
        uploads = await plain_uploads.named(session, member, request.query_params.getlist("id"))
    return render(request, "posts/arrived.html", ArrivedPage(post_id, uploads))


@router.post("/posts/{post_id:int}/arrived")
async def add(request: Request, member: Creator, post_id: int) -> Response:
    """Add what is ready to the post."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        for upload in await plain_uploads.named(session, member, form.all("id")):
            await post_pictures.add(session, member, post_id=post_id, upload_id=upload.id)
    return redirect(request, f"/posts/{post_id}/edit", text="Added.")


async def _level(session: AsyncSession, member: Actor, image_id: int, form: Entered) -> str:
    wanted = _whole(form.get("level"))
    found = await previews.rate(session, member, image_id=image_id, nsfw_level=wanted)
    told = f"Rated {level_name(found.nsfw_level)}."
    return told if found.nsfw_level == wanted else f"{told} Its recipe asks for that at least."


async def _recipe(session: AsyncSession, member: Actor, image_id: int, form: Entered) -> str:
    hidden = form.flag("hidden")
    await previews.hide_recipe(session, member, image_id=image_id, hidden=hidden)
    return "The recipe is kept to yourself." if hidden else "The recipe is shown."


async def _note(session: AsyncSession, member: Actor, image_id: int, form: Entered) -> str:
    await post_pictures.annotate(session, member, image_id=image_id, note=form.get("note"))
    return "Saved."


async def _remove(session: AsyncSession, member: Actor, image_id: int, form: Entered) -> str:
    await previews.remove(session, member, image_id=image_id)
    return "The picture is gone."


async def _name(session: AsyncSession, member: Actor, image_id: int, form: Entered) -> str:
    version = form_values.version_id(form.get("version"), field="version")
    if version is None:
        raise Invalid("Give the number of a version, or a link to it.", code="bad_version")
    try:
        strength = (
            round(float(form.get("strength").replace(",", ".")) * 100) if form.get("strength") else None
        )
    except (ValueError, OverflowError):
        raise Invalid("A strength is a number such as 0.8.", code="bad_strength") from None
    await resources.add(session, member, image_id=image_id, version_id=version, strength=strength)
    return "Named."


async def _unname(session: AsyncSession, member: Actor, image_id: int, form: Entered) -> str:
    version = _whole(form.get("version"))
    await resources.remove(session, member, image_id=image_id, version_id=version)
    return "Taken away."


async def _tools(session: AsyncSession, member: Actor, image_id: int, form: Entered) -> str:
    chosen: list[tuple[tools.Kind, str, str | None]] = [
        *(("tool", name, None) for name in form.all("tool")),
        *(("technique", name, None) for name in form.all("technique")),
    ]
    await tools.set_tools(session, member, image_id=image_id, chosen=chosen)
    return "Saved."


async def _tags(session: AsyncSession, member: Actor, image_id: int, form: Entered) -> str:
    await image_tags.set_tags(session, member, image_id=image_id, tags=form.get("tags").split(","))
    return "Saved."


DEEDS: dict[str, Deed] = {
    "level": _level,
    "recipe": _recipe,
    "note": _note,
    "remove": _remove,
    "name": _name,
    "unname": _unname,
    "tools": _tools,
    "tags": _tags,
}


def _whole(text: str) -> int:
    return row_id(text) or 0


async def _done(
    request: Request, member: Actor, post_id: int, do: Callable[[AsyncSession], Awaitable[str]]
) -> Response:
    failed, text = None, ""
    try:
        async with state_of(request).database.unit() as session:
            text = await do(session)
    except Fault as fault:
        if fault.kind in ("not_found", "forbidden", "unauthorised"):
            raise
        failed = fault
    return await post_editor.answer(request, member, post_id, failed, text)
