"""The shop: buying, giving, selling out, creators' shares, reviews, taking down."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person

from civitas.domains.accounts.types import Actor, Role
from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.shop import cosmetics, sales
from civitas.domains.buzz.shop import creators as creator_shop
from civitas.domains.buzz.shop import reads as shop_reads
from civitas.domains.buzz.shop.creators import Artwork, Submission
from civitas.domains.buzz.shop.tables import Cosmetic, ShopItem
from civitas.domains.buzz.shop.types import CosmeticType, ItemStatus
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from civitas.kit.money import buzz

BLUE, GREEN, YELLOW = Currency.BLUE, Currency.GREEN, Currency.YELLOW


async def give(session: AsyncSession, person: int, colour: Currency, amount: int) -> None:
    entry = Entry(
        f"give:{person}:{colour}",
        EntryType.PURCHASE,
        transfer(house(Purpose.MINT, colour), wallet(person, colour), amount),
    )
    await posting.post(session, entry)


async def has(session: AsyncSession, person: int, colour: Currency) -> int:
    purse = wallet(person, colour)
    return (await posting.balances(session, [purse]))[purse]


async def staff(session: AsyncSession) -> Actor:
    return actor_for(await make_person(session, role="moderator"), role=Role.MODERATOR)


def plate(price: int = buzz(500), **fields: object) -> Submission:
    values = {"type": CosmeticType.NAME_PLATE, "name": "Ember", "told": "", "price": price, "plate": "ember"}
    return Submission(**(values | fields))  # type: ignore[arg-type]


async def house_item(session: AsyncSession, **fields: object) -> ShopItem:
    return await creator_shop.put_on_sale(session, await staff(session), item=plate(**fields))  # type: ignore[arg-type]


async def creators_item(session: AsyncSession, seller: int, price: int = buzz(500)) -> ShopItem:
    made = await creator_shop.submit(session, actor_for(seller), item=plate(price))
    await creator_shop.review(
        session, await staff(session), item_id=made.id, status=ItemStatus.PUBLISHED, note="Lovely."
    )
    return made


async def test_what_is_bought_is_owned_and_worn(session: AsyncSession) -> None:
    ana = await make_person(session)
    item = await house_item(session)
    await give(session, ana, BLUE, buzz(9000))
    with pytest.raises(InsufficientFunds):
        await sales.buy(session, actor_for(ana), item_id=item.id, key="k")
    await give(session, ana, GREEN, buzz(200))
    await give(session, ana, YELLOW, buzz(400))
    bought = await sales.buy(session, actor_for(ana), item_id=item.id, key="k", price=buzz(500))
    assert bought.parts == {GREEN: buzz(200), YELLOW: buzz(300)}
    again = await sales.buy(session, actor_for(ana), item_id=item.id, key="k")
    assert (again.purchase_id, again.replayed, again.parts) == (bought.purchase_id, True, bought.parts)
    assert await has(session, ana, BLUE) == buzz(9000)
    assert await has(session, ana, YELLOW) == buzz(100)
    with pytest.raises(Conflict) as refused:
        await sales.buy(session, actor_for(ana), item_id=item.id, key="k2")
    assert refused.value.code == "already_owned"
    await cosmetics.wear(session, actor_for(ana), cosmetic_id=item.cosmetic_id)
    worn = await cosmetics.worn_by(session, [ana])
    assert worn[ana][CosmeticType.NAME_PLATE].plate == "ember"
    other = await house_item(session, plate="ocean")
    await cosmetics.gain(session, person_id=ana, cosmetic=await _cosmetic(session, other))
    await cosmetics.wear(session, actor_for(ana), cosmetic_id=other.cosmetic_id)
    worn = await cosmetics.worn_by(session, [ana])
    assert worn[ana][CosmeticType.NAME_PLATE].plate == "ocean"
    await cosmetics.take_off(session, actor_for(ana), cosmetic_id=other.cosmetic_id)
    await session.flush()
    assert await cosmetics.worn_by(session, [ana]) == {}
    assert (await auditing.audit(session)).findings == ()


async def _cosmetic(session: AsyncSession, item: ShopItem) -> Cosmetic:
    found = await session.get(Cosmetic, item.cosmetic_id)
    assert found is not None
    return found


async def test_a_gift_goes_to_the_other_and_not_to_who_blocked(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    item = await house_item(session)
    await give(session, ana, YELLOW, buzz(600))
    bought = await sales.buy(
        session, actor_for(ana), item_id=item.id, key="g", recipient_id=ben, message="Well done"
    )
    assert bought.recipient_id == ben
    assert (await cosmetics.owned(session, ben)).items[0].giver_id == ana
    assert (await cosmetics.owned(session, ana)).items == []
    with pytest.raises(NotFound):
        await sales.buy(session, actor_for(ana), item_id=item.id, key="g2", recipient_id=10**12)


async def test_creators_get_their_share_in_the_colours_paid(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    item = await creators_item(session, ben, price=buzz(101))
    await give(session, ana, GREEN, buzz(1))
    await give(session, ana, YELLOW, buzz(100))
    await sales.buy(session, actor_for(ana), item_id=item.id, key="k")
    assert await has(session, ben, GREEN) == 2
    assert await has(session, ben, YELLOW) == buzz(70)
    sale = (await shop_reads.sales(session, actor_for(ben))).items[0]
    assert (sale.price, sale.share, sale.buyer_id) == (buzz(101), 2 + buzz(70), ana)
    with pytest.raises(Forbidden):
        await sales.buy(session, actor_for(ben), item_id=item.id, key="own")
    assert (await auditing.audit(session)).findings == ()


async def test_what_is_taken_down_is_paid_back_whole_whatever_the_seller_spent(
    session: AsyncSession, context: TaskContext
) -> None:
    ana, ben, cem = [await make_person(session) for _ in range(3)]
    item = await creators_item(session, ben)
    for buyer in (ana, cem):
        await give(session, buyer, YELLOW, buzz(500))
        await sales.buy(session, actor_for(buyer), item_id=item.id, key="k")
    burn = house(Purpose.BURN, YELLOW)
    await posting.post(session, Entry("spent", EntryType.FEE, transfer(wallet(ben, YELLOW), burn, buzz(600))))
    await sales.take_down(session, await staff(session), item_id=item.id, reason="Stolen artwork.")
    await drain(context)
    await drain(context)
    assert [await has(session, one, YELLOW) for one in (ana, ben, cem)] == [buzz(500), 0, buzz(500)]
    with pytest.raises(Conflict):
        await sales.buy(session, actor_for(cem), item_id=item.id, key="k9")
    assert (await auditing.audit(session)).findings == ()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity": 1}, "sold_out"),
        ({"ends_at": "past"}, "not_on_sale"),
        ({"starts_at": "future"}, "not_on_sale"),
    ],
)
async def test_what_is_not_to_be_had_is_refused(
    session: AsyncSession, fields: dict[str, object], code: str
) -> None:
    moments = {"past": clock.now() - timedelta(hours=1), "future": clock.now() + timedelta(hours=1)}
    values = {name: moments.get(str(value), value) for name, value in fields.items()}
    item = await house_item(session, **values)
    buyers = [await make_person(session) for _ in range(2)]
    refusals = []
    for buyer in buyers:
        await give(session, buyer, YELLOW, buzz(500))
        try:
            await sales.buy(session, actor_for(buyer), item_id=item.id, key="k")
        except Fault as fault:
            refusals.append(fault.code)
    assert set(refusals) == {code}
    assert await has(session, buyers[1], YELLOW) == buzz(500)


async def test_the_last_one_is_sold_once(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with database.unit() as session:
        item = await house_item(session, quantity=2)
        buyers = [await make_person(session) for _ in range(6)]
        for buyer in buyers:
            await give(session, buyer, YELLOW, buzz(500))

    async def buy(buyer: int) -> bool:
        try:
            async with database.unit() as session:
                await sales.buy(session, actor_for(buyer), item_id=item.id, key="k")
                return True
        except Conflict as fault:
            assert fault.code == "sold_out"
            return False

    assert sum(await asyncio.gather(*(buy(buyer) for buyer in buyers))) == 2
    async with database.reading() as session:
        assert (await auditing.audit(session)).findings == ()
    await database.close()


async def test_reviews_prices_and_featured(session: AsyncSession) -> None:
    ben = await make_person(session)
    made = await creator_shop.submit(session, actor_for(ben), item=plate(buzz(1000)))
    assert made.status == ItemStatus.PENDING
    with pytest.raises(NotFound):
        await sales.buy(session, actor_for(await make_person(session)), item_id=made.id, key="k")
    with pytest.raises(Forbidden):
        await creator_shop.review(
            session, actor_for(ben), item_id=made.id, status=ItemStatus.PUBLISHED, note="Mine"
        )
    judge = await staff(session)
    await creator_shop.review(session, judge, item_id=made.id, status=ItemStatus.PUBLISHED, note="Yes")
    await creator_shop.reprice(session, actor_for(ben), item_id=made.id, price=buzz(1250))
    assert made.status == ItemStatus.PUBLISHED
    await creator_shop.feature(session, actor_for(ben), item_id=made.id, featured=True)
    await creator_shop.reprice(session, actor_for(ben), item_id=made.id, price=buzz(1251))
    assert (made.status, made.featured) == (ItemStatus.PENDING, False)
    assert [one.id for one in (await shop_reads.waiting(session, judge)).items] == [made.id]
    with pytest.raises(NotFound):
        await creator_shop.reprice(
            session, actor_for(await make_person(session)), item_id=made.id, price=buzz(500)
        )


async def test_no_more_are_featured_than_the_rule_says(session: AsyncSession) -> None:
    ben = await make_person(session)
    for number in range(7):
        item = await creators_item(session, ben)
        if number < 6:
            await creator_shop.feature(session, actor_for(ben), item_id=item.id, featured=True)
        else:
            with pytest.raises(Conflict):
                await creator_shop.feature(session, actor_for(ben), item_id=item.id, featured=True)


async def test_artwork_of_somebody_else_is_known_again(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)

    def badge(bits: int) -> Submission:
        return Submission(CosmeticType.BADGE, "Star", "", buzz(200), artwork=Artwork("portrait-x", bits))

    await creator_shop.submit(session, actor_for(ana), item=badge(-1))
    await creator_shop.submit(session, actor_for(ana), item=badge(-2))
    with pytest.raises(Conflict) as refused:
        await creator_shop.submit(session, actor_for(ben), item=badge(-4))
    assert refused.value.code == "artwork_known"
    await creator_shop.submit(session, actor_for(ben), item=badge(0x0F0F0F0F0F0F0F0F))


@pytest.mark.parametrize(
    "fields",
    [
        {"plate": "nope"},
        {"name": ""},
        {"name": "x" * 61},
        {"quantity": 0},
        {"price": buzz(99)},
        {"price": -4},
    ],
)
async def test_what_cannot_be_offered_is_told(session: AsyncSession, fields: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        await creator_shop.submit(session, actor_for(await make_person(session)), item=plate(**fields))  # type: ignore[arg-type]
