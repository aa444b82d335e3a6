"""People for tests."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import ApiKey, Follow, Person
from civitas.domains.accounts.types import ALL_MASK, SAFE_MASK, Actor, Role, Scope
from civitas.kit import clock
from civitas.kit.ids import digest, new_secret

_numbers = count(1)


async def make_person(session: AsyncSession, username: str | None = None, **columns: Any) -> int:
    """A living, verified, onboarded person; any column of `people` can be given. Returns the id."""
    name = username or f"person_{next(_numbers)}"
    email = columns.pop("email", f"{name.lower()}@example.org")
    values: dict[str, Any] = {
        "username": name,
        "username_folded": name.lower(),
        "email": email,
        "email_folded": email.lower() if email else None,
        "email_verified_at": clock.now(),
        "onboarding": 15,
    }
    made = await session.execute(insert(Person).values(**(values | columns)).returning(Person.id))
    return int(made.scalar_one())


def actor_for(
    person_id: int,
    username: str = "someone",
    *,
    role: Role = Role.USER,
    mature: bool = False,
    scopes: Scope = Scope.FULL,
    **fields: Any,
) -> Actor:
    """A signed-in actor without asking the database."""
    known: dict[str, Any] = {
        "via": "session",
        "verified": True,
        "onboarded": True,
        "proved_at": clock.now(),
    }
    return Actor(
        id=person_id,
        username=username,
        role=role,
        scopes=scopes,
        mask=ALL_MASK if mature else SAFE_MASK,
        **(known | fields),
    )


async def make_actor(
    session: AsyncSession, username: str | None = None, *, role: Role = Role.USER, mature: bool = False
) -> Actor:
    """A new person and the actor they are."""
    name = username or f"person_{next(_numbers)}"
    columns: dict[str, Any] = {"role": role.value}
    if mature:
        columns |= {"show_mature": True, "adult_confirmed_at": clock.now(), "browsing_level": ALL_MASK}
    person_id = await make_person(session, name, **columns)
    return actor_for(person_id, name, role=role, mature=mature)


async def make_key(
    session: AsyncSession, person_id: int, *, scopes: Scope = Scope.FULL, days: float | None = None
) -> str:
    """An API key of a person; returns the secret."""
    secret = f"civitas_{new_secret()}"
    await session.execute(
        insert(ApiKey).values(
            person_id=person_id,
            name="test",
            prefix=secret[:12],
            digest=digest(secret),
            scopes=int(scopes),
            expires_at=clock.now() + timedelta(days=days) if days is not None else None,
        )
    )
    return secret


async def make_follow(session: AsyncSession, person_id: int, target_id: int, kind: str = "follow") -> None:
    """One person follows, hides or blocks another."""
    await session.execute(insert(Follow).values(person_id=person_id, target_id=target_id, kind=kind))
