"""Pages of feeds and the viewer: what is shown to whom, where one can go, what one can do without script."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

from sqlalchemy import select
from tests.factories.accounts import make_person
from tests.factories.feeds import make_image
from tests.factories.http import Client

from civitas.domains.gallery import image_tags
from civitas.domains.gallery.feeds.tables import HiddenImage, Reaction, SeenImages
from civitas.domains.gallery.tables import Image
from civitas.kit import clock


def shown(text: str) -> list[int]:
    """The numbers of the pictures on a page, in order."""
    return [int(number) for number in re.findall(r'data-card="(\d+)"', text)]


async def hang(client: Client, count: int, **columns: object) -> tuple[int, list[int]]:
    """A maker with public pictures, the oldest first."""
    async with client.house.database.unit() as session:
        owner = await make_person(session)
        now = clock.now()
        made = [
            await make_image(session, owner, published_at=now - timedelta(minutes=count - at), **columns)  # type: ignore[arg-type]
            for at in range(count)
        ]
    return owner, made


async def test_a_feed_goes_on_by_links_and_shows_everything_once(client: Client) -> None:
    _, made = await hang(client, 60)
    first = await client.page("/images")
    assert first.status_code == 200 and shown(first.text) == made[::-1][:24]
    (onward,) = set(re.findall(r'rel="next"[^>]*href="([^"]*)"', first.text.replace("\n", " ")))
    second = await client.page(onward.replace("&amp;", "&"))
    assert shown(second.text) == made[::-1][24:]
    assert 'role="feed"' in first.text and "feed.atom" in first.text


async def test_filters_stand_in_the_address_and_in_the_links_of_pictures(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner = await make_person(session)
        cat = await make_image(session, owner, tags=("cat",))
        film = await make_image(session, owner, kind="video", tags=("cat",))
        await make_image(session, owner, tags=("dog",))
    page = await client.page("/images?tag=cat&sort=Oldest")
    assert shown(page.text) == [cat, film]
    assert f'href="/images/{cat}?tag=cat&amp;sort=Oldest"' in page.text
    assert shown((await client.page("/videos")).text) == [film]
    viewer = await client.page(f"/images/{cat}?tag=cat&sort=Oldest")
    assert f'href="/images/{film}?tag=cat&amp;sort=Oldest"' in viewer.text
    assert 'rel="prev"' not in viewer.text
    back = await client.page(f"/images/{film}?tag=cat&sort=Oldest")
    assert f'href="/images/{cat}?tag=cat&amp;sort=Oldest"' in back.text and 'rel="next"' not in back.text


async def test_strangers_never_see_what_is_mature(client: Client) -> None:
    _, (mature,) = await hang(client, 1, nsfw_level=8)
    for path in ("/images", "/images?browsingLevel=31", "/images/feed.atom", "/posts"):
        page = await client.page(path)
        assert page.status_code == 200 and str(mature) not in shown(page.text)
        assert f"/images/{mature}" not in page.text, path
    assert (await client.page(f"/images/{mature}")).status_code == 404


async def test_reacting_without_script(client: Client) -> None:
    _, (image,) = await hang(client, 1)
    async with client.house.database.unit() as session:
        fan = await make_person(session)
    await client.sign_in(fan)
    page = await client.page(f"/images/{image}")
    assert page.text.count('aria-pressed="false"') >= 4
    answer = await client.submit(f"/reactions/image/{image}", reaction="heart:on", back=f"/images/{image}")
    assert answer.status_code == 303 and answer.headers["location"] == f"/images/{image}"
    again = await client.page(f"/images/{image}")
    assert 'value="heart:off"' in again.text and 'aria-pressed="true"' in again.text
    async with client.house.database.reading() as session:
        assert (await session.scalars(select(Reaction.reaction))).all() == ["heart"]
    await client.submit(f"/reactions/image/{image}", reaction="heart:off")
    async with client.house.database.reading() as session:
        assert (await session.scalars(select(Reaction.reaction))).all() == []


async def test_hiding_and_undoing(client: Client) -> None:
    _, (image, other) = await hang(client, 2)
    async with client.house.database.unit() as session:
        viewer = await make_person(session)
    await client.sign_in(viewer)
    await client.submit(f"/images/{image}/hide", what="image")
    assert shown((await client.page("/images")).text) == [other]
    await client.submit(f"/images/{image}/hide", what="image", on="false")
    assert shown((await client.page("/images")).text) == [other, image]
    await client.submit(f"/images/{image}/hide", what="person")
    assert shown((await client.page("/images")).text) == []
    async with client.house.database.reading() as session:
        assert (await session.scalars(select(HiddenImage.image_id))).all() == []


async def test_automatic_tags_are_said_to_be_and_can_be_taken_away(client: Client) -> None:
    _, (image, _) = await hang(client, 2)
    async with client.house.database.unit() as session:
        await image_tags.name_by_machine(session, image_id=image, tags={"boat": 90})
        owner = await session.scalar(select(Image.person_id).where(Image.id == image))
        viewer = await make_person(session)
    assert "automatic" in (await client.page(f"/images/{image}")).text
    await client.sign_in(viewer)
    answer = await client.submit(f"/images/{image}/tag", name="boat", value="1")
    assert answer.status_code == 303
    page = (await client.page(f"/images/{image}")).text
    assert "boat does not fit" in page and "Take boat away" not in page
    await client.sign_in(owner)
    assert "Take boat away" in (await client.page(f"/images/{image}")).text
    await client.submit(f"/images/{image}/tag", name="boat", value="-1")
    assert "automatic" not in (await client.page(f"/images/{image}")).text


async def test_what_was_seen_is_left_out_where_that_is_asked(client: Client) -> None:
    _, (image, other) = await hang(client, 2)
    assert (await client.page("/images?unseen=1")).status_code == 303
    async with client.house.database.unit() as session:
        viewer = await make_person(session)
    await client.sign_in(viewer)
    answer = await client.submit("/images/seen", ids=f"{image},junk,999999999999")
    assert answer.status_code == 204
    assert shown((await client.page("/images?unseen=1")).text) == [other]
    async with client.house.database.reading() as session:
        assert len((await session.scalars(select(SeenImages.chunk))).all()) == 1


async def test_the_atom_feed_is_xml_with_the_same_filters(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner = await make_person(session)
        image = await make_image(session, owner, tags=("cat",), meta={"prompt": "a <b>cat</b> & \x0b hat"})
        await make_image(session, owner)
    page = await client.page("/images/feed.atom?tag=cat")
    assert page.headers["content-type"].startswith("application/atom+xml")
    names = {"a": "http://www.w3.org/2005/Atom"}
    entries = ElementTree.fromstring(page.text).findall("a:entry", names)
    assert [entry.findtext("a:id", namespaces=names) for entry in entries] == [
        f"http://localhost:8000/images/{image}"
    ]


async def test_a_random_feed_keeps_its_order_by_its_address(client: Client) -> None:
    _, made = await hang(client, 9)
    turned = await client.page("/images?sort=Random")
    assert turned.status_code == 303 and "seed=" in turned.headers["location"]
    first = shown((await client.page(turned.headers["location"])).text)
    assert sorted(first) == made
    assert shown((await client.page(turned.headers["location"])).text) == first
