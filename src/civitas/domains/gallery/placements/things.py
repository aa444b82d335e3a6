"""What can be placed: stickers that come along or that one has, and remixes that one made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import BLOCKED, SAFE_MASK, Actor
from civitas.domains.buzz.shop.tables import Cosmetic, OwnedCosmetic
from civitas.domains.buzz.shop.types import CosmeticType
from civitas.domains.gallery import policy
from civitas.domains.gallery.placements.types import STICKERS, Sticker, Surface
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock
from civitas.kit.errors import Invalid, NotFound
from civitas.kit.ids import row_id

MOST_OFFERED = 200


@dataclass(frozen=True, slots=True)
class Thing:
    """What is placed; `seller_share` of the price goes to who made the sticker."""

    surface: Surface
    name: str
    key: str | None = None
    cosmetic_id: int | None = None
    remix_id: int | None = None
    seller_id: int | None = None
    seller_share: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class OwnSticker:
    """A sticker that one may place: one that comes along (`key`), or a cosmetic with its artwork."""

    name: str
    key: str | None = None
    cosmetic_id: int | None = None
    artwork_key: str | None = None
    seller_share: Decimal = Decimal(0)

    @property
    def word(self) -> str:
        """How a form names it."""
        return self.key or f"c{self.cosmetic_id}"


def named(word: str) -> Sticker:
    """The sticker that a form or a program names: a key of one that comes along, or `c` and a cosmetic's id.

    Raises NotFound (`no_such_sticker`).
    """
    if word in STICKERS:
        return Sticker(key=word)
    if word.startswith("c") and (number := row_id(word.removeprefix("c"))) is not None:
        return Sticker(cosmetic_id=number)
    raise NotFound("There is no such sticker.", code="no_such_sticker")


async def stickers(session: AsyncSession, actor: Actor) -> list[OwnSticker]:
    """What the actor may place: what comes along, and stickers that they have; strangers the former alone."""
    shipped = [OwnSticker(name, key=key) for key, name in STICKERS.items()]
    if actor.id is None:
        return shipped
    rows = await session.scalars(
        select(Cosmetic)
        .join(OwnedCosmetic, OwnedCosmetic.cosmetic_id == Cosmetic.id)
        .where(_placeable(actor.id))
        .order_by(OwnedCosmetic.obtained_at.desc(), Cosmetic.id.desc())
        .limit(MOST_OFFERED)
    )
    return shipped + [OwnSticker(one.name, None, one.id, one.artwork_key, _share(one)) for one in rows]


async def remixes(session: AsyncSession, actor: Actor, *, image_id: int) -> Sequence[Image]:
    """The actor's own public remixes of a picture that may stand below it, the newest first."""
    found = await session.scalars(
        select(Image)
        .join(Post, Post.id == Image.post_id)
        .where(Image.remix_of_id == image_id, Image.person_id == actor.require(), fit())
        .order_by(Image.id.desc())
        .limit(MOST_OFFERED)
    )
    source = await session.get(Image, image_id)
    return [one for one in found if source is not None and not tops(one, source)]


async def found(session: AsyncSession, actor: Actor, *, thing: Sticker | int, image: Image) -> Thing:
    """What is to be placed on a picture, when the actor may. Raises NotFound, Invalid (`no_remix`, `more_mature`)."""
    if isinstance(thing, int):
        return await _remix(session, actor, thing, image)
    if thing.key is not None:
        if thing.key not in STICKERS:
            raise NotFound("There is no such sticker.", code="no_such_sticker")
        return Thing(Surface.STICKER, f"Sticker: {STICKERS[thing.key]}", key=thing.key)
    own = await session.scalar(
        select(Cosmetic)
        .join(OwnedCosmetic, OwnedCosmetic.cosmetic_id == Cosmetic.id)
        .where(Cosmetic.id == thing.cosmetic_id, _placeable(actor.require()))
    )
    if own is None:
        raise NotFound("You have no such sticker.", code="no_such_sticker")
    return Thing(
        Surface.STICKER, f"Sticker: {own.name}", cosmetic_id=own.id, seller_id=own.creator_id,
        seller_share=_share(own),
    )  # fmt: skip


async def _remix(session: AsyncSession, actor: Actor, remix_id: int, source: Image) -> Thing:
    own = await session.scalar(
        select(Image)
        .join(Post, Post.id == Image.post_id)
        .where(Image.id == remix_id, Image.person_id == actor.require(), policy.visible_to(actor), fit())
    )
    if own is None:
        raise NotFound("You have no such public picture.", code="image_not_found")
    if own.remix_of_id != source.id:
        raise Invalid("This picture is no remix of that one.", code="no_remix")
    if tops(own, source):
        raise Invalid("A remix below a picture is not more mature than it is.", code="more_mature")
    return Thing(Surface.REMIX, "A remix", remix_id=own.id)


def fit() -> ColumnElement[bool]:
    """Pictures, with their posts, that everybody may be shown who asked for their level."""
    return and_(
        Image.status == "ready",
        Image.deleted_at.is_(None),
        Image.nsfw_level.op("&")(BLOCKED) == 0,
        Image.nsfw_level != 0,
        Post.deleted_at.is_(None),
        Post.published_at <= clock.now(),
        ~Post.album,
    )


def mature(level: int) -> bool:
    """Whether something on a picture of this level is paid in yellow alone."""
    return bool(level & ~SAFE_MASK)


def tops(remix: Image, source: Image) -> bool:
    """Whether a remix is more mature than what it would stand below."""
    return remix.nsfw_level > source.nsfw_level


def _placeable(person_id: int) -> ColumnElement[bool]:
    return and_(
        OwnedCosmetic.person_id == person_id,
        OwnedCosmetic.type == CosmeticType.STICKER.value,
        Cosmetic.withdrawn_at.is_(None),
        Cosmetic.artwork_key.is_not(None),
    )


def _share(cosmetic: Cosmetic) -> Decimal:
    return Decimal(cosmetic.placement_share) / 100
