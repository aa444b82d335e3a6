"""The catalogue's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

AWARE = sa.DateTime(timezone=True)
NOW = sa.text("now()")
FALSE, ZERO = sa.text("false"), sa.text("0")


def upgrade() -> None:
    _models()
    _files()
    _tags_and_previews()
    _lineage()
    _counters_and_history()


def _models() -> None:
    # fmt: off
    op.create_table("models",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'Draft'"), nullable=False),
        sa.Column("mode", sa.String(), nullable=True),
        sa.Column("availability", sa.String(), server_default=sa.text("'Public'"), nullable=False),
        sa.Column("upload_type", sa.String(), server_default=sa.text("'Created'"), nullable=False),
        sa.Column("checkpoint_type", sa.String(), nullable=True),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("nsfw", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("nsfw_level", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("poi", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("minor", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("sfw_only", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("locked_properties", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"),
            nullable=False),
        sa.Column("editor_ids", sa.ARRAY(sa.BigInteger()), nullable=False, server_default=sa.text("'{}'::bigint[]")),
        sa.Column("cannot_promote", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("cannot_publish", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("is_official", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("allow_no_credit", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("allow_commercial_use", sa.ARRAY(sa.Text()), server_default=sa.text("'{Sell}'::text[]"),
            nullable=False),
        sa.Column("allow_derivatives", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("allow_different_license", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("license_text", sa.Text(), nullable=True),
        sa.Column("origin", sa.String(), server_default=sa.text("'upload'"), nullable=False),
        sa.Column("source", JSONB(), nullable=True),
        sa.Column("forked_from_version_id", sa.BigInteger(), nullable=True),
        sa.Column("unpublished_reason", sa.String(), nullable=True),
        sa.Column("unpublished_note", sa.String(), nullable=True),
        sa.Column("scheduled_at", AWARE, nullable=True),
        sa.Column("published_at", AWARE, nullable=True),
        sa.Column("last_version_at", AWARE, nullable=True),
        sa.Column("created_at", AWARE, server_default=NOW, nullable=False),
        sa.Column("updated_at", AWARE, server_default=NOW, nullable=False),
        sa.Column("deleted_at", AWARE, nullable=True),
        sa.Column("deleted_by", sa.BigInteger(), nullable=True),
        sa.Column("previous_status", sa.String(), nullable=True),
        sa.CheckConstraint("(status = 'Deleted') = (deleted_at IS NOT NULL)", name="ck_models_deleted"),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="ck_models_name_length"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_models_person_id",
            ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_models")
    )
    op.create_index("ix_models_forked_from_version_id", "models", ["forked_from_version_id"])
    op.create_index("ix_models_person_id_id", "models", ["person_id", "id"])
    op.create_index("ix_models_scheduled_at", "models", ["scheduled_at"],
        postgresql_where=sa.text("status = 'Scheduled'"))
    op.create_table("model_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'Draft'"), nullable=False),
        sa.Column("availability", sa.String(), server_default=sa.text("'Public'"), nullable=False),
        sa.Column("base_model", sa.String(), nullable=False),
        sa.Column("base_model_type", sa.String(), server_default=sa.text("'Standard'"), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("trained_words", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"),
            nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=True),
        sa.Column("epochs", sa.BigInteger(), nullable=True),
        sa.Column("clip_skip", sa.BigInteger(), nullable=True),
        sa.Column("strength", sa.Double(), nullable=True),
        sa.Column("min_strength", sa.Double(), nullable=True),
        sa.Column("max_strength", sa.Double(), nullable=True),
        sa.Column("vae_version_id", sa.BigInteger(), nullable=True),
        sa.Column("usage_control", sa.String(), server_default=sa.text("'Download'"), nullable=False),
        sa.Column("require_auth", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("early_access_ends_at", AWARE, nullable=True),
        sa.Column("nsfw_level", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("scheduled_at", AWARE, nullable=True),
        sa.Column("published_at", AWARE, nullable=True),
        sa.Column("created_at", AWARE, server_default=NOW, nullable=False),
        sa.Column("updated_at", AWARE, server_default=NOW, nullable=False),
        sa.Column("deleted_at", AWARE, nullable=True),
        sa.Column("previous_status", sa.String(), nullable=True),
        sa.CheckConstraint("(status = 'Deleted') = (deleted_at IS NOT NULL)",
            name="ck_model_versions_deleted"),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="ck_model_versions_name_length"),
        sa.CheckConstraint("clip_skip BETWEEN 1 AND 12", name="ck_model_versions_clip_skip"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_versions_model_id",
            ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["vae_version_id"], ["model_versions.id"],
            name="fk_model_versions_vae_version_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_model_versions")
    )
    op.create_index("ix_model_versions_model_id_position", "model_versions", ["model_id", "position"])
    op.create_index("ix_model_versions_scheduled_at", "model_versions", ["scheduled_at"],
        postgresql_where=sa.text("status = 'Scheduled'"))
    op.create_index("ix_model_versions_vae_version_id", "model_versions", ["vae_version_id"])
    op.create_foreign_key("fk_models_forked_from_version_id", "models", "model_versions",
        ["forked_from_version_id"], ["id"], ondelete="SET NULL")
    # fmt: on


def _files() -> None:
    # fmt: off
    op.create_table("model_files",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("size_class", sa.String(), nullable=True),
        sa.Column("precision", sa.String(), nullable=True),
        sa.Column("quantisation", sa.String(), nullable=True),
        sa.Column("visibility", sa.String(), server_default=sa.text("'Public'"), nullable=False),
        sa.Column("is_primary", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("scan_status", sa.String(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("scan_message", sa.String(), nullable=True),
        sa.Column("scanned_at", AWARE, nullable=True),
        sa.Column("created_at", AWARE, server_default=NOW, nullable=False),
        sa.Column("removed_at", AWARE, nullable=True),
        sa.CheckConstraint("scan_status IN ('pending', 'clean', 'suspicious', 'dangerous', 'error')",
            name="ck_model_files_scan_status"),
        sa.CheckConstraint("blob_id IS NOT NULL OR removed_at IS NOT NULL",
            name="ck_model_files_bytes_while_shown"),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="fk_model_files_blob_id",
            ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"], name="fk_model_files_version_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_model_files")
    )
    op.create_index("ix_model_files_blob_id", "model_files", ["blob_id"])
    op.create_index("ix_model_files_pending", "model_files", ["id"],
        postgresql_where=sa.text("scan_status IN ('pending', 'error')"))
    op.create_index("ix_model_files_version_id", "model_files", ["version_id"])
    op.create_index("uq_model_files_primary", "model_files", ["version_id"], unique=True,
        postgresql_where=sa.text("is_primary AND removed_at IS NULL"))
    op.create_table("file_hashes",
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["model_files.id"], name="fk_file_hashes_file_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("file_id", "kind", name="pk_file_hashes")
    )
    op.create_index("ix_file_hashes_value", "file_hashes", ["value", "version_id"])
    op.create_table("file_scans",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("checks", JSONB(), nullable=False),
        sa.Column("imports", JSONB(), nullable=False),
        sa.Column("scanners", JSONB(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("finished_at", AWARE, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["model_files.id"], name="fk_file_scans_file_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_file_scans")
    )
    op.create_index("ix_file_scans_file_id_id", "file_scans", ["file_id", "id"])
    op.create_table("file_headers",
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("architecture", JSONB(), nullable=True),
        sa.Column("training", JSONB(), nullable=True),
        sa.Column("metadata", JSONB(), nullable=False),
        sa.Column("tensors", JSONB(), nullable=False),
        sa.Column("tensor_count", sa.BigInteger(), nullable=False),
        sa.Column("parameter_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["model_files.id"], name="fk_file_headers_file_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("file_id", name="pk_file_headers")
    )
    # fmt: on


def _tags_and_previews() -> None:
    # fmt: off
    op.create_table("tags",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(collation="C"), nullable=False),
        sa.Column("is_category", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("model_count", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("safe_count", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("name", name="uq_tags_name")
    )
    op.create_index("ix_tags_model_count_id", "tags", ["model_count", "id"])
    op.create_index("ix_tags_safe_count_id", "tags", ["safe_count", "id"])
    op.create_table("model_tags",
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_tags_model_id",
            ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_model_tags_tag_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "tag_id", name="pk_model_tags")
    )
    op.create_index("ix_model_tags_tag_id", "model_tags", ["tag_id"])
    op.create_table("version_previews",
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), server_default=sa.text("'image'"), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("blurhash", sa.String(), nullable=True),
        sa.Column("nsfw_level", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("meta", JSONB(), nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"],
            name="fk_version_previews_version_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "image_id", name="pk_version_previews")
    )
    op.create_index("ix_version_previews_image_id", "version_previews", ["image_id"])
    op.create_index("ix_version_previews_version_id_position", "version_previews", ["version_id", "position"])
    # fmt: on


def _lineage() -> None:
    # fmt: off
    op.create_table("recommended_resources",
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("resource_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("strength", sa.Double(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["resource_id"], ["model_versions.id"],
            name="fk_recommended_resources_resource_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"],
            name="fk_recommended_resources_version_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "resource_id", name="pk_recommended_resources")
    )
    op.create_index("ix_recommended_resources_resource_id", "recommended_resources", ["resource_id"])
    op.create_table("version_parents",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("air", sa.String(), nullable=True),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint("(parent_id IS NULL) <> (air IS NULL)", name="ck_version_parents_one_parent"),
        sa.ForeignKeyConstraint(["parent_id"], ["model_versions.id"], name="fk_version_parents_parent_id",
            ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"], name="fk_version_parents_version_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_version_parents"),
        sa.UniqueConstraint("version_id", "parent_id", "relation", name="uq_version_parents_parent")
    )
    op.create_index("ix_version_parents_parent_id", "version_parents", ["parent_id"])
    op.create_index("ix_version_parents_version_id", "version_parents", ["version_id"])
    op.create_table("merge_steps",
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("a", JSONB(), nullable=False),
        sa.Column("b", JSONB(), nullable=False),
        sa.Column("c", JSONB(), nullable=True),
        sa.Column("multiplier", sa.Double(), nullable=False),
        sa.CheckConstraint("(kind = 'difference') = (c IS NOT NULL)", name="ck_merge_steps_third_operand"),
        sa.CheckConstraint("kind IN ('sum', 'difference')", name="ck_merge_steps_kind"),
        sa.CheckConstraint("multiplier BETWEEN -5 AND 5", name="ck_merge_steps_multiplier"),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"], name="fk_merge_steps_version_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "position", name="pk_merge_steps")
    )
    # fmt: on


def _counters_and_history() -> None:
    # fmt: off
    op.create_table("model_metrics",
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("downloads", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("favourites", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("thumbs_up", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("thumbs_down", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("comments", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("collected", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("images", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("generations", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("tipped", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_metrics_model_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", name="pk_model_metrics")
    )
    op.create_table("version_metrics",
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("downloads", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("thumbs_up", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("thumbs_down", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("images", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("generations", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"], name="fk_version_metrics_version_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", name="pk_version_metrics")
    )
    op.create_table("downloads",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("created_at", AWARE, server_default=NOW, nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("folded", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["model_files.id"], name="fk_downloads_file_id",
            ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_downloads_person_id",
            ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"], name="fk_downloads_version_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_downloads"),
        sa.UniqueConstraint("caller", "version_id", "day", name="uq_downloads_caller_version_id_day")
    )
    op.create_index("ix_downloads_file_id", "downloads", ["file_id"])
    op.create_index("ix_downloads_person_id_id", "downloads", ["person_id", "id"],
        postgresql_where=sa.text("person_id IS NOT NULL"))
    op.create_index("ix_downloads_unfolded", "downloads", ["id"], postgresql_where=sa.text("NOT folded"))
    op.create_index("ix_downloads_version_id", "downloads", ["version_id"])
    op.create_table("model_engagements",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("created_at", AWARE, server_default=NOW, nullable=False),
        sa.CheckConstraint("kind IN ('favourite', 'hide', 'notify', 'mute')",
            name="ck_model_engagements_kind"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_engagements_model_id",
            ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_model_engagements_person_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person_id", "model_id", "kind", name="pk_model_engagements")
    )
    op.create_index("ix_model_engagements_model_id_kind", "model_engagements", ["model_id", "kind"])
    op.create_table("model_collaborators",
        sa.Column("model_id", sa.BigInteger(), sa.ForeignKey("models.id", ondelete="CASCADE",
            name="fk_model_collaborators_model_id"), primary_key=True, autoincrement=False),
        sa.Column("person_id", sa.BigInteger(), sa.ForeignKey("people.id", ondelete="CASCADE",
            name="fk_model_collaborators_person_id"), primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("invited_by", sa.BigInteger()), sa.Column("answered_at", AWARE),
        sa.Column("created_at", AWARE, server_default=NOW, nullable=False),
        sa.CheckConstraint("status IN ('pending', 'accepted', 'declined')", name="ck_model_collaborators_status"))
    op.create_index("ix_model_collaborators_person_id", "model_collaborators", ["person_id"])
    op.create_table("model_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("details", JSONB(), nullable=True),
        sa.Column("created_at", AWARE, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_events_model_id",
            ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_model_events")
    )
    op.create_index("ix_model_events_model_id_id", "model_events", ["model_id", "id"])
    # fmt: on


def downgrade() -> None:
    op.drop_constraint("fk_models_forked_from_version_id", "models")
    tables = (
        "model_events", "model_collaborators", "model_engagements", "downloads", "version_metrics", "model_metrics",
        "merge_steps", "version_parents", "recommended_resources", "version_previews", "model_tags",
        "tags", "file_headers", "file_scans", "file_hashes", "model_files", "model_versions", "models",
    )  # fmt: skip
    for table in tables:
        op.drop_table(table)
