"""Bringing a database to the present schema."""

from __future__ import annotations

from importlib import resources
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from civitas.app.tables import METADATA
from civitas.infra.db.database import SEARCH_PATH, driver_url

# Any number: two processes that start together must not migrate at once.
MIGRATION_LOCK = 4_815_162_342


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("civitas.app") / "migrations"))
    config.attributes["connection"] = connection
    return config


def _engine(dsn: str, search_path: str = SEARCH_PATH) -> Any:
    return create_engine(
        driver_url(dsn), poolclass=NullPool, connect_args={"options": f"-c search_path={search_path}"}
    )


def head() -> str:
    """The newest revision this program knows."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise RuntimeError("the program has no migrations")
    return found


def current(dsn: str) -> str | None:
    """The revision a database is at; None for an empty one."""
    with _engine(dsn).connect() as connection:
        revision: str | None = MigrationContext.configure(connection).get_current_revision()
        return revision


def upgrade(dsn: str) -> None:
    """Apply every missing migration; waits while another process does the same."""
    with _engine(dsn).connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        connection.commit()
        try:
            command.upgrade(_config(connection), "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})"))
            connection.commit()


def differences(dsn: str) -> list[Any]:
    """What the mapped classes say and the migrated database does not have, or the other way round."""
    with _engine(dsn, "public").connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_schemas": False}
        )
        return list(compare_metadata(context, METADATA))


def revise(dsn: str, message: str) -> None:
    """Write a new migration from the difference between the classes and the database."""
    with _engine(dsn, "public").connect() as connection:
        command.revision(_config(connection), message=message, autogenerate=True)
