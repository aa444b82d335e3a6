"""What is placed on a picture for one viewer, and the offers of one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.following import unseen_by
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.shop.tables import Cosmetic
from civitas.domains.gallery import policy
from civitas.domains.gallery.feeds.tables import HiddenImage
from civitas.domains.gallery.placements import answering
from civitas.domains.gallery.placements.tables import Placement
from civitas.domains.gallery.placements.types import STICKERS, Spot, Status, Surface
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import paging

PAGE = 30
Way = Literal["received", "given"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A placement as it is seen on its picture; `remix` of one that is a picture itself."""

    row: Placement
    placer: str
    name: str
    artwork_key: str | None
    remix: Image | None

    @property
    def spot(self) -> Spot:
        """Where a sticker is."""
        return spot_of(self.row)


@dataclass(frozen=True, slots=True)
class Offer:
    """A placement in a list of one of its two people. Either picture is None for who may not see it (any more)."""

    row: Placement
    placer: str
    owner: str
    name: str
    artwork_key: str | None
    image: Image | None
    remix: Image | None


def spot_of(row: Placement) -> Spot:
    """Where a placement's sticker is."""
    return Spot(row.x, row.y, row.scale, row.rotation)


async def on_image(session: AsyncSession, actor: Actor, *, image: Image) -> list[Shown]:
    """What is placed on a picture that the viewer sees, the oldest first: one statement, two for a member.

    Nothing by people whom the viewer hides or is apart from, by banned ones, and no remix that the viewer hides or of a
    level that they did not ask for.
    """
    seen = and_(
        policy.visible_to(actor),
        Image.nsfw_level.op("&")(actor.mask) != 0,
        Image.nsfw_level <= image.nsfw_level,
        policy.posts_visible_to(actor),
    )
    if actor.id is not None:
        seen = and_(seen, Image.id.not_in(_hidden_by(actor.id)))
    query = (
        select(Placement, Person.username, Cosmetic.name, Cosmetic.artwork_key, Image)
        .join(Person, and_(Person.id == Placement.placer_id, Person.status == "active"))
        .outerjoin(Cosmetic, and_(Cosmetic.id == Placement.cosmetic_id, Cosmetic.withdrawn_at.is_(None)))
        .outerjoin(Image, Image.id == Placement.remix_id)
        .outerjoin(Post, Post.id == Image.post_id)
        .where(
            Placement.image_id == image.id,
            Placement.status == Status.APPROVED.value,
            or_(
                Placement.sticker.is_not(None),
                and_(Placement.cosmetic_id.is_not(None), Cosmetic.id.is_not(None)),
                and_(Placement.remix_id.is_not(None), seen),
            ),
        )
        .order_by(Placement.id)
    )
    rows = (await session.execute(query)).all()
    unseen = await unseen_by(session, actor.id) if rows and actor.id is not None else frozenset()
    return [
        Shown(row, username or "", _name(row, name), artwork, remix)
        for row, username, name, artwork, remix in rows
        if row.placer_id not in unseen
    ]


async def listed(
    session: AsyncSession,
    actor: Actor,
    *,
    way: Way,
    status: Status | None = None,
    surface: Surface | None = None,
    cursor: str | None = None,
) -> paging.Page[Offer]:
    """What was offered to the actor, or by them, the newest first. Raises Invalid (`bad_cursor`)."""
    person_id = actor.require(Scope.BUZZ_READ)
    query = select(Placement).where(
        (Placement.owner_id if way == "received" else Placement.placer_id) == person_id
    )
    if status is not None:
        query = query.where(Placement.status == status.value)
    if surface is not None:
        query = query.where(Placement.surface == surface.value)
    if cursor is not None:
        query = query.where(Placement.id < paging.decode(cursor, int)[0])
    rows = list(await session.scalars(query.order_by(Placement.id.desc()).limit(PAGE + 1)))
    items = await _offers(session, actor, rows[:PAGE])
    return paging.Page(items, paging.encode(items[-1].row.id) if len(rows) > PAGE else None)


async def one(session: AsyncSession, actor: Actor, *, placement_id: int) -> Offer:
    """A placement for one of its two people, or staff. Raises NotFound for everybody else."""
    person_id = actor.require(Scope.BUZZ_READ)
    row = await session.get(Placement, placement_id, populate_existing=True)
    if row is None or (person_id not in (row.owner_id, row.placer_id) and not actor.is_moderator):
        raise answering.not_found()
    return (await _offers(session, actor, [row]))[0]


async def waiting(session: AsyncSession, actor: Actor) -> int:
    """How many offers wait for the actor's answer."""
    found = await session.scalar(
        select(func.count()).where(
            Placement.owner_id == actor.require(Scope.BUZZ_READ), Placement.status == Status.PENDING.value
        )
    )
    return found or 0


async def _offers(session: AsyncSession, actor: Actor, rows: Sequence[Placement]) -> list[Offer]:
    """These placements with what they name: three statements however many there are."""
    people = {number for row in rows for number in (row.owner_id, row.placer_id)}
    names = await _by_id(session, select(Person.id, Person.username).where(Person.id.in_(people)))
    wanted = {row.cosmetic_id for row in rows if row.cosmetic_id is not None}
    stickers = {}
    if wanted:
        found = await session.scalars(select(Cosmetic).where(Cosmetic.id.in_(wanted)))
        stickers = {one.id: one for one in found}
    pictures = await _pictures(
        session, actor, {number for row in rows for number in (row.image_id, row.remix_id) if number}
    )
    return [
        Offer(
            row=row,
            placer=names.get(row.placer_id) or "",
            owner=names.get(row.owner_id) or "",
            name=_name(row, own.name if (own := stickers.get(row.cosmetic_id or 0)) else None),
            artwork_key=own.artwork_key if own else None,
            image=pictures.get(row.image_id),
            remix=pictures.get(row.remix_id or 0),
        )
        for row in rows
    ]


async def _by_id(session: AsyncSession, query: Select[int, str | None]) -> dict[int, str | None]:
    return {row[0]: row[1] for row in await session.execute(query)}


async def _pictures(session: AsyncSession, actor: Actor, ids: set[int]) -> dict[int, Image]:
    """Those of these pictures that the actor may see; of a level that they did not ask for only their own."""
    found = await session.scalars(
        select(Image)
        .join(Post, Post.id == Image.post_id)
        .where(
            Image.id.in_(ids),
            Image.status == "ready",
            policy.visible_to(actor),
            policy.posts_visible_to(actor),
            or_(Image.nsfw_level.op("&")(actor.mask) != 0, Image.person_id == actor.id),
        )
    )
    return {one.id: one for one in found}


def _hidden_by(person_id: int) -> Select[int]:
    return select(HiddenImage.image_id).where(HiddenImage.person_id == person_id)


def _name(row: Placement, cosmetic: str | None) -> str:
    if row.remix_id is not None:
        return "Remix"
    return STICKERS.get(row.sticker or "", cosmetic or "Sticker")
