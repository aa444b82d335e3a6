"""Mapped classes of the catalogue. What is shown and searched is derived from these into documents."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.domains.catalog.collaborator_tables import IDS
from civitas.infra.db.base import Base, BigId, CreatedAt

FALSE = text("false")
TRUE = text("true")
ZERO = text("0")
NO_TEXTS = text("'{}'::text[]")


class Model(Base):
    """A model as its creator describes it; its bytes hang on versions."""

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name_length"),
        CheckConstraint("(status = 'Deleted') = (deleted_at IS NOT NULL)", name="deleted"),
        Index("ix_models_person_id_id", "person_id", "id"),
        Index("ix_models_scheduled_at", "scheduled_at", postgresql_where=text("status = 'Scheduled'")),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="RESTRICT"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(Text, server_default=text("''"))
    type: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'Draft'"))
    mode: Mapped[str | None]
    availability: Mapped[str] = mapped_column(server_default=text("'Public'"))
    upload_type: Mapped[str] = mapped_column(server_default=text("'Created'"))
    checkpoint_type: Mapped[str | None]
    category: Mapped[str | None]
    nsfw: Mapped[bool] = mapped_column(server_default=FALSE)
    # Bit-or of the levels of all previews, or R and above when the creator says nsfw (FEATURES N5).
    nsfw_level: Mapped[int] = mapped_column(server_default=ZERO)
    poi: Mapped[bool] = mapped_column(server_default=FALSE)
    minor: Mapped[bool] = mapped_column(server_default=FALSE)
    sfw_only: Mapped[bool] = mapped_column(server_default=FALSE)
    locked_properties: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=NO_TEXTS)
    cannot_promote: Mapped[bool] = mapped_column(server_default=FALSE)
    cannot_publish: Mapped[bool] = mapped_column(server_default=FALSE)
    is_official: Mapped[bool] = mapped_column(server_default=FALSE)
    allow_no_credit: Mapped[bool] = mapped_column(server_default=TRUE)
    allow_commercial_use: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{Sell}'::text[]")
    )
    allow_derivatives: Mapped[bool] = mapped_column(server_default=TRUE)
    allow_different_license: Mapped[bool] = mapped_column(server_default=TRUE)
    license_text: Mapped[str | None] = mapped_column(Text)
    # Who accepted to work on it, from model_collaborators: rules read them here.
    editor_ids: Mapped[list[int]] = mapped_column(IDS, server_default=text("'{}'::bigint[]"))
    origin: Mapped[str] = mapped_column(server_default=text("'upload'"))
    # Where an imported model came from: {"url", "creator", "platform", "id"}.
    source: Mapped[dict[str, Any] | None]
    # No relation to model_versions in ORM terms: the two tables point at each other.
    forked_from_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id", ondelete="SET NULL", use_alter=True), index=True
    )
    unpublished_reason: Mapped[str | None]
    unpublished_note: Mapped[str | None]
    scheduled_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    # When the newest published version came out; what "Newest" sorts by.
    last_version_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]
    deleted_by: Mapped[int | None]
    # The status to return to when a deletion or unpublishing is undone.
    previous_status: Mapped[str | None]


class ModelVersion(Base):
    """One version of a model: what it was made for and how to use it."""

    __tablename__ = "model_versions"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("clip_skip BETWEEN 1 AND 12", name="clip_skip"),
        CheckConstraint("(status = 'Deleted') = (deleted_at IS NOT NULL)", name="deleted"),
        Index("ix_model_versions_model_id_position", "model_id", "position"),
        Index(
            "ix_model_versions_scheduled_at", "scheduled_at", postgresql_where=text("status = 'Scheduled'")
        ),
    )

    id: Mapped[BigId]
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    name: Mapped[str]
    # 0 is shown first.
    position: Mapped[int] = mapped_column(server_default=ZERO)
    status: Mapped[str] = mapped_column(server_default=text("'Draft'"))
    availability: Mapped[str] = mapped_column(server_default=text("'Public'"))
    base_model: Mapped[str]
    base_model_type: Mapped[str] = mapped_column(server_default=text("'Standard'"))
    # Changelog and notes of this version, Markdown.
    description: Mapped[str] = mapped_column(Text, server_default=text("''"))
    trained_words: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=NO_TEXTS)
    steps: Mapped[int | None]
    epochs: Mapped[int | None]
    clip_skip: Mapped[int | None]
    strength: Mapped[float | None]
    min_strength: Mapped[float | None]
    max_strength: Mapped[float | None]
    vae_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id", ondelete="SET NULL"), index=True
    )
    usage_control: Mapped[str] = mapped_column(server_default=text("'Download'"))
    require_auth: Mapped[bool] = mapped_column(server_default=FALSE)
    early_access_ends_at: Mapped[datetime | None]
    nsfw_level: Mapped[int] = mapped_column(server_default=ZERO)
    scheduled_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]
    previous_status: Mapped[str | None]


class ModelFile(Base):
    """One file of a version. Immutable bytes: replacing means removing this row and adding another."""

    __tablename__ = "model_files"
    __table_args__ = (
        CheckConstraint(
            "scan_status IN ('pending', 'clean', 'suspicious', 'dangerous', 'error')", name="scan_status"
        ),
        CheckConstraint("blob_id IS NOT NULL OR removed_at IS NOT NULL", name="bytes_while_shown"),
        Index(
            "uq_model_files_primary", "version_id", unique=True,
            postgresql_where=text("is_primary AND removed_at IS NULL"),
        ),
        Index("ix_model_files_version_id", "version_id"),
        # What recipes call a model: its file without the ending.
        Index("ix_model_files_stem", text("lower(regexp_replace(name, '[.][^.]+$', ''))")),
        Index("ix_model_files_pending", "id", postgresql_where=text("scan_status IN ('pending', 'error')")),
    )  # fmt: skip

    id: Mapped[BigId]
    version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id", ondelete="CASCADE"))
    # None only after the bytes of a removed file were swept; its hashes stay and still answer.
    blob_id: Mapped[int | None] = mapped_column(ForeignKey("blobs.id", ondelete="SET NULL"), index=True)
    name: Mapped[str]
    type: Mapped[str]
    format: Mapped[str]
    size_class: Mapped[str | None]
    precision: Mapped[str | None]
    quantisation: Mapped[str | None]
    visibility: Mapped[str] = mapped_column(server_default=text("'Public'"))
    is_primary: Mapped[bool] = mapped_column(server_default=FALSE)
    size: Mapped[int]
    scan_status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    scan_message: Mapped[str | None]
    scanned_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    removed_at: Mapped[datetime | None]


class FileHash(Base):
    """One hash of one file, upper-case hex; looked up without knowing its kind."""

    __tablename__ = "file_hashes"
    __table_args__ = (Index("ix_file_hashes_value", "value", "version_id"),)

    file_id: Mapped[int] = mapped_column(ForeignKey("model_files.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    version_id: Mapped[int]


class FileScan(Base):
    """One run of the safety scan over one file, with everything it found."""

    __tablename__ = "file_scans"
    __table_args__ = (Index("ix_file_scans_file_id_id", "file_id", "id"),)

    id: Mapped[BigId]
    file_id: Mapped[int] = mapped_column(ForeignKey("model_files.id", ondelete="CASCADE"))
    verdict: Mapped[str]
    # Each check: {"name", "verdict", "reason", "details"}.
    checks: Mapped[list[Any]]
    imports: Mapped[list[Any]]
    scanners: Mapped[dict[str, Any]]
    duration_s: Mapped[float]
    finished_at: Mapped[CreatedAt]


class FileHeader(Base):
    """What a safetensors or GGUF header says, kept by file."""

    __tablename__ = "file_headers"

    file_id: Mapped[int] = mapped_column(ForeignKey("model_files.id", ondelete="CASCADE"), primary_key=True)
    architecture: Mapped[dict[str, Any] | None]
    training: Mapped[dict[str, Any] | None]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    tensors: Mapped[list[Any]]
    tensor_count: Mapped[int]
    parameter_count: Mapped[int]


class Tag(Base):
    """A word that models carry."""

    __tablename__ = "tags"
    __table_args__ = (
        Index("ix_tags_model_count_id", "model_count", "id"),
        Index("ix_tags_safe_count_id", "safe_count", "id"),
    )

    id: Mapped[BigId]
    # Folded, at most 60 characters; compared by bytes, so that prefixes are ranges.
    name: Mapped[str] = mapped_column(String(collation="C"), unique=True)
    is_category: Mapped[bool] = mapped_column(server_default=FALSE)
    # Listed models that carry it: all, and those that viewers of safe levels may see.
    model_count: Mapped[int] = mapped_column(server_default=ZERO)
    safe_count: Mapped[int] = mapped_column(server_default=ZERO)


class ModelTag(Base):
    """A model carries a tag."""

    __tablename__ = "model_tags"

    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class VersionPreview(Base):
    """A picture of a version as the catalogue shows it; the gallery, which owns pictures, keeps these rows."""

    __tablename__ = "version_previews"
    __table_args__ = (Index("ix_version_previews_version_id_position", "version_id", "position"),)

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True
    )
    image_id: Mapped[int] = mapped_column(primary_key=True, index=True)
    position: Mapped[int] = mapped_column(server_default=ZERO)
    # The path of the image without host and transform: `/img/{key}`; see the gallery.
    key: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default=text("'image'"))
    width: Mapped[int]
    height: Mapped[int]
    blurhash: Mapped[str | None]
    nsfw_level: Mapped[int]
    person_id: Mapped[int]
    meta: Mapped[dict[str, Any] | None]


class RecommendedResource(Base):
    """Another version that goes well with this one."""

    __tablename__ = "recommended_resources"

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True
    )
    resource_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    position: Mapped[int] = mapped_column(server_default=ZERO)
    strength: Mapped[float | None]
    note: Mapped[str | None]


class VersionParent(Base):
    """A version was made from another, which is in this catalogue or named by its AIR."""

    __tablename__ = "version_parents"
    __table_args__ = (
        CheckConstraint("(parent_id IS NULL) <> (air IS NULL)", name="one_parent"),
        UniqueConstraint("version_id", "parent_id", "relation", name="uq_version_parents_parent"),
    )

    id: Mapped[BigId]
    version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id", ondelete="CASCADE"), index=True)
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id", ondelete="RESTRICT"), index=True
    )
    air: Mapped[str | None]
    relation: Mapped[str]
    note: Mapped[str | None]


class MergeStep(Base):
    """One step of a merge recipe; `a`, `b`, `c` are {"version": id}, {"result": step} or {"air"|"name": text}."""

    __tablename__ = "merge_steps"
    __table_args__ = (
        CheckConstraint("kind IN ('sum', 'difference')", name="kind"),
        CheckConstraint("(kind = 'difference') = (c IS NOT NULL)", name="third_operand"),
        CheckConstraint("multiplier BETWEEN -5 AND 5", name="multiplier"),
    )

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    a: Mapped[dict[str, Any]]
    b: Mapped[dict[str, Any]]
    c: Mapped[dict[str, Any] | None]
    multiplier: Mapped[float]


class ModelMetric(Base):
    """Counters of a model, kept by folding; never written by a request."""

    __tablename__ = "model_metrics"

    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    downloads: Mapped[int] = mapped_column(server_default=ZERO)
    favourites: Mapped[int] = mapped_column(server_default=ZERO)
    thumbs_up: Mapped[int] = mapped_column(server_default=ZERO)
    thumbs_down: Mapped[int] = mapped_column(server_default=ZERO)
    comments: Mapped[int] = mapped_column(server_default=ZERO)
    collected: Mapped[int] = mapped_column(server_default=ZERO)
    images: Mapped[int] = mapped_column(server_default=ZERO)
    generations: Mapped[int] = mapped_column(server_default=ZERO)
    tipped: Mapped[int] = mapped_column(server_default=ZERO)


class VersionMetric(Base):
    """Counters of a version."""

    __tablename__ = "version_metrics"

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True
    )
    downloads: Mapped[int] = mapped_column(server_default=ZERO)
    thumbs_up: Mapped[int] = mapped_column(server_default=ZERO)
    thumbs_down: Mapped[int] = mapped_column(server_default=ZERO)
    images: Mapped[int] = mapped_column(server_default=ZERO)
    generations: Mapped[int] = mapped_column(server_default=ZERO)


class Download(Base):
    """A download started: once per caller, version and day. Append only; folded into the metrics."""

    __tablename__ = "downloads"
    __table_args__ = (
        UniqueConstraint("caller", "version_id", "day", name="uq_downloads_caller_version_id_day"),
        Index("ix_downloads_person_id_id", "person_id", "id", postgresql_where=text("person_id IS NOT NULL")),
        Index("ix_downloads_unfolded", "id", postgresql_where=text("NOT folded")),
    )

    id: Mapped[BigId]
    # `p:{person id}` or `a:{keyed digest of the address}`: no address is stored.
    caller: Mapped[str]
    version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id", ondelete="CASCADE"), index=True)
    file_id: Mapped[int | None] = mapped_column(ForeignKey("model_files.id", ondelete="SET NULL"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    day: Mapped[date]
    created_at: Mapped[CreatedAt]
    hidden: Mapped[bool] = mapped_column(server_default=FALSE)
    folded: Mapped[bool] = mapped_column(server_default=FALSE)


class ModelEvent(Base):
    """What happened to a model, for its owner and staff to read."""

    __tablename__ = "model_events"
    __table_args__ = (Index("ix_model_events_model_id_id", "model_id", "id"),)

    id: Mapped[BigId]
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    version_id: Mapped[int | None]
    person_id: Mapped[int | None]
    action: Mapped[str]
    details: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]
