"""The shop's pages: looking, buying, giving, wearing, selling, reviewing, with forms alone."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import HTML, Client

from civitas.app.demo import stocking
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.buzz.shop import cosmetics
from civitas.domains.buzz.shop import creators as creator_shop
from civitas.domains.buzz.shop import reads as shop_reads
from civitas.domains.buzz.shop.creators import Submission
from civitas.domains.buzz.shop.types import CosmeticType
from civitas.domains.buzz.types import Currency
from civitas.kit.money import buzz


async def stocked(client: Client) -> int:
    """A shelf with one plate; the item's id."""
    async with client.house.database.unit() as session:
        shelf = await creator_shop.add_section(session, SYSTEM, title="Plates")
        item = Submission(CosmeticType.NAME_PLATE, "Ember", "Warm.", buzz(300), plate="ember")
        return (await creator_shop.put_on_sale(session, SYSTEM, item=item, section_id=shelf.id)).id


async def person(client: Client, name: str, amount: int = 0, **columns: object) -> int:
    async with client.house.database.unit() as session:
        made = await make_person(session, name, **columns)
        if amount:
            await give_buzz(session, made, amount)
        return made


async def test_somebody_buys_a_plate_and_wears_it(client: Client) -> None:
    item = await stocked(client)
    page = await client.page("/shop")
    assert "Ember" in page.text and "Sign in" in (await client.page(f"/shop/{item}")).text
    await client.sign_in(await person(client, "ana", 1000))
    page = await client.page(f"/shop/{item}")
    assert "; 700 Buzz left after" in page.text
    form = {"key": "k1", "price": "300.0"}
    done = await client.submit(f"/shop/{item}/buy", **form)
    assert (done.status_code, done.headers["location"]) == (303, "/shop/mine")
    assert (await client.submit(f"/shop/{item}/buy", **form)).status_code == 303
    mine = await client.page("/shop/mine")
    assert "Wear Ember" in mine.text
    async with client.house.database.reading() as session:
        offer = await shop_reads.offer(session, SYSTEM, item_id=item)
    assert (await client.submit(f"/shop/cosmetics/{offer.adornment.id}/wear")).status_code == 303
    assert "plate-ember" in (await client.page("/user/ana")).text
    assert "Ember" in (await client.page("/shop/purchases")).text


async def test_the_page_counts_on_the_colours_that_pay_on_its_site(client: Client) -> None:
    item = await stocked(client)
    ana = await person(client, "ana")
    async with client.house.database.unit() as session:
        await give_buzz(session, ana, 1000, Currency.YELLOW)
    await client.sign_in(ana)
    assert "; 700 Buzz left after" in (await client.page(f"/shop/{item}")).text
    safe = await client.get(f"/shop/{item}", headers=HTML | {"host": "green.localhost"})
    assert "You need 300 Buzz more" in safe.text and "left after" not in safe.text


async def test_what_cannot_be_bought_says_why_and_charges_nothing(client: Client) -> None:
    item = await stocked(client)
    await client.sign_in(await person(client, "ana", 1000))
    old = await client.submit(f"/shop/{item}/buy", key="k", price="299")
    assert old.status_code == 409 and "price has changed" in old.text
    nobody = await client.submit(f"/shop/{item}/buy", key="k", price="300", recipient="nobody_here")
    assert nobody.status_code == 400 and "nobody called nobody_here" in nobody.text
    await client.sign_in(await person(client, "poor"))
    assert "You need 300 Buzz more" in (await client.page(f"/shop/{item}")).text
    assert (await client.submit(f"/shop/{item}/buy", key="k", price="300")).status_code == 400
    assert (await client.page("/shop/999999")).status_code == 404


async def test_a_gift_arrives(client: Client) -> None:
    item = await stocked(client)
    ben = await person(client, "ben")
    await client.sign_in(await person(client, "ana", 1000))
    done = await client.submit(f"/shop/{item}/buy", key="k", price="300", recipient="@Ben", message="For you")
    assert done.headers["location"] == f"/shop/{item}"
    await client.sign_in(ben)
    assert "Ember" in (await client.page("/shop/mine")).text


async def test_a_creator_sells_and_staff_decide(client: Client) -> None:
    seller = await person(client, "seller")
    await client.sign_in(seller)
    bad = await client.submit("/shop/sell", type="NamePlate", name="", price="500", plate="ember")
    assert bad.status_code == 400 and "Give a name" in bad.text
    sent = await client.submit("/shop/sell", type="NamePlate", name="Mine", price="500", plate="ocean")
    assert sent.status_code == 303
    assert "Waiting for review" in (await client.page("/shop/sell")).text
    assert (await client.page("/staff/shop")).status_code == 403
    await client.sign_in(await person(client, "staff", role="moderator"))
    page = await client.page("/staff/shop")
    assert "Mine" in page.text
    async with client.house.database.reading() as session:
        item = (await shop_reads.waiting(session, SYSTEM)).items[0].id
    refused = await client.submit(f"/staff/shop/{item}/review", status="Nonsense", note="x")
    assert refused.status_code == 303
    await client.submit(f"/staff/shop/{item}/review", status="Published", note="Nice")
    await client.sign_in(seller)
    assert "On sale" in (await client.page("/shop/sell")).text
    await client.submit(f"/shop/sell/{item}/feature", featured="true")
    assert "Featured" in (await client.page("/shop/sell")).text
    await client.submit(f"/shop/sell/{item}/price", price="5000")
    assert "Waiting for review" in (await client.page("/shop/sell")).text
    await client.submit(f"/shop/sell/{item}/archive")
    assert "Taken off" in (await client.page("/shop/sell")).text


async def test_the_demos_shelf_comes_and_goes(client: Client) -> None:
    await stocking.stock(client.house)
    await stocking.stock(client.house)
    await client.sign_in(await person(client, "ana", 1000))
    page = await client.page("/shop")
    assert page.text.count("Midnight") == 1 and "Slate" in page.text
    async with client.house.database.reading() as session:
        slate = (await cosmetics.claimable(session, None))[0]
    await client.submit(f"/shop/cosmetics/{slate.id}/claim")
    async with client.house.database.unit() as session:
        await stocking.clear(session)
    assert "Midnight" not in (await client.page("/shop")).text
    assert "Slate" in (await client.page("/shop/mine")).text
