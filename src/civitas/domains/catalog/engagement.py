"""A person's standing wishes about a model: favourite, hide, be told of new versions, mute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import ModelEngaged
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import policy
from civitas.domains.catalog.tables import Model
from civitas.domains.catalog.wish_tables import ModelEngagement
from civitas.infra.queue.outbox import publish
from civitas.kit import paging
from civitas.kit.errors import Conflict, NotFound
from civitas.kit.paging import Page

MAX_HIDDEN = 5000


class Wish(StrEnum):
    """What a person wants about a model (FEATURES B24)."""

    FAVOURITE = "favourite"
    HIDE = "hide"
    NOTIFY = "notify"
    MUTE = "mute"


async def engage(session: AsyncSession, actor: Actor, *, model_id: int, wish: Wish) -> None:
    """Wish it; wishing twice is wishing. NotFound for a model that the actor cannot see."""
    person = actor.require(Scope.SOCIAL_WRITE)
    seen = await session.scalar(
        select(Model.id)
        .where(Model.id == model_id, policy.visible_to(actor))
        .with_for_update(read=True, key_share=True)
    )
    if seen is None:
        raise NotFound("This model was not found.", code="model_not_found")
    if wish is Wish.HIDE:
        hidden = await session.scalar(
            select(func.count()).where(ModelEngagement.person_id == person, ModelEngagement.kind == wish)
        )
        if (hidden or 0) >= MAX_HIDDEN:
            raise Conflict(f"You can hide at most {MAX_HIDDEN} models.", code="too_many_hidden")
    made = await session.scalar(
        insert(ModelEngagement)
        .values(person_id=person, model_id=model_id, kind=wish)
        .on_conflict_do_nothing()
        .returning(ModelEngagement.model_id)
    )
    if made is not None:
        await publish(session, ModelEngaged(model_id, person, wish, True))


async def disengage(session: AsyncSession, actor: Actor, *, model_id: int, wish: Wish) -> None:
    """Wish it no more; nothing happens when it was not wished, and no model is looked for."""
    person = actor.require(Scope.SOCIAL_WRITE)
    gone = await session.scalar(
        delete(ModelEngagement)
        .where(
            ModelEngagement.person_id == person,
            ModelEngagement.model_id == model_id,
            ModelEngagement.kind == wish,
        )
        .returning(ModelEngagement.model_id)
    )
    if gone is not None:
        await publish(session, ModelEngaged(model_id, person, wish, False))


async def wishes(
    session: AsyncSession, actor: Actor, *, model_ids: Sequence[int]
) -> dict[int, frozenset[Wish]]:
    """The actor's wishes about these models; models without one are absent.

    A stranger has none."""
    if actor.id is None or not model_ids:
        return {}
    found = await session.execute(
        select(ModelEngagement.model_id, ModelEngagement.kind).where(
            ModelEngagement.person_id == actor.id, ModelEngagement.model_id.in_(model_ids)
        )
    )
    made: dict[int, set[Wish]] = {}
    for model_id, kind in found:
        made.setdefault(model_id, set()).add(Wish(kind))
    return {model_id: frozenset(kinds) for model_id, kinds in made.items()}


async def engaged(
    session: AsyncSession, actor: Actor, *, wish: Wish, cursor: str | None = None, limit: int = 50
) -> Page[int]:
    """Ids of the models about which the actor has this wish, the newest wish first."""
    person = actor.require(Scope.USER_READ)
    query = (
        select(ModelEngagement.created_at, ModelEngagement.model_id)
        .where(ModelEngagement.person_id == person, ModelEngagement.kind == wish)
        .order_by(ModelEngagement.created_at.desc(), ModelEngagement.model_id.desc())
        .limit(limit + 1)
    )
    if cursor:
        at, model_id = paging.decode(cursor, datetime, int)
        moment = datetime.fromisoformat(str(at))
        query = query.where(
            (ModelEngagement.created_at < moment)
            | ((ModelEngagement.created_at == moment) & (ModelEngagement.model_id < model_id))
        )
    rows = (await session.execute(query)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page([model_id for _, model_id in rows], paging.encode(*rows[-1]) if more else None)
