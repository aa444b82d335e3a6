"""Mapped classes of the gallery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

FALSE = text("false")
ZERO = text("0")


class Post(Base):
    """An ordered set of media, shown together; the previews of a version are its creator's post."""

    __tablename__ = "posts"
    __table_args__ = (
        Index("ix_posts_person_id_id", "person_id", "id"),
        Index(
            "uq_posts_showcase",
            "version_id",
            unique=True,
            postgresql_where=text("showcase AND deleted_at IS NULL"),
        ),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id", ondelete="SET NULL"), index=True
    )
    # The creator's own pictures of the version: one such post a version, whoever owns the model later.
    showcase: Mapped[bool] = mapped_column(server_default=FALSE)
    title: Mapped[str | None]
    detail: Mapped[str | None] = mapped_column(Text)
    published_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]


class Image(Base):
    """One picture: its original, its variants and what is known of how it was made."""

    __tablename__ = "images"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'ready', 'failed', 'blocked')", name="status"),
        Index("ix_images_post_id_position", "post_id", "position"),
        Index("ix_images_person_id_id", "person_id", "id"),
        Index("ix_images_pending", "id", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[BigId]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    blob_id: Mapped[int] = mapped_column(ForeignKey("blobs.id", ondelete="RESTRICT"), index=True)
    # A UUID in text: names the picture in URLs and its variants in storage (`media/{key}/...`).
    key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    position: Mapped[int] = mapped_column(server_default=ZERO)
    kind: Mapped[str] = mapped_column(server_default=text("'image'"))
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    failure: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    content_type: Mapped[str | None]
    # [{"width", "format"}]: what exists under `media/{key}/`.
    variants: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    blurhash: Mapped[str | None]
    colour: Mapped[str | None]
    perceptual_hash: Mapped[int | None]
    nsfw_level: Mapped[int] = mapped_column(server_default=ZERO)
    nsfw_level_locked: Mapped[bool] = mapped_column(server_default=FALSE)
    hide_meta: Mapped[bool] = mapped_column(server_default=FALSE)
    # Parsed recipe under the names of existing clients, and the raw text it came from.
    meta: Mapped[dict[str, Any] | None]
    raw_metadata: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]
