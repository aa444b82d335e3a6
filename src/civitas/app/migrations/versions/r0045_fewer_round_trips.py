"""Submissions and results in fewer round trips: what is looked at together is one function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(FUNCTIONS.read_bytes())


def downgrade() -> None:
    for name in ("orchestration_held", "orchestration_admit", "buzz_key_limit", "buzz_memberships_of"):
        op.execute(f"DROP FUNCTION {name}")
