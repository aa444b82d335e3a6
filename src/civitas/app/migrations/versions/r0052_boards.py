"""Gallery: collections that give Buzz for what is accepted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "collection_boards",
        sa.Column("collection_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("set_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_boards_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["set_by"], ["people.id"], name=op.f("fk_collection_boards_set_by_people"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("collection_id", name=op.f("pk_collection_boards")),
    )
    op.create_index(op.f("ix_collection_boards_set_by"), "collection_boards", ["set_by"])
    op.create_table(
        "board_gifts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("accepted_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("given_at", moment, nullable=True),
        sa.CheckConstraint("status IN ('given', 'refused', 'short')", name=op.f("ck_board_gifts_status")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_board_gifts_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_board_gifts_person_id_people"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_gifts")),
    )
    op.create_index(
        "uq_board_gifts_subject", "board_gifts", ["collection_id", "kind", "subject_id"], unique=True
    )
    op.create_index("ix_board_gifts_collection_id_id", "board_gifts", ["collection_id", "id"])
    op.create_index(op.f("ix_board_gifts_person_id"), "board_gifts", ["person_id"])
    op.create_index(
        "ix_board_gifts_short", "board_gifts", ["id"], postgresql_where=sa.text("status = 'short'")
    )


def downgrade() -> None:
    op.drop_table("board_gifts")
    op.drop_table("collection_boards")
