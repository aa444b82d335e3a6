"""Articles and collections are found by the words of their names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_articles_words",
        "articles",
        [sa.text("to_tsvector('simple'::regconfig, title)")],
        postgresql_using="gin",
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_collections_words",
        "collections",
        [sa.text("to_tsvector('simple'::regconfig, name)")],
        postgresql_using="gin",
        postgresql_where=sa.text("read_by = 'public' AND deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_collections_words", table_name="collections")
    op.drop_index("ix_articles_words", table_name="articles")
