"""PostgreSQL: the embedded server, engine and sessions, bare read pool, backup. Only this room commits."""
