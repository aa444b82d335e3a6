"""Mapped classes of the blobs that workflows take in and give out, and of what is known of bytes that are refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.domains.orchestration.tables import LEVELS
from civitas.infra.db.base import Base, BigId, CreatedAt


class MediaBlob(Base):
    """Bytes uploaded to, or made by, a workflow. It has an id before it has bytes, so that it can be pointed at."""

    __tablename__ = "orchestration_blobs"
    __table_args__ = (
        CheckConstraint("kind IN ('image', 'video', 'audio', 'model3d', 'file')", name="kind"),
        CheckConstraint(LEVELS, name="nsfw_level"),
        CheckConstraint("(available_at IS NULL) = (size IS NULL)", name="available"),
        Index("ix_orchestration_blobs_person_id", "person_id", "created_at", "id"),
        Index(
            "ix_orchestration_blobs_workflow_id",
            "workflow_id",
            postgresql_where=text("workflow_id IS NOT NULL"),
        ),
        Index(
            "ix_orchestration_blobs_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")
        ),
        Index("ix_orchestration_blobs_sha256", "sha256", postgresql_where=text("sha256 IS NOT NULL")),
        # What nobody could rate waits for a moderator.
        Index(
            "ix_orchestration_blobs_unrated",
            "created_at",
            "id",
            postgresql_where=text(
                "nsfw_level = 'na' AND job_id IS NOT NULL AND available_at IS NOT NULL AND blocked_reason IS NULL"
            ),
        ),
        # How much somebody keeps here is summed for every upload: only what they brought, not what was made for them.
        Index(
            "ix_orchestration_blobs_brought",
            "person_id",
            "created_at",
            postgresql_include=["size", "workflow_id"],
            postgresql_where=text("job_id IS NULL AND size IS NOT NULL"),
        ),
        Index(
            "uq_orchestration_blobs_storage_key",
            "storage_key",
            unique=True,
            postgresql_where=text("storage_key IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    workflow_id: Mapped[str | None] = mapped_column(
        Text(collation="C"), ForeignKey("workflows.id", ondelete="SET NULL")
    )
    job_id: Mapped[str | None] = mapped_column(Text(collation="C"))
    kind: Mapped[str]
    media_type: Mapped[str | None]
    # Where the bytes are in the store; a new key for every upload, never reused.
    storage_key: Mapped[str | None]
    size: Mapped[int | None]
    sha256: Mapped[bytes | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    duration_s: Mapped[float | None]
    # Perceptual hash of a picture, signed, to recognise what was blocked under another format or size.
    phash: Mapped[int | None]
    nsfw_level: Mapped[str] = mapped_column(server_default="na")
    blocked_reason: Mapped[str | None]
    # Delivered by an agent and not looked at yet: shown to nobody, used by nothing.
    unexamined: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]
    available_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class BlockedMedia(Base):
    """Bytes, or a picture in any form, that may be neither used nor shown here."""

    __tablename__ = "blocked_media"
    __table_args__ = (
        CheckConstraint("num_nonnulls(sha256, phash) = 1", name="one_hash"),
        Index("uq_blocked_media_sha256", "sha256", unique=True, postgresql_where=text("sha256 IS NOT NULL")),
        Index("uq_blocked_media_phash", "phash", unique=True, postgresql_where=text("phash IS NOT NULL")),
    )

    id: Mapped[BigId]
    sha256: Mapped[bytes | None]
    # Pictures whose perceptual hash differs in a few bits only are the same picture.
    phash: Mapped[int | None]
    reason: Mapped[str]
    added_by: Mapped[int | None]
    created_at: Mapped[CreatedAt]


class MediaFetch(Base):
    """Foreign media that a workflow's steps refer to, on its way to being a blob. Several steps share one fetch."""

    __tablename__ = "media_fetches"
    __table_args__ = (UniqueConstraint("workflow_id", "digest", name="uq_media_fetches_workflow_id_digest"),)

    id: Mapped[BigId]
    workflow_id: Mapped[str] = mapped_column(
        Text(collation="C"), ForeignKey("workflows.id", ondelete="CASCADE")
    )
    # SHA-256 of what the step says.
    digest: Mapped[bytes]
    # The address or the `data:` URL itself; emptied once it was brought in.
    source: Mapped[str]
    blob_id: Mapped[str | None] = mapped_column(Text(collation="C"))
    # Why it could not be brought in, as a sentence.
    trouble: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None]


class BlobArchive(Base):
    """Blobs to be had as one archive: it is put together while it is sent and never stored."""

    __tablename__ = "blob_archives"
    __table_args__ = (
        CheckConstraint("format IN ('zip', 'tar')", name="format"),
        Index("ix_blob_archives_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str]
    format: Mapped[str]
    # [[blob id, name inside the archive], ...]
    entries: Mapped[list[Any]]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
