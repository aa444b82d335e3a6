"""Whether, and for how much, something may be placed on a picture: set for a person, a post or a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import scoring
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.gallery.placements.tables import PlacementSpace
from civitas.domains.gallery.placements.types import Openness, SpaceKind, Surface
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import money
from civitas.kit.errors import Forbidden, Invalid, NotFound

# The most particular first.
_ORDER = (SpaceKind.IMAGE, SpaceKind.POST, SpaceKind.USER)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is said in one place; None leaves it to the next. The price in quarters."""

    mode: Openness | None = None
    price: int | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """What holds for a picture: whether, and the price that its owner wishes."""

    mode: Openness = Openness.OFF
    price: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set in one place, what holds without it, and the most that may be asked for now."""

    kind: SpaceKind
    subject_id: int
    owner_id: int
    own: Mapping[Surface, Setting]
    inherited: Mapping[Surface, Space]
    cap: int


def resolved(levels: Mapping[SpaceKind, Setting]) -> Space:
    """The most particular word counts, of mode and price each by itself."""
    found = [levels[kind] for kind in _ORDER if kind in levels]
    mode = next((one.mode for one in found if one.mode is not None), Openness.OFF)
    return Space(mode, next((one.price for one in found if one.price is not None), None))


def asked(space: Space, cap: int) -> int:
    """What a place costs: what its owner wishes, or what is usual, at most the cap."""
    usual = quarters(economy.current().placements.suggested_price)
    return min(space.price if space.price is not None else usual, cap)


async def of_image(
    session: AsyncSession, *, image_id: int, post_id: int, owner_id: int
) -> dict[Surface, Space]:
    """What holds for a picture, by what is placed: one statement."""
    places = {SpaceKind.IMAGE: image_id, SpaceKind.POST: post_id, SpaceKind.USER: owner_id}
    levels = await _levels(session, places)
    return {surface: resolved(levels[surface]) for surface in Surface}


async def cap_of(session: AsyncSession, person_id: int) -> int:
    """The most that a person may ask for a place now, in quarters: by their score and their membership."""
    score = (await scoring.of(session, person_id)).total
    tier = (await entitlements(session, person_id)).key
    steps = economy.current().placements.caps
    step = next((one for one in reversed(steps) if score >= one.score), steps[0])
    return quarters(step.most.get(tier, step.most["free"]))


async def settings(session: AsyncSession, actor: Actor, *, kind: SpaceKind, subject_id: int) -> Settings:
    """What its owner set for a person (themselves), a post or a picture. Raises NotFound, Forbidden (`not_yours`)."""
    actor.require(Scope.MEDIA_READ)
    places, owner_id = await _places(session, actor, kind, subject_id)
    levels = await _levels(session, places)
    own = {surface: levels[surface].pop(kind, Setting()) for surface in Surface}
    inherited = {surface: resolved(levels[surface]) for surface in Surface}
    return Settings(kind, subject_id, owner_id, own, inherited, await cap_of(session, owner_id))


async def arrange(
    session: AsyncSession,
    actor: Actor,
    *,
    kind: SpaceKind,
    subject_id: int,
    wanted: Mapping[Surface, Setting],
) -> None:
    """Set what is named, leave the rest. Raises Invalid (`bad_price`) with the fields named, and as `settings`."""
    actor.require(Scope.MEDIA_WRITE)
    _, owner_id = await _places(session, actor, kind, subject_id)
    _check(wanted, await cap_of(session, owner_id))
    for surface, setting in wanted.items():
        values = {
            "person_id": owner_id,
            "mode": setting.mode.value if setting.mode else None,
            "price": setting.price,
        }
        await session.execute(
            insert(PlacementSpace)
            .values(kind=kind.value, subject_id=subject_id, surface=surface.value, **values)
            .on_conflict_do_update(index_elements=["kind", "subject_id", "surface"], set_=values)
        )


def _check(wanted: Mapping[Surface, Setting], cap: int) -> None:
    least = quarters(economy.current().placements.least_price)
    told = f"From {money.shown(least)} to {money.shown(cap)} Buzz, in whole Buzz."
    wrong = {
        f"{surface.value}_price": told
        for surface, one in wanted.items()
        if one.price is not None and (not least <= one.price <= cap or one.price % money.QUARTERS)
    }
    if wrong:
        raise Invalid("This price cannot be asked for.", code="bad_price", fields=wrong)


async def _levels(
    session: AsyncSession, places: Mapping[SpaceKind, int]
) -> dict[Surface, dict[SpaceKind, Setting]]:
    rows = await session.execute(
        select(PlacementSpace.surface, PlacementSpace.kind, PlacementSpace.mode, PlacementSpace.price).where(
            or_(
                *(
                    and_(PlacementSpace.kind == kind.value, PlacementSpace.subject_id == number)
                    for kind, number in places.items()
                )
            )
        )
    )
    found: dict[Surface, dict[SpaceKind, Setting]] = {surface: {} for surface in Surface}
    for row in rows:
        mode = Openness(row.mode) if row.mode else None
        found[Surface(row.surface)][SpaceKind(row.kind)] = Setting(mode, row.price)
    return found


async def _places(
    session: AsyncSession, actor: Actor, kind: SpaceKind, subject_id: int
) -> tuple[dict[SpaceKind, int], int]:
    """Every place whose word counts for this one, and whose it is. Raises NotFound, Forbidden (`not_yours`)."""
    person_id = actor.require()
    if kind is SpaceKind.USER:
        if subject_id != person_id:
            raise Forbidden("You set this for your own pictures only.", code="not_yours")
        return {SpaceKind.USER: person_id}, person_id
    if kind is SpaceKind.POST:
        query = select(Post.person_id, Post.id).where(Post.id == subject_id, Post.deleted_at.is_(None))
    else:
        query = (
            select(Image.person_id, Image.post_id)
            .join(Post, Post.id == Image.post_id)
            .where(Image.id == subject_id, Image.deleted_at.is_(None), Post.deleted_at.is_(None))
        )
    row = (await session.execute(query)).first()
    # Whoever may not set it is not told that it is there.
    if row is None or row[0] != person_id:
        raise NotFound(f"You have no such {kind.value}.", code=f"{kind.value}_not_found")
    places = {SpaceKind.USER: person_id, SpaceKind.POST: int(row[1])}
    return (places | {SpaceKind.IMAGE: subject_id} if kind is SpaceKind.IMAGE else places), person_id
