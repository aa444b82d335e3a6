"""How posts and pictures are found when others point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.pictures import Level, PictureSource, finds_pictures
from civitas.contracts.subjects import Subject, SubjectFacts, resolves
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import BLOCKED, SAFE_MASK
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import Status
from civitas.domains.gallery.processing import media_key
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock
from civitas.kit.text import slug


@resolves("post")
async def posts(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Posts that are not deleted. One is as mature as the most mature of its pictures."""
    level = (
        select(func.coalesce(func.bit_or(Image.nsfw_level), 0))
        .where(Image.post_id == Post.id, Image.deleted_at.is_(None))
        .scalar_subquery()
    )
    rows = await session.execute(
        _placed(
            select(
                Post.id, Post.person_id, Post.title, Post.published_at, Post.showcase, level.label("level")
            )
            .select_from(Post)
            .where(Post.id.in_(ids), Post.deleted_at.is_(None))
        )
    )
    return {
        row.id: SubjectFacts(
            subject=Subject("post", row.id),
            owner_id=row.person_id,
            title=row.title or _named("Pictures", row),
            path=_path(row) if row.showcase else f"/posts/{row.id}",
            mature=bool(row.level & ~SAFE_MASK),
            public=row.published_at is not None and row.published_at <= clock.now(),
            level=row.level,
            since=row.published_at,
        )
        for row in rows
    }


@resolves("image")
async def images(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Pictures that were not taken away. Those that staff blocked are there but not public."""
    rows = await session.execute(
        _placed(
            select(
                Image.id,
                Image.person_id,
                Image.status,
                Image.nsfw_level,
                Image.post_id,
                Post.published_at,
                Post.showcase,
            )
            .select_from(Image)
            .join(Post, Post.id == Image.post_id)
            .where(Image.id.in_(ids), Image.deleted_at.is_(None), Post.deleted_at.is_(None))
        )
    )
    return {
        row.id: SubjectFacts(
            subject=Subject("image", row.id),
            owner_id=row.person_id,
            title=_named("Picture", row),
            path=_path(row) if row.showcase else f"/posts/{row.post_id}#picture-{row.id}",
            mature=bool(row.nsfw_level & ~SAFE_MASK),
            public=row.status == "ready"
            and not row.nsfw_level & BLOCKED
            and row.published_at is not None
            and row.published_at <= clock.now(),
            level=row.nsfw_level,
            since=row.published_at,
        )
        for row in rows
    }


_LEVELS: Final[tuple[tuple[int, Level], ...]] = ((16, "xxx"), (8, "x"), (4, "r"), (2, "pg13"), (1, "pg"))
_FORMATS: Final = ("webp", "jpeg", "avif")


@finds_pictures
async def source(session: AsyncSession, picture_id: int, person_id: int) -> PictureSource | None:
    """The largest copy of a picture that is public, or of one's own that is not blocked."""
    row = (
        await session.execute(
            select(Image.key, Image.variants, Image.nsfw_level, Image.person_id, Post.published_at)
            .join(Post, Post.id == Image.post_id)
            .where(
                Image.id == picture_id,
                Image.status == "ready",
                Image.deleted_at.is_(None),
                Post.deleted_at.is_(None),
                Image.nsfw_level.op("&")(BLOCKED) == 0,
            )
        )
    ).first()
    if row is None or not row.variants:
        return None
    if row.person_id != person_id and (row.published_at is None or row.published_at > clock.now()):
        return None
    best = max(row.variants, key=lambda one: (one["width"], -_FORMATS.index(one["format"])))
    level = next((name for bit, name in _LEVELS if row.nsfw_level & bit), None)
    return PictureSource(media_key(row.key, best["width"], best["format"]), level)


def _placed(statement: Any) -> Any:
    """With the version that the post shows, where there is one, and the poster's name."""
    return (
        statement.add_columns(
            Post.version_id,
            Model.id.label("model_id"),
            Model.name.label("model_name"),
            Person.username,
        )
        .join(Person, Person.id == Post.person_id)
        .outerjoin(ModelVersion, ModelVersion.id == Post.version_id)
        .outerjoin(Model, (Model.id == ModelVersion.model_id) & (Model.status != Status.DELETED))
    )


def _named(what: str, row: object) -> str:
    name = getattr(row, "model_name", None) or getattr(row, "username", None)
    return f"{what} of {name}" if name else what


def _path(row: object) -> str:
    model_id = getattr(row, "model_id", None)
    if model_id is not None:
        name, version = str(getattr(row, "model_name", "")), getattr(row, "version_id", None)
        return f"/models/{model_id}/{slug(name)}?modelVersionId={version}"
    return f"/user/{getattr(row, 'username', '')}"
