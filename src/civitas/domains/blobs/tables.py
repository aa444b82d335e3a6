"""Mapped classes of the blobs domain."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class Blob(Base):
    """Bytes that were read once from end to end: their digests and where they lie. Immutable."""

    __tablename__ = "blobs"
    __table_args__ = (
        CheckConstraint("octet_length(sha256) = 32", name="sha256_length"),
        CheckConstraint("size >= 0", name="size"),
    )

    id: Mapped[BigId]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    size: Mapped[int]
    storage_key: Mapped[str] = mapped_column(Text, unique=True)
    content_type: Mapped[str]
    blake3: Mapped[bytes] = mapped_column(LargeBinary)
    crc32: Mapped[bytes] = mapped_column(LargeBinary)
    autov1: Mapped[str | None]
    # SHA-256 of what follows the safetensors header, hex; its first 12 digits are the short form.
    autov3: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    # Set when the last reference went; the sweep removes the bytes after a grace.
    orphaned_at: Mapped[datetime | None] = mapped_column(index=True)


class BlobReference(Base):
    """Who still needs a blob: kind and id of a row in a domain above."""

    __tablename__ = "blob_references"
    __table_args__ = (Index("ix_blob_references_kind_subject_id", "kind", "subject_id"),)

    blob_id: Mapped[int] = mapped_column(ForeignKey("blobs.id", ondelete="RESTRICT"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True)


class Upload(Base):
    """Bytes on their way in: parts go straight to storage, this row says what is expected."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'verifying', 'done', 'failed', 'aborted')", name="status"),
        CheckConstraint("size > 0", name="size"),
        Index("ix_uploads_person_id_status", "person_id", "status"),
        Index("ix_uploads_expires_at", "expires_at", postgresql_where=text("status = 'open'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    purpose: Mapped[str]
    filename: Mapped[str]
    size: Mapped[int]
    part_size: Mapped[int]
    storage_key: Mapped[str]
    handle: Mapped[str | None]
    content_type: Mapped[str]
    expected_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(server_default=text("'open'"))
    verified_bytes: Mapped[int] = mapped_column(server_default=text("0"))
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    blob_id: Mapped[int | None] = mapped_column(ForeignKey("blobs.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
