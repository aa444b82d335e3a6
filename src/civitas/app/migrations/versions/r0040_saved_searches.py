"""Community: searches under a name, and what was told of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "saved_searches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("pairs", JSONB(), nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("notify", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("webhook_url", sa.String(), nullable=True),
        sa.Column("feed_number", sa.BigInteger(), nullable=True),
        sa.Column("subscribed_at", moment, nullable=True),
        sa.Column("looked_at", moment, nullable=True),
        sa.CheckConstraint(
            "place IN ('models', 'images', 'videos', 'posts')", name=op.f("ck_saved_searches_place")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_saved_searches_person_id_people"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_searches")),
    )
    op.create_index(
        "uq_saved_searches_name", "saved_searches", ["person_id", sa.text("lower(name)")], unique=True
    )
    op.create_index(
        "ix_saved_searches_looked_at",
        "saved_searches",
        ["looked_at", "id"],
        postgresql_where=sa.text("looked_at IS NOT NULL"),
    )
    op.create_table(
        "saved_search_hits",
        sa.Column("search_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("found_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id"],
            ["saved_searches.id"],
            name=op.f("fk_saved_search_hits_search_id_saved_searches"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("search_id", "subject_id", name=op.f("pk_saved_search_hits")),
    )
    op.create_index("ix_saved_search_hits_found_at", "saved_search_hits", ["found_at"])


def downgrade() -> None:
    op.drop_table("saved_search_hits")
    op.drop_table("saved_searches")
