"""Hidden tags hold for models and articles too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hidden_tags",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_hidden_tags_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_hidden_tags_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "tag_id", name=op.f("pk_hidden_tags")),
    )
    op.create_index("ix_hidden_tags_tag_id", "hidden_tags", ["tag_id"])
    op.execute(
        "INSERT INTO hidden_tags (person_id, tag_id, created_at) "
        "SELECT h.person_id, h.subject_id, h.created_at FROM hidden_things h JOIN tags t ON t.id = h.subject_id "
        "WHERE h.kind = 'tag'"
    )
    op.execute("DELETE FROM hidden_things WHERE kind = 'tag'")
    op.drop_constraint(op.f("ck_hidden_things_kind"), "hidden_things")
    op.drop_constraint(op.f("pk_hidden_things"), "hidden_things")
    op.drop_column("hidden_things", "kind")
    op.alter_column("hidden_things", "subject_id", new_column_name="image_id")
    op.rename_table("hidden_things", "hidden_images")
    op.create_primary_key(op.f("pk_hidden_images"), "hidden_images", ["person_id", "image_id"])
    op.execute(
        "ALTER TABLE hidden_images RENAME CONSTRAINT fk_hidden_things_person_id TO fk_hidden_images_person_id"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE hidden_images RENAME CONSTRAINT fk_hidden_images_person_id TO fk_hidden_things_person_id"
    )
    op.drop_constraint(op.f("pk_hidden_images"), "hidden_images")
    op.rename_table("hidden_images", "hidden_things")
    op.alter_column("hidden_things", "image_id", new_column_name="subject_id")
    op.add_column("hidden_things", sa.Column("kind", sa.String(), server_default="image", nullable=False))
    op.alter_column("hidden_things", "kind", server_default=None)
    op.execute(
        "INSERT INTO hidden_things (person_id, kind, subject_id, created_at) "
        "SELECT person_id, 'tag', tag_id, created_at FROM hidden_tags"
    )
    op.create_primary_key(op.f("pk_hidden_things"), "hidden_things", ["person_id", "kind", "subject_id"])
    op.create_check_constraint(op.f("ck_hidden_things_kind"), "hidden_things", "kind IN ('image', 'tag')")
    op.drop_table("hidden_tags")
