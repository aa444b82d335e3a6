"""Rate limits that all processes share, kept in one unlogged PostgreSQL table."""
