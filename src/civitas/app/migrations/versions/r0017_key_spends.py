"""What was spent with which API key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_spends",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("quarters", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quarters >= 0", name=op.f("ck_key_spends_quarters")),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name=op.f("fk_key_spends_key_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["buzz_entries.id"], name=op.f("fk_key_spends_entry_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_spends")),
        sa.UniqueConstraint("entry_id", "currency", name=op.f("uq_key_spends_entry_id_currency")),
    )
    op.create_index(
        "ix_key_spends_key_id",
        "key_spends",
        ["key_id", "spent_at"],
        unique=False,
        postgresql_include=["currency", "quarters"],
    )


def downgrade() -> None:
    op.drop_table("key_spends")
