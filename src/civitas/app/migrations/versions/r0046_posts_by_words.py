"""Posts are found by the words of their titles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_posts_words",
        "posts",
        [sa.text("to_tsvector('simple'::regconfig, title)")],
        postgresql_using="gin",
        postgresql_where=sa.text("title IS NOT NULL AND deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_posts_words", table_name="posts")
