"""Files beside an article: added by its writer, scanned like files of models, given out while the article may be read."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.blobs import references, uploading
from civitas.domains.blobs.tables import Blob
from civitas.domains.blobs.types import Purpose
from civitas.domains.community.articles import policy, reads, writing
from civitas.domains.community.articles.messages import ScanAttachment
from civitas.domains.community.articles.tables import Article, ArticleFile
from civitas.infra.queue.outbox import defer
from civitas.kit.errors import Conflict, Invalid, NotFound

REFERENCE: Final = "article_file"
MOST: Final = 10
# What people read or unpack; nothing that runs, and no weights: those are published as models.
ENDINGS: Final = (".zip", ".json", ".yaml", ".yml", ".toml", ".txt", ".md", ".csv")
RETRY_AFTER: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
CLEAN: Final = "clean"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file and where its bytes are; `size` in bytes."""

    id: int
    name: str
    size: int
    storage_key: str


async def add(session: AsyncSession, actor: Actor, *, article_id: int, upload_id: uuid.UUID) -> ArticleFile:
    """Put a finished upload beside one's article; others get it once its scan was clean.

    Raises NotFound, Forbidden, Invalid (`attachment_type`), Conflict (`too_many_attachments`, `upload_purpose`),
    UploadNotFound, UploadState.
    """
    article = await writing.editable(session, actor, article_id=article_id)
    upload = await uploading.owned(session, actor, upload_id=upload_id)
    blob = await uploading.finished_blob(session, actor, upload_id=upload_id, purpose=Purpose.ATTACHMENT)
    ending = "." + upload.filename.rpartition(".")[2].lower()
    if ending not in ENDINGS:
        raise Invalid(f"A file beside an article is one of {', '.join(ENDINGS)}.", code="attachment_type")
    count = await session.scalar(
        select(func.count()).select_from(ArticleFile).where(ArticleFile.article_id == article.id)
    )
    if (count or 0) >= MOST:
        raise Conflict(
            f"An article has at most {MOST} files; take one away first.", code="too_many_attachments"
        )
    file = ArticleFile(article_id=article.id, blob_id=blob.id, name=upload.filename, size=blob.size)
    session.add(file)
    await session.flush()
    await references.add(session, blob_id=blob.id, kind=REFERENCE, subject_id=file.id)
    await defer(session, ScanAttachment(file.id), once=f"attachment:{file.id}")
    return file


async def remove(session: AsyncSession, actor: Actor, *, article_id: int, file_id: int) -> None:
    """Take a file from one's article. Raises NotFound (`attachment_not_found`), Forbidden."""
    article = await writing.editable(session, actor, article_id=article_id)
    file = await session.scalar(
        select(ArticleFile).where(ArticleFile.id == file_id, ArticleFile.article_id == article.id)
    )
    if file is None:
        raise _not_found()
    await _let_go(session, [file])


async def remove_all(session: AsyncSession, *, article_ids: Sequence[int]) -> None:
    """Take every file from articles that are gone."""
    found = await session.scalars(select(ArticleFile).where(ArticleFile.article_id.in_(article_ids)))
    await _let_go(session, found.all())


async def of_article(session: AsyncSession, article_id: int) -> Sequence[ArticleFile]:
    """The files beside an article in the order in which they came. The caller has asked who may see it."""
    found = await session.scalars(
        select(ArticleFile).where(ArticleFile.article_id == article_id).order_by(ArticleFile.id)
    )
    return found.all()


async def own(session: AsyncSession, actor: Actor, *, article_id: int) -> Sequence[ArticleFile]:
    """The files beside one's article. Raises NotFound."""
    desk = await reads.desk(session, actor, article_id=article_id)
    return await of_article(session, desk.article.id)


async def offer(session: AsyncSession, actor: Actor, *, article_id: int, file_id: int) -> Stored:
    """A clean file of an article that the viewer may read; its writer gets their own before, unless it is dangerous.

    Raises NotFound (`attachment_not_found`), Conflict (`attachment_unsafe`).
    """
    row = (
        await session.execute(
            select(ArticleFile, Blob.storage_key, Article.person_id)
            .join(Article, Article.id == ArticleFile.article_id)
            .join(Blob, Blob.id == ArticleFile.blob_id)
            .where(
                ArticleFile.id == file_id,
                ArticleFile.article_id == article_id,
                policy.visible_to(actor),
                or_(ArticleFile.scan_status == CLEAN, Article.person_id == actor.id),
            )
        )
    ).first()
    if row is None:
        raise _not_found()
    file: ArticleFile = row[0]
    if file.scan_status == "dangerous":
        raise Conflict("The scan found this file dangerous; nobody is given it.", code="attachment_unsafe")
    return Stored(file.id, file.name, file.size, row[1])


async def to_scan(session: AsyncSession, *, file_id: int) -> Stored | None:
    """The file, unless it was taken away meanwhile."""
    row = (
        await session.execute(
            select(ArticleFile.id, ArticleFile.name, ArticleFile.size, Blob.storage_key)
            .join(Blob, Blob.id == ArticleFile.blob_id)
            .where(ArticleFile.id == file_id)
        )
    ).first()
    return Stored(*row) if row is not None else None


async def scanned(
    session: AsyncSession, *, file_id: int, verdict: str, reasons: str | None, tries: int
) -> None:
    """Note how a scan ended; one that could not finish is tried again, and never passes a file."""
    file = await session.scalar(select(ArticleFile).where(ArticleFile.id == file_id).with_for_update())
    if file is None:
        return
    file.scan_status = verdict
    file.scan_message = None if verdict == CLEAN else (reasons or "")[:1000] or None
    if verdict == "error" and tries < len(RETRY_AFTER):
        await defer(
            session,
            ScanAttachment(file_id, tries + 1),
            after=RETRY_AFTER[tries],
            once=f"attachment:{file_id}:again",
        )


async def _let_go(session: AsyncSession, files: Sequence[ArticleFile]) -> None:
    for file in files:
        await references.drop(session, blob_id=file.blob_id, kind=REFERENCE, subject_id=file.id)
    if files:
        await session.execute(
            delete(ArticleFile)
            .where(ArticleFile.id.in_([file.id for file in files]))
            .execution_options(synchronize_session=False)
        )


def _not_found() -> NotFound:
    return NotFound("This file is not here, or may not be given out.", code="attachment_not_found")
