"""Reading people: cards for other rooms' lists, profiles, the list of creators, the staff's list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import following, profiles, standing
from civitas.domains.accounts.profiles import ProfileText
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import SAFE_MASK, SYSTEM_ID, Actor, Relation, Role
from civitas.kit import clock, paging
from civitas.kit.errors import NotFound

PAGE = 20
LARGEST_PAGE = 200
# Numbered pages are a layer for old clients; beyond this many rows they must use cursors.
NUMBERED_ROWS = 1000
DELETED_NAME = "[deleted]"


@dataclass(frozen=True, slots=True)
class Card:
    """A person beside something of theirs. `username` is never empty: deleted people share one name."""

    id: int
    username: str
    avatar_key: str | None
    status: str
    role: Role


@dataclass(frozen=True, slots=True)
class Creator:
    """A person who has published models."""

    id: int
    username: str
    avatar_key: str | None
    model_count: int
    follower_count: int


@dataclass(frozen=True, slots=True)
class ProfileView:
    """All that a profile page says about a person, for one viewer."""

    id: int
    username: str
    avatar_key: str | None
    role: Role
    joined_at: datetime
    score: int
    follower_count: int
    following_count: int
    model_count: int
    banned: bool
    ban_label: str | None
    muted: bool
    text: ProfileText
    relation: Relation | None
    blocked_by_them: bool
    # The tier whose badge stands beside the name.
    badge: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What a person sees of their own account, and staff of anybody's."""

    id: int
    username: str | None
    email: str | None
    email_verified: bool
    has_password: bool
    role: Role
    status: str
    onboarding: int
    avatar_key: str | None
    score: int
    created_at: datetime
    muted_until: datetime | None
    ban_code: str | None


_CARD = (Person.id, Person.username, Person.avatar_key, Person.status, Person.role)


async def by_ids(session: AsyncSession, ids: Iterable[int]) -> dict[int, Card]:
    """Cards by id, deleted and banned people too; ids of nobody are missing."""
    wanted = set(ids)
    if not wanted:
        return {}
    rows = await session.execute(select(*_CARD).where(Person.id.in_(wanted)))
    return {row.id: _card(row) for row in rows}


async def by_id(session: AsyncSession, person_id: int) -> Card:
    """One card. Raises NotFound."""
    found = (await by_ids(session, [person_id])).get(person_id)
    if found is None:
        raise _nobody()
    return found


async def by_username(session: AsyncSession, username: str) -> Card:
    """The card of a living or banned person, however the name is capitalised. Raises NotFound."""
    folded = username.strip().lower()[:64].replace("\0", "")
    row = (await session.execute(select(*_CARD).where(Person.username_folded == folded))).first()
    if row is None:
        raise _nobody()
    return _card(row)


async def ids_of_names(session: AsyncSession, usernames: Iterable[str]) -> dict[str, int]:
    """Ids by folded username, for filters and `@name` words; names of nobody are missing."""
    folded = {name.strip().lower()[:64].replace("\0", "") for name in usernames}
    if not folded:
        return {}
    rows = await session.execute(
        select(Person.username_folded, Person.id).where(Person.username_folded.in_(folded))
    )
    return {str(row.username_folded): row.id for row in rows}


async def starting_with(session: AsyncSession, prefix: str, *, limit: int = 10) -> list[Card]:
    """Active people whose name begins with `prefix`, in alphabetical order; for completion while typing."""
    low = prefix.strip().lower()[:25].replace("\0", "")
    if not low:
        return []
    rows = await session.execute(
        select(*_CARD)
        .where(_prefix(low), Person.status == "active", Person.id != SYSTEM_ID)
        .order_by(Person.username_folded)
        .limit(max(1, min(limit, 50)))
    )
    return [_card(row) for row in rows]


async def creators(
    session: AsyncSession, viewer: Actor, *, query: str = "", cursor: str | None = None, limit: int = PAGE
) -> paging.Page[Creator]:
    """People who have published models, those with the most first; with `query`, names that begin with it.

    Models count that the viewer may see by their level.
    """
    size = max(1, min(limit, LARGEST_PAGE))
    statement, models = _creators(query, viewer), _models_for(viewer)
    if cursor is not None:
        count, last = paging.decode(cursor, int, int)
        statement = statement.where(or_(models < count, and_(models == count, Person.id > last)))
    rows = (await session.execute(statement.order_by(models.desc(), Person.id).limit(size + 1))).all()
    items = [Creator(*row) for row in rows[:size]]
    more = len(rows) > size
    return paging.Page(items, paging.encode(items[-1].model_count, items[-1].id) if more else None)


async def set_badge(session: AsyncSession, *, person_id: int, badge: str | None) -> None:
    """Note which tier's badge stands beside a person's name; the economy calls it when that changes."""
    await session.execute(
        update(Person)
        .where(Person.id == person_id, Person.badge.is_distinct_from(badge))
        .values(badge=badge)
        .execution_options(synchronize_session=False)
    )


