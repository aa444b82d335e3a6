"""Pages of placements: the overlay and its switch, placing, answering, and the settings of spaces."""

from __future__ import annotations

import re

from sqlalchemy import event, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import make_actor
from tests.factories.http import Client
from tests.factories.placements import Wall, make_wall, purse, stick
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.types import Role
from civitas.domains.gallery.placements.tables import Placement
from civitas.domains.gallery.placements.types import Openness, Spot
from civitas.domains.gallery.tables import Image
from civitas.kit.money import buzz


async def wall_of(client: Client, mode: Openness = Openness.REVIEW) -> Wall:
    async with client.house.database.unit() as session:
        return await make_wall(session, mode=mode)


async def test_a_sticker_lies_over_the_picture_and_can_be_switched_off(client: Client) -> None:
    wall = await wall_of(client, Openness.AUTO)
    assert "Place a sticker" in (await client.page(f"/images/{wall.image}")).text
    async with client.house.database.unit() as session:
        await stick(session, wall, spot=Spot(5_000, 10_000, 200, 45))
    page = (await client.page(f"/images/{wall.image}")).text
    # A picture of 64 by 48: twice a fifth of 48 wide, its middle on the lower edge.
    drawn = re.search(
        r'<image href="/static/[^"]+/stickers/heart.svg"\s+x="([^"]+)"\s+y="([^"]+)"\s+width="([^"]+)"', page
    )
    assert drawn is not None and drawn.groups() == ("22.4", "38.4", "19.2")
    assert 'transform="rotate(45 32.0 48.0)"' in page and f"Heart by {wall.placer.username}" in page
    assert 'class="sticker-layer off"' in (await client.page(f"/images/{wall.image}?stickers=off")).text
    assert 'style="' not in page.split("<body")[1]


async def test_one_offers_and_the_owner_approves(client: Client) -> None:
    wall = await wall_of(client)
    await client.sign_in(wall.placer.require())
    path = f"/images/{wall.image}/place"
    form = (await client.page(path)).text
    assert "Offer 80 Buzz" in form and "hours at most" in form and "Blue Buzz cannot pay" in form
    sent = {"what": "sticker", "thing": "crown", "colour": "yellow", "price": "80", "key": "k"}
    bad = await client.submit(path, **(sent | {"x": "300"}))
    assert bad.status_code == 400 and "on the picture" in bad.text
    assert (await client.submit(path, **(sent | {"price": "70"}))).status_code == 409
    assert (await client.submit(path, **sent, x="25", y="75")).status_code == 303
    assert "Crown" in (await client.page("/placements?way=given")).text
    await client.sign_in(wall.owner.require())
    desk = (await client.page("/placements")).text
    number = re.search(r'action="/placements/(\d+)/approve"', desk)
    assert number is not None and re.search(r"you earn .*?56<", desk, re.S)
    assert (await client.submit(f"/placements/{number[1]}/approve")).status_code == 303
    page = (await client.page(f"/images/{wall.image}")).text
    assert "stickers/crown.svg" in page and "Take away" in page
    await client.sign_in(await _person(client, Role.USER))
    assert "Take away" not in (await client.page(f"/images/{wall.image}")).text
    assert (await client.submit(f"/placements/{number[1]}/remove", reason="no")).status_code == 404
    await client.sign_in(await _person(client, Role.MODERATOR))
    assert (await client.submit(f"/placements/{number[1]}/remove", reason="An insult")).status_code == 303
    assert "stickers/crown.svg" not in (await client.page(f"/images/{wall.image}")).text


async def _person(client: Client, role: Role) -> int:
    async with client.house.database.unit() as session:
        return (await make_actor(session, role=role)).require()


