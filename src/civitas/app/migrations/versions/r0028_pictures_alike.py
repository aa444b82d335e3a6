"""A person's pictures that look alike are found by an index, and files by what recipes call them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_images_person_id_perceptual_hash",
        "images",
        ["person_id", "perceptual_hash", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND perceptual_hash IS NOT NULL"),
    )
    op.create_index(
        "ix_model_files_stem",
        "model_files",
        [sa.literal_column("lower(regexp_replace(name, '[.][^.]+$', ''))")],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_model_files_stem", table_name="model_files")
    op.drop_index("ix_images_person_id_perceptual_hash", table_name="images")
