"""The ledger: an entry of two postings is two plain updates; one colour is held and captured without detours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

RULES = Path(__file__).with_suffix(".sql")
FUNCTIONS = (
    ("r0044_postings_by_set.sql", "buzz_apply_postings"),
    ("r0007_buzz_ledger.sql", "buzz_post"),
    ("r0007_buzz_ledger.sql", "buzz_reserve"),
    ("r0007_buzz_ledger.sql", "buzz_capture"),
)
BEFORE = """
DROP TRIGGER buzz_accounts_keep ON buzz_accounts;
DROP TRIGGER buzz_accounts_follow ON buzz_accounts;
DROP TRIGGER buzz_accounts_person ON buzz_accounts;
DROP FUNCTION buzz_account_person;
ALTER TABLE buzz_accounts DROP COLUMN person_id;
ALTER TABLE buzz_accounts ADD COLUMN person_id bigint GENERATED ALWAYS AS (nullif(owner_id, 0)) STORED
    CONSTRAINT fk_buzz_accounts_person_id REFERENCES people;
ALTER TABLE buzz_holds
    ADD CONSTRAINT fk_buzz_holds_entry_id FOREIGN KEY (entry_id) REFERENCES buzz_entries,
    ADD CONSTRAINT fk_buzz_holds_person_id FOREIGN KEY (person_id) REFERENCES people;
CREATE TRIGGER buzz_accounts_keep BEFORE UPDATE OF id, owner_id, purpose, currency, guarded ON buzz_accounts
    FOR EACH ROW EXECUTE FUNCTION buzz_guard_account();
CREATE TRIGGER buzz_accounts_follow BEFORE UPDATE OF balance ON buzz_accounts
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION buzz_guard_account();
"""


def upgrade() -> None:
    _execute(RULES.read_text(encoding="utf-8"))


def downgrade() -> None:
    _execute(BEFORE)
    for file, name in FUNCTIONS:
        text = RULES.with_name(file).read_text(encoding="utf-8")
        _, _, rest = text.partition(f"FUNCTION {name}(")
        body, end, _ = rest.partition("END $$;")
        _execute(f"CREATE OR REPLACE FUNCTION {name}({body}{end}")


def _execute(statements: str) -> None:
    # Past SQLAlchemy and the driver's parameters: the text holds many statements, colons and percent signs.
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(statements)
