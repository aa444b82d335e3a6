"""The migrations and the mapped classes tell the same story."""

from __future__ import annotations

from civitas.app import schema


def test_head_equals_the_mapped_classes(dsn: str) -> None:
    assert schema.differences(dsn) == []


def test_an_upgraded_database_is_at_head(dsn: str) -> None:
    assert schema.current(dsn) == schema.head()


def test_upgrading_twice_changes_nothing(dsn: str) -> None:
    schema.upgrade(dsn)
    assert schema.current(dsn) == schema.head()