async def profile(session: AsyncSession, viewer: Actor, *, username: str) -> ProfileView:
    """A person's profile as `viewer` sees it. A banned account shows its label only, and no texts.

    Raises NotFound, also for the deleted.
    """
    folded = username.strip().lower()[:64].replace("\0", "")
    row = (
        await session.execute(
            select(
                *_CARD,
                Person.created_at,
                Person.score,
                Person.follower_count,
                Person.following_count,
                _models_for(viewer).label("model_count"),
                Person.ban_code,
                Person.muted_until,
                Person.badge,
            ).where(Person.username_folded == folded)
        )
    ).first()
    if row is None:
        raise _nobody()
    banned = row.status == "banned"
    shown = not banned or viewer.is_moderator
    own = viewer.id is None or viewer.id == row.id
    mine = None if own else await following.relation(session, viewer.id or 0, row.id)
    theirs = None if own else await following.relation(session, row.id, viewer.id or 0)
    return ProfileView(
        id=row.id,
        username=row.username,
        avatar_key=row.avatar_key if shown else None,
        role=Role(row.role),
        joined_at=row.created_at,
        score=row.score,
        follower_count=row.follower_count,
        following_count=row.following_count,
        model_count=row.model_count,
        banned=banned,
        ban_label=standing.BAN_LABELS.get(row.ban_code) if banned else None,
        muted=row.muted_until is not None and row.muted_until > clock.now(),
        text=await profiles.text_of(session, row.id) if shown else ProfileText(),
        relation=mine,
        blocked_by_them=theirs is Relation.BLOCK,
        badge=row.badge if shown else None,
    )


async def account(session: AsyncSession, actor: Actor, *, person_id: int | None = None) -> Account:
    """The actor's own account; for staff also somebody else's. Raises NotFound."""
    wanted = actor.require() if person_id is None else person_id
    if wanted != actor.id:
        actor.require_moderator()
    row = (await session.execute(_accounts().where(Person.id == wanted))).first()
    if row is None:
        raise _nobody()
    return _account(row)


async def accounts(
    session: AsyncSession,
    actor: Actor,
    *,
    query: str = "",
    status: str | None = None,
    staff_only: bool = False,
    cursor: str | None = None,
) -> paging.Page[Account]:
    """The staff's list of people, the newest first. `query` is the beginning of a name, or a whole address."""
    actor.require_moderator()
    statement = _accounts().where(Person.id != SYSTEM_ID)
    wanted = query.strip().lower()[:320].replace("\0", "")
    if "@" in wanted:
        statement = statement.where(Person.email_folded == wanted)
    elif wanted:
        statement = statement.where(_prefix(wanted))
    if status is not None:
        statement = statement.where(Person.status == status)
    if staff_only:
        statement = statement.where(Person.role != Role.USER.value)
    if cursor is not None:
        statement = statement.where(Person.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(statement.order_by(Person.id.desc()).limit(PAGE + 1))).all()
    items = [_account(row) for row in rows[:PAGE]]
    return paging.Page(items, paging.encode(items[-1].id) if len(rows) > PAGE else None)


def _models_for(viewer: Actor) -> Any:
    return Person.model_count if viewer.mask & ~SAFE_MASK else Person.safe_model_count


def _creators(query: str, viewer: Actor) -> Any:
    models = _models_for(viewer)
    statement = select(Person.id, Person.username, Person.avatar_key, models, Person.follower_count).where(
        models > 0, Person.status == "active"
    )
    low = query.strip().lower()[:64].replace("\0", "")
    return statement.where(_prefix(low)) if low else statement


def _prefix(low: str) -> Any:
    """Begins with, as a range of the bytewise index; `_` in a name is a letter, not a wildcard."""
    return and_(Person.username_folded >= low, Person.username_folded < low + "\U0010ffff")


def _accounts() -> Any:
    return select(
        Person.id,
        Person.username,
        Person.email,
        Person.email_verified_at,
        Person.password_hash.is_not(None).label("has_password"),
        Person.role,
        Person.status,
        Person.onboarding,
        Person.avatar_key,
        Person.score,
        Person.created_at,
        Person.muted_until,
        Person.ban_code,
    )


def _account(row: Any) -> Account:
    return Account(
        id=row.id,
        username=row.username,
        email=row.email,
        email_verified=row.email_verified_at is not None,
        has_password=row.has_password,
        role=Role(row.role),
        status=row.status,
        onboarding=row.onboarding,
        avatar_key=row.avatar_key,
        score=row.score,
        created_at=row.created_at,
        muted_until=row.muted_until if row.muted_until and row.muted_until > clock.now() else None,
        ban_code=row.ban_code,
    )


def _card(row: Any) -> Card:
    return Card(row.id, row.username or DELETED_NAME, row.avatar_key, row.status, Role(row.role))


def _nobody() -> NotFound:
    return NotFound("There is no such person.", code="no_such_person")
