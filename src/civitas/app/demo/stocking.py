"""A shelf of the demo's shop: a few name plates of the house, and one that is given away."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.house import House
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.buzz.shop import creators as creator_shop
from civitas.domains.buzz.shop.creators import Submission
from civitas.domains.buzz.shop.tables import Cosmetic, OwnedCosmetic, ShopItem, ShopPurchase, ShopSection
from civitas.domains.buzz.shop.types import CosmeticType, ItemStatus, Source
from civitas.kit import clock
from civitas.kit.money import buzz

SHELF = "Demo: name plates"
PLATES = (
    ("Aurora", "aurora", 1_000),
    ("Ember", "ember", 750),
    ("Ocean", "ocean", 500),
    ("Forest", "forest", 500),
    ("Midnight", "midnight", 2_500),
)


async def stock(house: House) -> None:
    """Put the demo's plates on sale, once."""
    async with house.database.unit() as session:
        if await session.scalar(select(ShopSection.id).where(ShopSection.title == SHELF)) is not None:
            return
        shelf = await creator_shop.add_section(
            session, SYSTEM, title=SHELF, told="How your name is shown on your page."
        )
        for name, plate, price in PLATES:
            item = Submission(
                CosmeticType.NAME_PLATE, name, "A plate for your name.", buzz(price), plate=plate
            )
            made = await creator_shop.put_on_sale(session, SYSTEM, item=item, section_id=shelf.id)
            await session.execute(
                update(Cosmetic).where(Cosmetic.id == made.cosmetic_id).values(key=f"demo-{plate}")
            )
        session.add(
            Cosmetic(
                key="demo-slate",
                type=CosmeticType.NAME_PLATE,
                source=Source.CLAIM,
                name="Slate",
                plate="slate",
                told="A plain plate, given away.",
                created_at=clock.now(),
            )
        )


async def clear(session: AsyncSession) -> None:
    """Take the demo's plates away; what somebody bought stays theirs, off the shelf."""
    demo = select(Cosmetic.id).where(Cosmetic.key.startswith("demo-"))
    items = select(ShopItem.id).where(ShopItem.cosmetic_id.in_(demo))
    sold = select(ShopPurchase.item_id).where(ShopPurchase.item_id.in_(items))
    await session.execute(
        update(ShopItem).where(ShopItem.id.in_(sold)).values(status=ItemStatus.ARCHIVED, section_id=None)
    )
    await session.execute(delete(ShopItem).where(ShopItem.id.in_(items), ShopItem.id.not_in(sold)))
    kept = select(ShopItem.cosmetic_id).union(select(OwnedCosmetic.cosmetic_id))
    await session.execute(delete(Cosmetic).where(Cosmetic.key.startswith("demo-"), Cosmetic.id.not_in(kept)))
    await session.execute(
        update(Cosmetic).where(Cosmetic.key.startswith("demo-")).values(withdrawn_at=clock.now())
    )
    await session.execute(delete(ShopSection).where(ShopSection.title == SHELF))
