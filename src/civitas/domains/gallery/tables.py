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
            "ix_posts_words",
            text("to_tsvector('simple'::regconfig, title)"),
            postgresql_using="gin",
            postgresql_where=text("title IS NOT NULL AND deleted_at IS NULL"),
        ),
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
    # Pictures that stand in an article: never listed or published as a post, and changed with the article.
    album: Mapped[bool] = mapped_column(server_default=FALSE)
    title: Mapped[str | None]
    detail: Mapped[str | None] = mapped_column(Text)
    # In the future while it is scheduled; NULL while it is a draft.
    published_at: Mapped[datetime | None]
    # Bitwise or of its pictures' levels.
    nsfw_level: Mapped[int] = mapped_column(server_default=ZERO)
    # 'unsearchable' keeps it out of feeds and search; its address works (FEATURES S5).
    availability: Mapped[str] = mapped_column(server_default=text("'public'"))
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]


class Image(Base):
    """One picture: its original, its variants and what is known of how it was made."""

    __tablename__ = "images"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'ready', 'failed', 'blocked')", name="status"),
        CheckConstraint("original IN ('as_is', 'stripped')", name="original"),
        CheckConstraint("kind IN ('image', 'video', 'audio')", name="kind"),
        Index("ix_images_post_id_position", "post_id", "position"),
        Index("ix_images_person_id_id", "person_id", "id"),
        # Which of a person's pictures look alike, without reading their rows.
        Index(
            "ix_images_person_id_perceptual_hash",
            "person_id",
            "perceptual_hash",
            "id",
            postgresql_where=text("deleted_at IS NULL AND perceptual_hash IS NOT NULL"),
        ),
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
    # Of video and audio.
    duration_ms: Mapped[int | None]
    has_sound: Mapped[bool] = mapped_column(server_default=FALSE)
    content_type: Mapped[str | None]
    # [{"width", "format"}]: what exists under `media/{key}/`.
    variants: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    blurhash: Mapped[str | None]
    colour: Mapped[str | None]
    # What of the upload is given on: itself, a copy without its origin (`originals/{key}`), or, when NULL, nothing.
    original: Mapped[str | None]
    perceptual_hash: Mapped[int | None]
    nsfw_level: Mapped[int] = mapped_column(server_default=ZERO)
    nsfw_level_locked: Mapped[bool] = mapped_column(server_default=FALSE)
    hide_meta: Mapped[bool] = mapped_column(server_default=FALSE)
    # Words of its maker about this one; what readers of screens hear when it is set.
    note: Mapped[str | None] = mapped_column(Text)
    # Made here: the workflow whose delivery this is (`orchestration.workflows.id` in its public form).
    workflow_id: Mapped[str | None]
    # The picture it was remixed from, kept while the prompts are alike enough (FEATURES G12).
    remix_of_id: Mapped[int | None] = mapped_column(ForeignKey("images.id", ondelete="SET NULL"), index=True)
    # Which parser read the recipe, and what it could not read, for people to see.
    meta_format: Mapped[str | None]
    meta_faults: Mapped[list[Any] | None]
    # Parsed recipe under the names of existing clients, and the raw text it came from.
    meta: Mapped[dict[str, Any] | None]
    raw_metadata: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]


class PostTag(Base):
    """A post carries a tag, at most five."""

    __tablename__ = "post_tags"

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ImageResource(Base):
    """A version that a picture was made with: found in its recipe, or named by its owner (FEATURES C6)."""

    __tablename__ = "image_resources"
    __table_args__ = (
        CheckConstraint("source IN ('civitai', 'hash', 'name', 'post', 'person')", name="source"),
        Index("ix_image_resources_version_id_image_id", "version_id", "image_id"),
    )

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True
    )
    # Hundredths; NULL where a strength means nothing.
    strength: Mapped[int | None]
    source: Mapped[str]


class ImageTag(Base):
    """A picture carries a tag: its owner's, a machine's, or raised by votes."""

    __tablename__ = "image_tags"
    __table_args__ = (
        CheckConstraint("source IN ('person', 'machine', 'votes')", name="source"),
        Index("ix_image_tags_tag_id_image_id", "tag_id", "image_id"),
    )

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str]
    # Of 100, by the machine that named it.
    confidence: Mapped[int | None]
    # Up minus down; a tag that falls far enough is not shown, and comes back when it is voted up.
    score: Mapped[int] = mapped_column(server_default=ZERO)
    hidden: Mapped[bool] = mapped_column(server_default=FALSE)


class ImageTagVote(Base):
    """What one person thinks of a tag on a picture."""

    __tablename__ = "image_tag_votes"
    __table_args__ = (CheckConstraint("vote IN (-1, 1)", name="vote"),)

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    vote: Mapped[int]
    created_at: Mapped[CreatedAt]


class Tool(Base):
    """A program or technique that media are made with; the list is data that an operator extends."""

    __tablename__ = "tools"
    __table_args__ = (
        CheckConstraint("kind IN ('tool', 'technique')", name="kind"),
        Index("uq_tools_kind_name", "kind", text("lower(name)"), unique=True),
    )

    id: Mapped[BigId]
    kind: Mapped[str]
    name: Mapped[str]
    # Image, Video, MotionCapture, Upscalers, Audio, Compute, GameEngines, Editor, LLM (FEATURES C12).
    type: Mapped[str]
    homepage: Mapped[str | None]


class ImageTool(Base):
    """A picture was made with a tool or by a technique."""

    __tablename__ = "image_tools"

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    tool_id: Mapped[int] = mapped_column(
        ForeignKey("tools.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    note: Mapped[str | None]
