"""The ledger: the accounts of one entry are changed by one statement, not one by one."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).with_suffix(".sql")
BEFORE = Path(__file__).with_name("r0007_buzz_ledger.sql")


def upgrade() -> None:
    op.execute(FUNCTIONS.read_text(encoding="utf-8"))


def downgrade() -> None:
    _, _, rest = BEFORE.read_text(encoding="utf-8").partition("CREATE FUNCTION buzz_apply_postings()")
    body, end, _ = rest.partition("END $$;")
    op.execute(f"CREATE OR REPLACE FUNCTION buzz_apply_postings(){body}{end}")
