"""Alembic's entry: runs on the one connection that app.schema hands over."""

from __future__ import annotations

from alembic import context

from civitas.app.tables import METADATA

connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=METADATA,
    compare_type=True,
    compare_server_default=False,
    include_schemas=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
