"""Reviews: whether people recommend a version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("recommended", sa.Boolean(), nullable=False),
        sa.Column("content", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=True),
        sa.Column("excluded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("excluded_by", sa.BigInteger(), nullable=True),
        sa.Column("reaction_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["excluded_by"], ["people.id"], name=op.f("fk_reviews_excluded_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_reviews_model_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_reviews_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_reviews_post_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name=op.f("fk_reviews_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("version_id", "person_id", name=op.f("uq_reviews_version_id_person_id")),
    )
    op.create_index("ix_reviews_model_id_id", "reviews", ["model_id", "id"], unique=False)
    op.create_index("ix_reviews_person_id_id", "reviews", ["person_id", "id"], unique=False)
    op.create_index(op.f("ix_reviews_post_id"), "reviews", ["post_id"], unique=False)
    op.create_index("ix_reviews_version_id_id", "reviews", ["version_id", "id"], unique=False)


def downgrade() -> None:

    op.drop_index("ix_reviews_version_id_id", table_name="reviews")
    op.drop_index(op.f("ix_reviews_post_id"), table_name="reviews")
    op.drop_index("ix_reviews_person_id_id", table_name="reviews")
    op.drop_index("ix_reviews_model_id_id", table_name="reviews")
    op.drop_table("reviews")
