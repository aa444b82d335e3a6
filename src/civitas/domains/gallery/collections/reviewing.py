"""Looking at what others added: accept or reject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import Collected, CollectionItemReviewed, Uncollected
from civitas.domains.accounts.types import Actor
from civitas.domains.gallery.collections import filling, levels, policy
from civitas.domains.gallery.collections.tables import Collection, CollectionItem
from civitas.domains.gallery.collections.types import Mode, State
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Invalid


async def review(
    session: AsyncSession, actor: Actor, *, collection_id: int, item_ids: Sequence[int], state: State
) -> int:
    """Accept or reject items of a collection that one manages; who added them is told. How many changed."""
    if state is State.REVIEW:
        raise Invalid("Accept or reject it.", code="bad_state")
    wanted = filling.bounded(item_ids)
    collection = await policy.managed(session, actor, collection_id)
    rows = (
        await session.execute(
            select(
                CollectionItem.id, CollectionItem.person_id, CollectionItem.subject_id, CollectionItem.state
            ).where(
                CollectionItem.collection_id == collection_id,
                CollectionItem.id.in_(wanted),
                CollectionItem.state != state.value,
            )
        )
    ).all()
    if not rows:
        return 0
    events = await _events(session, actor, collection, rows, state)
    changes: dict[str, Any] = {"state": state.value, "reviewed_by": actor.require()}
    if state is State.REJECTED:
        changes["is_cover"] = False
    await session.execute(
        update(CollectionItem)
        .where(CollectionItem.id.in_([row.id for row in rows]))
        .values(**changes)
        .execution_options(synchronize_session=False)
    )
    if state is State.ACCEPTED:
        collection.filled_at = clock.now()
    await publish(session, *events)
    await levels.count(session, [collection_id])
    return len(rows)


async def _events(
    session: AsyncSession, actor: Actor, collection: Collection, rows: Sequence[Any], state: State
) -> list[Any]:
    """What is stated of these rows, which do not have the state yet."""
    held = await filling.held_elsewhere(session, collection, rows)
    bookmark = collection.mode == Mode.BOOKMARK
    events: list[Any] = []
    for row in rows:
        events.append(
            CollectionItemReviewed(collection.id, row.id, row.person_id, actor.require(), state.value)
        )
        if state is State.ACCEPTED:
            events.append(
                Collected(
                    collection.id,
                    row.person_id,
                    collection.kind,
                    row.subject_id,
                    first=(row.person_id, row.subject_id) not in held,
                    bookmark=bookmark,
                )
            )
        elif row.state == State.ACCEPTED:
            events.append(
                Uncollected(
                    collection.id,
                    row.person_id,
                    collection.kind,
                    row.subject_id,
                    bookmark=bookmark,
                    last=(row.person_id, row.subject_id) not in held,
                )
            )
    return events
