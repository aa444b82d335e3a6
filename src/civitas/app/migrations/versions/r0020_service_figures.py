"""Figures of services are asked by when work was submitted."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("jobs", "workflow_steps"):
        op.create_index(f"ix_{table}_created_at", table, ["created_at"], postgresql_using="brin")


def downgrade() -> None:
    for table in ("workflow_steps", "jobs"):
        op.drop_index(f"ix_{table}_created_at", table_name=table, postgresql_using="brin")
