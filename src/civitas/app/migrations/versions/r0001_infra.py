"""The queue's schema and the tables of the infrastructure."""

from __future__ import annotations

from importlib import resources

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

AWARE = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("CREATE SCHEMA procrastinate")
    op.execute("SET LOCAL search_path TO procrastinate")
    schema = resources.files("procrastinate").joinpath("sql", "schema.sql").read_text()
    driver = op.get_bind().connection.driver_connection
    if driver is None:
        raise RuntimeError("migrations run on a live connection")
    driver.execute(schema.encode())
    op.execute("SET LOCAL search_path TO public, procrastinate")
    op.create_table(
        "heard_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("listener", sa.String(), nullable=False),
        sa.Column("heard_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "listener", name="pk_heard_events"),
    )
    op.create_index("ix_heard_events_heard_at", "heard_events", ["heard_at"])
    op.create_table(
        "task_failures",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("arguments", JSONB(), nullable=False),
        sa.Column("failed_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="pk_task_failures"),
    )
    op.create_table(
        "rate_buckets",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("full_at", AWARE, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_rate_buckets"),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "caught_mails",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("html", sa.String(), nullable=True),
        sa.Column("created_at", AWARE, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_caught_mails"),
    )
    op.create_index("ix_caught_mails_recipient", "caught_mails", ["recipient"])


def downgrade() -> None:
    for table in ("caught_mails", "rate_buckets", "task_failures", "heard_events"):
        op.drop_table(table)
    op.execute("DROP SCHEMA procrastinate CASCADE")
