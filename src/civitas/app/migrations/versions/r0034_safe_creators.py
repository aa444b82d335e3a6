"""People: how many of their models viewers of safe levels may see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# The convention named it twice.
OLD = "ck_count_changes_ck_count_changes_kind"
KINDS = "kind IN ('word', 'tag', 'safe tag', 'person'{})"


def upgrade() -> None:
    op.add_column(
        "people", sa.Column("safe_model_count", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.execute(
        "UPDATE people p SET safe_model_count = c.safe FROM (SELECT person_id, count(*) AS safe FROM model_listings "
        "WHERE level & 3 <> 0 GROUP BY 1) c WHERE c.person_id = p.id"
    )
    op.create_index(
        "ix_people_safe_creators",
        "people",
        [sa.text("safe_model_count DESC"), "id"],
        postgresql_where=sa.text("safe_model_count > 0 AND status = 'active'"),
    )
    op.drop_constraint(op.f(OLD), "count_changes")
    op.create_check_constraint(
        op.f("ck_count_changes_kind"), "count_changes", KINDS.format(", 'safe person'")
    )


def downgrade() -> None:
    op.execute("DELETE FROM count_changes WHERE kind = 'safe person'")
    op.drop_constraint(op.f("ck_count_changes_kind"), "count_changes")
    op.create_check_constraint(op.f(OLD), "count_changes", KINDS.format(""))
    op.drop_index("ix_people_safe_creators", table_name="people")
    op.drop_column("people", "safe_model_count")
