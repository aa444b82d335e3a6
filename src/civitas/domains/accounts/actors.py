"""From a row of `people` to an Actor."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import ALL_MASK, PUBLIC_MASK, SAFE_MASK, Actor, Onboarding, Role, Scope
from civitas.kit import clock
from civitas.kit.errors import NotFound

# Selected wherever an actor is made, in this order of names.
COLUMNS = (
    Person.id,
    Person.username,
    Person.role,
    Person.status,
    Person.email_verified_at,
    Person.muted_until,
    Person.onboarding,
    Person.adult_confirmed_at,
    Person.show_mature,
    Person.browsing_level,
    Person.blur_level,
    Person.avatar_key,
    Person.settings["hide"].label("hide"),
)


def mask_of(*, adult_confirmed_at: datetime | None, show_mature: bool, browsing_level: int) -> int:
    """The levels a person is shown: only an adult who asked for more gets more than the safe ones."""
    if adult_confirmed_at is not None and show_mature:
        return browsing_level & ALL_MASK or PUBLIC_MASK
    return browsing_level & SAFE_MASK or PUBLIC_MASK


def actor_from(row: Any, *, via: Literal["session", "key", "system"], **fields: Any) -> Actor:
    """The actor of a row that holds `COLUMNS`; a session has every scope."""
    return Actor(
        id=row.id,
        username=row.username,
        role=Role(row.role),
        scopes=fields.pop("scopes", Scope.FULL),
        via=via,
        mask=mask_of(
            adult_confirmed_at=row.adult_confirmed_at,
            show_mature=row.show_mature,
            browsing_level=row.browsing_level,
        ),
        blur=row.blur_level,
        verified=row.email_verified_at is not None,
        muted=row.muted_until is not None and row.muted_until > clock.now(),
        onboarded=row.onboarding & Onboarding.COMPLETE == Onboarding.COMPLETE,
        avatar_key=row.avatar_key,
        themes=tuple(sorted(name for name, on in (row.hide or {}).items() if on is True)),
        **fields,
    )


async def actor_named(session: AsyncSession, person_id: int) -> Actor:
    """A living person as an actor, for commands and tasks that act in their name.

    Raises NotFound when there is none.
    """
    row = (
        await session.execute(select(*COLUMNS).where(Person.id == person_id, Person.status == "active"))
    ).first()
    if row is None:
        raise NotFound("There is no such person.", code="no_such_person")
    return actor_from(row, via="system")