async def test_a_remix_stands_below_and_only_for_its_level(client: Client) -> None:
    async with client.house.database.unit() as session:
        wall = await make_wall(session, mode=Openness.AUTO, mature=True, nsfw_level=8)
        post = await make_post(session, wall.placer.require())
        remix = await make_image(session, post, remix_of_id=wall.image)
        viewer = await make_actor(session, mature=True)
    await client.sign_in(wall.placer.require())
    path = f"/images/{wall.image}/place?what=remix"
    assert f'value="{remix}"' in (await client.page(path)).text
    sent = {"what": "remix", "thing": str(remix), "colour": "yellow", "price": "80", "key": "r"}
    assert (await client.submit(f"/images/{wall.image}/place", **sent)).status_code == 303
    await client.sign_in(viewer.require())
    assert f'class="tile" href="/images/{remix}"' in (await client.page(f"/images/{wall.image}")).text
    async with client.house.database.unit() as session:
        await session.execute(update(Image).where(Image.id == remix).values(nsfw_level=16))
    assert f'class="tile" href="/images/{remix}"' not in (await client.page(f"/images/{wall.image}")).text


async def test_spaces_are_set_for_the_account_a_post_and_a_picture(client: Client) -> None:
    wall = await wall_of(client)
    await client.sign_in(wall.owner.require())
    for path in ("/account/placements", f"/posts/{wall.post}/placements", f"/images/{wall.image}/placements"):
        assert "at most 100 now" in (await client.page(path)).text
        fine = await client.submit(path, sticker_mode="auto", sticker_price="30", remix_mode="off")
        assert fine.status_code == 303
        assert 'value="30"' in (await client.page(path)).text
        wrong = await client.submit(path, sticker_mode="auto", sticker_price="900", remix_mode="off")
        assert wrong.status_code == 400 and "From 10 to 100 Buzz" in wrong.text
    await client.sign_in(wall.placer.require())
    assert (await client.get(f"/images/{wall.image}/placements")).status_code == 404
    assert "Place my remix" not in (await client.page(f"/images/{wall.image}")).text


async def test_declining_and_withdrawing(client: Client) -> None:
    wall = await wall_of(client)
    async with client.house.database.unit() as session:
        first, second = (await stick(session, wall)).id, (await stick(session, wall)).id
    await client.sign_in(wall.owner.require())
    assert (await client.submit(f"/placements/{first}/decline")).status_code == 303
    await client.sign_in(wall.placer.require())
    assert (await client.submit(f"/placements/{second}/remove")).status_code == 303
    async with client.house.database.reading() as session:
        assert await purse(session, wall.placer) == buzz(976)
        assert [(await session.get_one(Placement, one)).status for one in (first, second)] == [
            "declined",
            "removed",
        ]


async def test_what_is_placed_costs_a_picture_few_statements(
    client: Client, connection: AsyncConnection
) -> None:
    wall = await wall_of(client, Openness.AUTO)

    async def statements() -> int:
        seen: list[str] = []
        note = lambda *given: seen.append(given[2])  # noqa: E731 - one line beside its removal
        event.listen(connection.sync_connection, "before_cursor_execute", note)
        await client.page(f"/images/{wall.image}")
        event.remove(connection.sync_connection, "before_cursor_execute", note)
        return len([one for one in seen if "placement" in one])

    await client.page(f"/images/{wall.image}")
    empty = await statements()
    async with client.house.database.unit() as session:
        for _ in range(12):
            await stick(session, wall)
    assert (empty, await statements()) == (2, 2)


async def test_both_hear_of_it(client: Client) -> None:
    wall = await wall_of(client)
    async with client.house.database.unit() as session:
        await stick(session, wall)
    await client.run_tasks()
    await client.sign_in(wall.owner.require())
    heard = (await client.page("/notifications")).text
    assert "offers 80 Buzz for a place on" in heard
    async with client.house.database.reading() as session:
        number = await session.scalar(select(Placement.id))
    await client.submit(f"/placements/{number}/decline")
    await client.run_tasks()
    await client.sign_in(wall.placer.require())
    assert "it was declined" in (await client.page("/notifications")).text
