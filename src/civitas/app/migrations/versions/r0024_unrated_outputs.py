"""Outputs that nobody could rate are found by moderators."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_orchestration_blobs_unrated",
        "orchestration_blobs",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text(
            "nsfw_level = 'na' AND job_id IS NOT NULL AND available_at IS NOT NULL AND blocked_reason IS NULL"
        ),
    )


def downgrade() -> None:
    op.drop_index("ix_orchestration_blobs_unrated", table_name="orchestration_blobs")
