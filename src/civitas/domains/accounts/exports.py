"""Everything that the site keeps about a person, for that person.

Other domains add sections with `register_section`; their module must be imported before an export is asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.policy import require_fresh
from civitas.domains.accounts.tables import (
    ApiKey,
    Follow,
    Identity,
    Passkey,
    Person,
    PersonSession,
    Profile,
    StaffAction,
)
from civitas.domains.accounts.types import Actor, Role
from civitas.infra.db.base import Base
from civitas.kit import clock

Row = dict[str, Any]
Section = Callable[[AsyncSession, int], AsyncIterator[Row]]

_sections: dict[str, Section] = {}

# Columns that prove who somebody is, or name other people's decisions; they leave the database for nobody.
_SECRET = frozenset(
    {"password_hash", "digest", "public_key", "credential_id", "handle", "actor_id", "reason"}
)


def register_section(name: str) -> Callable[[Section], Section]:
    """Add a section: an async generator function from a person's id to rows of JSON-ready values.

    ValueError when the name is used already.
    """

    def register(section: Section) -> Section:
        if name in _sections:
            raise ValueError(f"the export has two sections {name}")
        _sections[name] = section
        return section

    return register


def section_names() -> list[str]:
    """The sections of an export, sorted."""
    return sorted(_sections)


async def export(session: AsyncSession, actor: Actor) -> AsyncIterator[tuple[str, Row]]:
    """Every row about the actor as (section, row), section by section; a JSON Lines file for each fits.

    The first pair is ("about", when and for whom). Needs a fresh proof of identity.
    """
    person_id = require_fresh(actor)
    yield "about", {"personId": person_id, "exportedAt": clock.rfc3339(clock.now()), "format": 1}
    for name in section_names():
        async for row in _sections[name](session, person_id):
            yield name, row


def plain(row: Base) -> Row:
    """A mapped row as JSON-ready values, without the columns that are secrets."""
    values: Row = {}
    for column in inspect(type(row)).columns:
        if column.key in _SECRET:
            continue
        value = getattr(row, str(column.key))
        if isinstance(value, datetime):
            value = clock.rfc3339(value)
        elif isinstance(value, bytes):
            continue
        values[str(column.key)] = value
    return values


async def _rows(session: AsyncSession, statement: Any) -> AsyncIterator[Row]:
    async for row in await session.stream_scalars(statement.execution_options(yield_per=500)):
        yield plain(row)


@register_section("account")
async def _account(session: AsyncSession, person_id: int) -> AsyncIterator[Row]:
    async for row in _rows(session, select(Person).where(Person.id == person_id)):
        yield row | {"is_staff": row["role"] != Role.USER.value}


@register_section("profile")
async def _profile(session: AsyncSession, person_id: int) -> AsyncIterator[Row]:
    async for row in _rows(session, select(Profile).where(Profile.person_id == person_id)):
        yield row


@register_section("sessions")
async def _sessions_of(session: AsyncSession, person_id: int) -> AsyncIterator[Row]:
    async for row in _rows(session, select(PersonSession).where(PersonSession.person_id == person_id)):
        yield row


@register_section("passkeys")
async def _passkeys(session: AsyncSession, person_id: int) -> AsyncIterator[Row]:
    async for row in _rows(session, select(Passkey).where(Passkey.person_id == person_id)):
        yield row


@register_section("linked_accounts")
async def _identities(session: AsyncSession, person_id: int) -> AsyncIterator[Row]:
    async for row in _rows(session, select(Identity).where(Identity.person_id == person_id)):
        yield row


@register_section("api_keys")
async def _keys(session: AsyncSession, person_id: int) -> AsyncIterator[Row]:
    async for row in _rows(session, select(ApiKey).where(ApiKey.person_id == person_id)):
        yield row


@register_section("relations")
async def _relations(session: AsyncSession, person_id: int) -> AsyncIterator[Row]:
    async for row in _rows(session, select(Follow).where(Follow.person_id == person_id)):
        yield row


@register_section("staff_actions")
async def _staff_actions(session: AsyncSession, person_id: int) -> AsyncIterator[Row]:
    statement = select(StaffAction).where(StaffAction.person_id == person_id).order_by(StaffAction.id)
    async for row in _rows(session, statement):
        yield row | {"details": {}}
