"""What stands in an article and beside it, as pages: pictures and files sent in its editor, with and without script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from civitas.domains.blobs.tables import Upload
from civitas.domains.blobs.types import Purpose, UploadStatus
from civitas.domains.community.articles import attachments, own_pictures, reads
from civitas.domains.gallery import previews
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, plain_uploads
from civitas.faces.web.publish_frame import Creator
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor, redirect
from civitas.kit.errors import Fault, Invalid, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Kind = Literal["pictures", "files"]
_PURPOSES: Final[dict[Kind, Purpose]] = {"pictures": Purpose.IMAGE, "files": Purpose.ATTACHMENT}


@dataclass(frozen=True, slots=True)
class ArrivedPage:
    """What was sent by an ordinary form and is being read through, or can be added now."""

    here: str
    back: str
    uploads: tuple[Upload, ...]

    @property
    def waiting(self) -> bool:
        """Whether some bytes are still being read."""
        return any(upload.status == UploadStatus.VERIFYING for upload in self.uploads)

    @property
    def ready(self) -> tuple[Upload, ...]:
        """Those that can be added."""
        return tuple(upload for upload in self.uploads if upload.status == UploadStatus.DONE)


@router.get("/articles/{article_id:int}/files/{file_id:int}")
async def download(
    request: Request, actor: Visitor, session: Reading, article_id: int, file_id: int
) -> Response:
    """A clean file of an article that one may read, by a signed link that expires."""
    await take(request, "download")
    state = state_of(request)
    found = await attachments.offer(session, actor, article_id=article_id, file_id=file_id)
    link = await state.store.sign_get(
        found.storage_key,
        filename=found.name,
        content_type="application/octet-stream",
        expires=timedelta(minutes=state.settings.catalog.link_minutes),
    )
    return RedirectResponse(link, status_code=303, headers={"Cache-Control": "no-store"})


@router.post("/articles/{article_id:int}/send/{kind}")
async def send(request: Request, creator: Creator, article_id: int, kind: Kind) -> Response:
    """Take the files of a plain form; each becomes an upload that is read through in the background."""
    async with state_of(request).database.reading() as session:
        await reads.desk(session, creator, article_id=article_id)
    given = (await request.form()).getlist("upload")
    chosen = [file for file in given if isinstance(file, UploadFile) and file.filename and file.size]
    if not chosen:
        raise Invalid("Choose a file first; an empty one is nothing to upload.", code="no_file")
    if len(chosen) > plain_uploads.MOST_AT_ONCE:
        raise Invalid(f"At most {plain_uploads.MOST_AT_ONCE} files at once.", code="too_many_files")
    ids = [await plain_uploads.keep(request, creator, file, _PURPOSES[kind]) for file in chosen]
    query = "&".join(f"id={upload_id}" for upload_id in ids)
    return redirect(request, f"/articles/{article_id}/arrived/{kind}?{query}")


@router.get("/articles/{article_id:int}/arrived/{kind}")
async def arrived(request: Request, creator: Creator, article_id: int, kind: Kind) -> Response:
    """How far they are, and the button that adds what is ready."""
    async with state_of(request).database.reading() as session:
        await reads.desk(session, creator, article_id=article_id)
        uploads = await plain_uploads.named(session, creator, request.query_params.getlist("id"))
    page = ArrivedPage(f"/articles/{article_id}/arrived/{kind}", f"/articles/{article_id}/edit", uploads)
    return render(request, "articles/arrived.html", page)


@router.post("/articles/{article_id:int}/arrived/{kind}")
async def add(request: Request, creator: Creator, article_id: int, kind: Kind) -> Response:
    """Add what is ready to the article."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        for upload in await plain_uploads.named(session, creator, form.all("id")):
            if kind == "pictures":
                await own_pictures.add(session, creator, article_id=article_id, upload_id=upload.id)
            else:
                await attachments.add(session, creator, article_id=article_id, upload_id=upload.id)
    return redirect(request, f"/articles/{article_id}/edit", text="Added.")


@router.post("/articles/{article_id:int}/files/{file_id:int}/remove")
async def remove_file(request: Request, creator: Creator, article_id: int, file_id: int) -> Response:
    """Take a file from one's article."""
    async with state_of(request).database.unit() as session:
        await attachments.remove(session, creator, article_id=article_id, file_id=file_id)
    return redirect(request, f"/articles/{article_id}/edit#attachments", text="The file is gone.")


@router.post("/articles/{article_id:int}/pictures/{image_id:int}/remove")
async def remove_picture(request: Request, creator: Creator, article_id: int, image_id: int) -> Response:
    """Take away a picture that was sent for one's article."""
    async with state_of(request).database.unit() as session:
        found = await own_pictures.of_article(session, creator, article_id=article_id)
        if image_id not in {image.id for image in found}:
            raise NotFound("This picture is not one of this article.", code="image_not_found")
        try:
            await previews.remove(session, creator, image_id=image_id)
        except Fault as fault:
            return redirect(request, f"/articles/{article_id}/edit", kind="danger", text=fault.message)
    return redirect(request, f"/articles/{article_id}/edit#pictures", text="The picture is gone.")
