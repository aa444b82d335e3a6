"""Search: what changes in the listings of the catalogue is logged for an index in memory, too."""

from __future__ import annotations

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

# Only what the index holds; the counters that come with every download are among it.
COLUMNS = "person_id, level, name, facets, terms, last_version_at, rating, downloads, thumbs_up, comments, collected, images"
OLD, NEW = (", ".join(f"{of}.{column}" for column in COLUMNS.split(", ")) for of in ("g", "w"))
FUNCTION = f"""
CREATE FUNCTION log_changes_of_model_listings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(model_id) INTO changed FROM written;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(model_id) INTO changed FROM gone;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(coalesce(g.model_id, w.model_id)) INTO changed
          FROM gone g FULL JOIN written w ON w.model_id = g.model_id
         WHERE ROW({OLD}) IS DISTINCT FROM ROW({NEW});
    END IF;
    IF changed IS NULL AND TG_OP <> 'TRUNCATE' THEN RETURN NULL; END IF;
    INSERT INTO index_changes (xid, collection, ids)
    VALUES (pg_current_xact_id()::text::bigint, 'models', changed);
    PERFORM pg_notify('civitas_index', '');
    RETURN NULL;
END $$
"""  # noqa: S608 - literals
TRIGGERS = {
    "insert": "AFTER INSERT ON model_listings REFERENCING NEW TABLE AS written",
    "update": "AFTER UPDATE ON model_listings REFERENCING OLD TABLE AS gone NEW TABLE AS written",
    "delete": "AFTER DELETE ON model_listings REFERENCING OLD TABLE AS gone",
    "truncate": "AFTER TRUNCATE ON model_listings",
}


def upgrade() -> None:
    op.execute(FUNCTION)
    for event, head in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER model_listings_index_{event} {head} "
            "FOR EACH STATEMENT EXECUTE FUNCTION log_changes_of_model_listings()"
        )


def downgrade() -> None:
    for event in TRIGGERS:
        op.execute(f"DROP TRIGGER model_listings_index_{event} ON model_listings")
    op.execute("DROP FUNCTION log_changes_of_model_listings()")
