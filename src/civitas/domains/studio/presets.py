"""Presets: settings of the generator under a name, as many as one likes (FEATURES G12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.studio.tables import Preset
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.text import clean_block, clean_line

LONGEST_NAME: Final = 100
LONGEST_DESCRIPTION: Final = 500
LARGEST: Final = 64 * 1024
PAGE: Final = 50


async def page(
    session: AsyncSession, actor: Actor, *, ecosystem: str | None = None, cursor: str | None = None
) -> paging.Page[Preset]:
    """A person's presets, the newest first; only those of one ecosystem, and those of none, when it is given."""
    person = actor.require()
    chosen = select(Preset).where(Preset.person_id == person).order_by(Preset.id.desc()).limit(PAGE + 1)
    if ecosystem is not None:
        chosen = chosen.where((Preset.ecosystem == ecosystem) | Preset.ecosystem.is_(None))
    if cursor is not None:
        chosen = chosen.where(Preset.id < paging.decode(cursor, int)[0])
    rows = (await session.scalars(chosen)).all()
    shown = rows[:PAGE]
    return paging.Page(shown, paging.encode(shown[-1].id) if len(rows) > PAGE else None)


async def make(
    session: AsyncSession,
    actor: Actor,
    *,
    name: str,
    settings: Mapping[str, Any],
    description: str = "",
    ecosystem: str | None = None,
) -> Preset:
    """Keep settings under a name. Raises Invalid, Conflict (`name_taken`)."""
    person = actor.require()
    values = _checked(name, description, settings)
    await _free(session, person, values["name"])
    preset = Preset(
        person_id=person, ecosystem=ecosystem, created_at=clock.now(), changed_at=clock.now(), **values
    )
    session.add(preset)
    await session.flush()
    return preset


async def replace(session: AsyncSession, actor: Actor, *, name: str, settings: Mapping[str, Any]) -> Preset:
    """Keep settings under a name, instead of what was kept under it before. Raises Invalid."""
    person = actor.require()
    called = _checked(name, "", settings)["name"]
    before = await session.scalar(select(Preset.id).where(Preset.person_id == person, Preset.name == called))
    if before is None:
        return await make(session, actor, name=name, settings=settings)
    return await change(session, actor, preset_id=before, settings=settings)


async def get(session: AsyncSession, actor: Actor, *, preset_id: int) -> Preset:
    """One's own preset. Raises Unauthorised, NotFound."""
    return await _own(session, actor, preset_id)


async def change(
    session: AsyncSession,
    actor: Actor,
    *,
    preset_id: int,
    name: str | None = None,
    description: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Preset:
    """Change what is given. Raises NotFound, Invalid, Conflict (`name_taken`)."""
    preset = await _own(session, actor, preset_id)
    values = _checked(
        preset.name if name is None else name,
        preset.description if description is None else description,
        preset.settings if settings is None else settings,
    )
    if values["name"] != preset.name:
        await _free(session, preset.person_id, values["name"])
    for column, value in values.items():
        setattr(preset, column, value)
    preset.changed_at = clock.now()
    await session.flush()
    return preset


async def remove(session: AsyncSession, actor: Actor, *, preset_id: int) -> None:
    """Remove one's own preset. Raises NotFound."""
    preset = await _own(session, actor, preset_id)
    await session.execute(delete(Preset).where(Preset.id == preset.id))


async def _own(session: AsyncSession, actor: Actor, preset_id: int) -> Preset:
    person = actor.require()
    preset = await session.scalar(select(Preset).where(Preset.id == preset_id, Preset.person_id == person))
    if preset is None:
        raise NotFound("You have no such preset.", code="no_such_preset")
    return preset


async def _free(session: AsyncSession, person: int, name: str) -> None:
    taken = await session.scalar(select(Preset.id).where(Preset.person_id == person, Preset.name == name))
    if taken is not None:
        raise Conflict(
            "You have a preset of this name; choose another, or change that one.", code="name_taken"
        )


def _checked(name: str, description: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    called = clean_line(name)
    if not 1 <= len(called) <= LONGEST_NAME:
        told = f"A name has 1 to {LONGEST_NAME} characters."
        raise Invalid(told, code="bad_name", fields={"name": told})
    told_of = clean_block(description)
    if len(told_of) > LONGEST_DESCRIPTION:
        told = f"At most {LONGEST_DESCRIPTION} characters."
        raise Invalid(told, code="bad_description", fields={"description": told})
    if len(orjson.dumps(settings)) > LARGEST:
        raise Invalid("These settings are too large to keep.", code="bad_settings")
    return {"name": called, "description": told_of, "settings": dict(settings)}
