"""What stands in an article and beside it over the API: pictures, and files that others get once they were scanned."""

from __future__ import annotations

from fastapi import APIRouter, Request

from civitas.domains.accounts.types import Scope
from civitas.domains.community.articles import attachments, own_pictures
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import base_url
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.article_shapes import (
    ArticleFileShown,
    NewArticleFile,
    NewArticlePicture,
    file_shown,
)
from civitas.faces.rest.pictures import OwnImage, shown
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(tags=["Articles"], dependencies=[CheckedForm])


@router.post(
    "/articles/{article_id}/images",
    status_code=201,
    operation_id="addArticleImage",
    summary="Add A Picture To An Article",
)
async def add_image(
    request: Request, article_id: int, body: NewArticlePicture, writer: Writer, session: Unit
) -> OwnImage:
    """Keep a finished upload (`image` or `media`) with one's article; naming it in the text shows it, once it was decoded."""
    image = await own_pictures.add(
        session, writer, article_id=article_id, upload_id=body.upload_id, nsfw_level=body.nsfw_level
    )
    return shown(request, image)


@router.get(
    "/articles/{article_id}/images", operation_id="listArticleImages", summary="List An Article's Pictures"
)
async def list_images(request: Request, article_id: int, owner: Owner, session: Reading) -> list[OwnImage]:
    """What was sent for one's article, the newest first, those still being decoded or refused included."""
    owner.require(Scope.ARTICLES_READ)
    found = await own_pictures.of_article(session, owner, article_id=article_id)
    return [shown(request, image) for image in found]


@router.post(
    "/articles/{article_id}/files",
    status_code=201,
    operation_id="addArticleFile",
    summary="Put A File Beside An Article",
)
async def add_file(
    request: Request, article_id: int, body: NewArticleFile, writer: Writer, session: Unit
) -> ArticleFileShown:
    """Put a finished upload (`attachment`) beside one's article; others get it once its scan was clean."""
    file = await attachments.add(session, writer, article_id=article_id, upload_id=body.upload_id)
    return file_shown(file, base_url(request))


@router.get(
    "/articles/{article_id}/files", operation_id="listArticleFiles", summary="List An Article's Files"
)
async def list_files(
    request: Request, article_id: int, owner: Owner, session: Reading
) -> list[ArticleFileShown]:
    """Every file beside one's article, those not scanned yet included."""
    owner.require(Scope.ARTICLES_READ)
    found = await attachments.own(session, owner, article_id=article_id)
    return [file_shown(file, base_url(request)) for file in found]


@router.delete(
    "/articles/{article_id}/files/{article_file_id}",
    status_code=204,
    operation_id="deleteArticleFile",
    summary="Take A File From An Article",
)
async def remove_file(article_id: int, article_file_id: int, writer: Writer, session: Unit) -> None:
    """Nobody is given it any more."""
    await attachments.remove(session, writer, article_id=article_id, file_id=article_file_id)
