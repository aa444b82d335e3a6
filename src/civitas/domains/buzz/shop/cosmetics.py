"""Having, claiming and wearing cosmetics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import CosmeticGained
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.shop.tables import Cosmetic, OwnedCosmetic
from civitas.domains.buzz.shop.types import EQUIPPABLE, CosmeticType, Source
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Invalid, NotFound

PAGE = 48


@dataclass(frozen=True, slots=True)
class Adornment:
    """A cosmetic as it is shown; `worn` and `obtained_at` only for one that the viewer looks at as its owner."""

    id: int
    type: CosmeticType
    name: str
    told: str
    artwork_key: str | None
    plate: str | None
    worn: bool = False
    obtained_at: datetime | None = None
    giver_id: int | None = None


def adornment(cosmetic: Cosmetic) -> Adornment:
    """A row as it is shown."""
    return Adornment(
        cosmetic.id,
        CosmeticType(cosmetic.type),
        cosmetic.name,
        cosmetic.told,
        cosmetic.artwork_key,
        cosmetic.plate,
    )


async def gain(
    session: AsyncSession, *, person_id: int, cosmetic: Cosmetic, giver_id: int | None = None
) -> bool:
    """Give a person a cosmetic. False when they have it already."""
    made = await session.scalar(
        insert(OwnedCosmetic)
        .values(
            person_id=person_id,
            cosmetic_id=cosmetic.id,
            type=cosmetic.type,
            obtained_at=clock.now(),
            giver_id=giver_id,
        )
        .on_conflict_do_nothing()
        .returning(OwnedCosmetic.cosmetic_id)
    )
    if made is None:
        return False
    await publish(session, CosmeticGained(person_id, cosmetic.id, giver_id))
    return True


async def has(session: AsyncSession, person_id: int, cosmetic_id: int) -> bool:
    """Whether a person owns a cosmetic."""
    found = await session.scalar(
        select(OwnedCosmetic.cosmetic_id).where(
            OwnedCosmetic.person_id == person_id, OwnedCosmetic.cosmetic_id == cosmetic_id
        )
    )
    return found is not None


async def owned(
    session: AsyncSession, person_id: int, *, cursor: str | None = None
) -> paging.Page[Adornment]:
    """What a person has, the newest first."""
    query = _owned().where(OwnedCosmetic.person_id == person_id)
    if cursor is not None:
        at, below = paging.decode(cursor, datetime, int)
        moment = datetime.fromisoformat(str(at))
        query = query.where(
            (OwnedCosmetic.obtained_at < moment)
            | ((OwnedCosmetic.obtained_at == moment) & (OwnedCosmetic.cosmetic_id < below))
        )
    query = query.order_by(OwnedCosmetic.obtained_at.desc(), OwnedCosmetic.cosmetic_id.desc())
    rows = (await session.execute(query.limit(PAGE + 1))).all()
    found = [_worn(*row) for row in rows[:PAGE]]
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    return paging.Page(found, paging.encode(last[1].obtained_at, last[0].id) if last else None)


async def worn_by(session: AsyncSession, ids: Sequence[int]) -> dict[int, dict[CosmeticType, Adornment]]:
    """What each of these people wears, by type: one query."""
    rows = await session.execute(
        _owned().where(OwnedCosmetic.person_id.in_(ids), OwnedCosmetic.worn_at.is_not(None))
    )
    found: dict[int, dict[CosmeticType, Adornment]] = {}
    for cosmetic, own in rows:
        found.setdefault(own.person_id, {})[CosmeticType(cosmetic.type)] = _worn(cosmetic, own)
    return found


async def wear(session: AsyncSession, actor: Actor, *, cosmetic_id: int) -> None:
    """Put on what one owns, in place of what was worn of its type. Raises NotFound, Invalid (`not_wearable`)."""
    person_id = actor.require(Scope.USER_WRITE)
    own = await _own(session, person_id, cosmetic_id)
    if CosmeticType(own.type) not in EQUIPPABLE:
        raise Invalid("Stickers are put on posts, not worn.", code="not_wearable")
    await session.execute(
        update(OwnedCosmetic)
        .where(OwnedCosmetic.person_id == person_id, OwnedCosmetic.type == own.type)
        .values(worn_at=None)
    )
    await session.execute(
        update(OwnedCosmetic)
        .where(OwnedCosmetic.person_id == person_id, OwnedCosmetic.cosmetic_id == cosmetic_id)
        .values(worn_at=clock.now())
    )


async def take_off(session: AsyncSession, actor: Actor, *, cosmetic_id: int) -> None:
    """Wear it no more; nothing happens when it was not worn. Raises NotFound."""
    person_id = actor.require(Scope.USER_WRITE)
    own = await _own(session, person_id, cosmetic_id)
    own.worn_at = None


async def claim(session: AsyncSession, actor: Actor, *, cosmetic_id: int) -> bool:
    """Take what is given away while its window is open; False when one has it already.

    Raises NotFound, Conflict (`claim_closed`).
    """
    person_id = actor.require(Scope.USER_WRITE)
    cosmetic = await session.get(Cosmetic, cosmetic_id)
    if cosmetic is None or cosmetic.source != Source.CLAIM or cosmetic.withdrawn_at is not None:
        raise NotFound("There is nothing to claim here.", code="no_such_cosmetic")
    now = clock.now()
    opened = cosmetic.claim_starts_at is None or cosmetic.claim_starts_at <= now
    if not opened or (cosmetic.claim_ends_at is not None and cosmetic.claim_ends_at <= now):
        raise Conflict("This can be claimed in its window of time only.", code="claim_closed")
    return await gain(session, person_id=person_id, cosmetic=cosmetic)


async def claimable(session: AsyncSession, person_id: int | None, *, most: int = 24) -> list[Adornment]:
    """What is given away now and this person does not have."""
    now = clock.now()
    query = select(Cosmetic).where(
        Cosmetic.source == Source.CLAIM,
        Cosmetic.withdrawn_at.is_(None),
        Cosmetic.claim_starts_at.is_(None) | (Cosmetic.claim_starts_at <= now),
        Cosmetic.claim_ends_at.is_(None) | (Cosmetic.claim_ends_at > now),
    )
    if person_id is not None:
        mine = select(OwnedCosmetic.cosmetic_id).where(OwnedCosmetic.person_id == person_id)
        query = query.where(Cosmetic.id.not_in(mine))
    return [adornment(one) for one in await session.scalars(query.order_by(Cosmetic.id.desc()).limit(most))]


def _owned() -> Select[Cosmetic, OwnedCosmetic]:
    return select(Cosmetic, OwnedCosmetic).join(OwnedCosmetic, OwnedCosmetic.cosmetic_id == Cosmetic.id)


def _worn(cosmetic: Cosmetic, own: OwnedCosmetic) -> Adornment:
    shown = adornment(cosmetic)
    return Adornment(
        shown.id,
        shown.type,
        shown.name,
        shown.told,
        shown.artwork_key,
        shown.plate,
        own.worn_at is not None,
        own.obtained_at,
        own.giver_id,
    )


async def _own(session: AsyncSession, person_id: int, cosmetic_id: int) -> OwnedCosmetic:
    # The person's rows are locked as a whole, so that two changes at once leave one thing worn of each type.
    rows = await session.scalars(
        select(OwnedCosmetic)
        .where(OwnedCosmetic.person_id == person_id)
        .order_by(OwnedCosmetic.cosmetic_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = next((own for own in rows if own.cosmetic_id == cosmetic_id), None)
    if found is None:
        raise NotFound("You do not have this.", code="no_such_cosmetic")
    return found
