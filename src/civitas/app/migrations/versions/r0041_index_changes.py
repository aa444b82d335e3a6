"""Search: a log of what changes in the feeds, for an index in memory to follow."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION log_changes_of_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO index_changes (xid, collection, ids) VALUES (pg_current_xact_id()::text::bigint, '{collection}', NULL);
    ELSIF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT FROM written) THEN RETURN NULL; END IF;
        INSERT INTO index_changes (xid, collection, ids)
        SELECT pg_current_xact_id()::text::bigint, '{collection}', array_agg({id}) FROM written;
    ELSIF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM gone) THEN RETURN NULL; END IF;
        INSERT INTO index_changes (xid, collection, ids)
        SELECT pg_current_xact_id()::text::bigint, '{collection}', array_agg({id}) FROM gone;
    ELSE
        -- What no index holds (how fresh a picture is) may change without a word.
        INSERT INTO index_changes (xid, collection, ids)
        SELECT pg_current_xact_id()::text::bigint, '{collection}', array_agg(DISTINCT {id})
          FROM ((SELECT {columns} FROM written EXCEPT SELECT {columns} FROM gone) UNION ALL
                (SELECT {columns} FROM gone EXCEPT SELECT {columns} FROM written)) changed
        HAVING count(*) > 0;
        IF NOT FOUND THEN RETURN NULL; END IF;
    END IF;
    PERFORM pg_notify('civitas_index', '');
    RETURN NULL;
END $$
"""
TRIGGERS = {
    "insert": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS written",
    "update": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS gone NEW TABLE AS written",
    "delete": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone",
    "truncate": "AFTER TRUNCATE ON {table}",
}
TABLES = {
    "feed_images": ("images", "image_id", "published_at, reactions, comments, collected, shuffle"),
    "feed_posts": ("posts", "post_id", "published_at, reactions, comments, collected"),
}


def statements() -> Iterator[str]:
    for table, (collection, number, columns) in TABLES.items():
        yield FUNCTION.format(
            table=table, collection=collection, id=number, columns=f"{number}, {columns}, person_id, terms"
        )
        for event, head in TRIGGERS.items():
            yield (
                f"CREATE TRIGGER {table}_index_{event} {head.format(table=table)} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION log_changes_of_{table}()"
            )


def upgrade() -> None:
    op.create_table(
        "index_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("collection", sa.String(), nullable=False),
        sa.Column("ids", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_index_changes")),
    )
    op.create_index("ix_index_changes_xid", "index_changes", ["xid", "id"])
    op.create_table(
        "index_marks",
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("marked_at", name=op.f("pk_index_marks")),
    )
    for statement in statements():
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        for event in TRIGGERS:
            op.execute(f"DROP TRIGGER {table}_index_{event} ON {table}")
        op.execute(f"DROP FUNCTION log_changes_of_{table}()")
    op.drop_table("index_marks")
    op.drop_table("index_changes")
