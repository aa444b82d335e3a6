"""Pictures that something may be placed on, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.buzz import give_buzz
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.shop.tables import Cosmetic, OwnedCosmetic
from civitas.domains.buzz.types import Currency, wallet
from civitas.domains.gallery.placements import offering, spaces
from civitas.domains.gallery.placements.spaces import Setting
from civitas.domains.gallery.placements.tables import Placement
from civitas.domains.gallery.placements.types import Openness, SpaceKind, Sticker, Surface
from civitas.kit import money


@dataclass
class Wall:
    """A picture, whose it is, and somebody with Buzz who wants to be on it."""

    owner: Actor
    placer: Actor
    post: int
    image: int


async def make_wall(
    session: AsyncSession,
    *,
    mode: Openness = Openness.REVIEW,
    price: int = 80,
    buzz: Mapping[Currency, int] = {Currency.YELLOW: 1000},
    mature: bool = False,
    **columns: Any,
) -> Wall:
    """A public picture with an open space for both surfaces; the placer has whole Buzz."""
    owner, placer = await make_actor(session, mature=mature), await make_actor(session, mature=mature)
    post = await make_post(session, owner.require())
    image = await make_image(session, post, **columns)
    setting = Setting(mode, money.buzz(price))
    await spaces.arrange(
        session,
        owner,
        kind=SpaceKind.USER,
        subject_id=owner.require(),
        wanted=dict.fromkeys(Surface, setting),
    )
    for colour, amount in buzz.items():
        await give_buzz(session, placer.require(), amount, colour)
    return Wall(owner, placer, post, image)


async def stick(
    session: AsyncSession, wall: Wall, *, colour: Currency = Currency.YELLOW, **wanted: Any
) -> Placement:
    """Offer a heart."""
    asked = {"thing": Sticker(key="heart")} | wanted
    return await offering.offer(session, wall.placer, image_id=wall.image, colour=colour, **asked)


async def purse(session: AsyncSession, person: Actor, colour: Currency = Currency.YELLOW) -> int:
    """What somebody can spend, in quarters."""
    account = wallet(person.require(), colour)
    return (await posting.balances(session, [account]))[account]


async def make_sticker(
    session: AsyncSession, owner: int, *, creator: int | None = None, share: int = 0
) -> int:
    """A sticker that a person has. Returns the cosmetic's id."""
    made = await session.execute(
        insert(Cosmetic)
        .values(
            type="Sticker", source="Purchase", name="Owl", artwork_key="artwork-" + "0" * 32 + "-320",
            creator_id=creator, placement_share=share,
        )
        .returning(Cosmetic.id)
    )  # fmt: skip
    number = int(made.scalar_one())
    await session.execute(insert(OwnedCosmetic).values(person_id=owner, cosmetic_id=number, type="Sticker"))
    return number
