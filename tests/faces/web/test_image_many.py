"""Many pictures of a feed at once, without script: into a collection, tags, hiding, taking away, and back."""

from __future__ import annotations

import re

from sqlalchemy import select
from tests.factories.accounts import make_person
from tests.factories.feeds import make_image
from tests.factories.http import Client
from tests.factories.posts import make_post
from tests.flows import story

from civitas.domains.accounts.tables import Person
from civitas.domains.gallery.collections.tables import CollectionItem
from civitas.domains.gallery.feeds.tables import HiddenImage
from civitas.domains.gallery.tables import Image, ImageTag

UNDO = re.compile(r'name="(until|token|id)"[^>]*?value="([^"]*)"')


def cards(text: str) -> list[int]:
    """The numbers of the pictures on a page."""
    return [int(number) for number in re.findall(r'data-card="(\d+)"', text)]


async def _hang(client: Client) -> tuple[int, list[int], int]:
    """Somebody signed in with two pictures, and one by somebody else."""
    me = await story.new_member(client)
    async with client.house.database.unit() as session:
        mine = [await make_image(session, me) for _ in range(2)]
        other = await make_image(session, await make_person(session))
    return me, mine, other


async def test_choosing_is_for_those_who_are_signed_in(client: Client) -> None:
    _, mine, other = await _hang(client)
    page = (await client.page("/images", select="1")).text
    assert set(re.findall(r"data-pick[^>]*", page)) and len(re.findall(r'form="many"', page)) == 3
    assert "select=1" not in (await client.page("/posts")).text
    plain = (await client.page("/images")).text
    assert 'href="/images?select=1"' in plain and 'form="many"' not in plain
    client.sign_out()
    assert 'form="many"' not in (await client.page("/images", select="1")).text
    answer = await client.submit("/images/many", do="remove", id=[str(mine[0])])
    assert answer.status_code in (303, 401, 403)
    assert sorted(cards((await client.page("/images")).text)) == sorted([*mine, other])


async def test_chosen_ones_go_into_a_collection_and_carry_tags(client: Client) -> None:
    _, mine, other = await _hang(client)
    ids = [str(one) for one in (*mine, other)]
    told = await client.submit("/images/many", do="collect", to="0", id=ids)
    assert told.status_code == 200 and "3 pictures added" in told.text
    tagged = await client.submit("/images/many", do="tag", tags="kite, sea", id=ids)
    assert "2 pictures tagged" in tagged.text and "1 other stayed" in tagged.text
    async with client.house.database.reading() as session:
        assert len((await session.scalars(select(CollectionItem.id))).all()) == 3
        carried = (await session.scalars(select(ImageTag.image_id))).all()
    assert sorted(carried) == sorted([*mine, *mine])
    assert "Write a tag first" in (await client.submit("/images/many", do="tag", tags=" ", id=ids)).text
    assert "Choose some pictures" in (await client.submit("/images/many", do="hide")).text


async def test_hiding_is_taken_back(client: Client) -> None:
    _, _, other = await _hang(client)
    told = await client.submit("/images/many", do="hide", id=[str(other), "999999"])
    assert "1 picture hidden" in told.text
    assert other not in cards((await client.page("/images")).text)
    await client.submit("/images/many", do="show", id=[str(other)])
    assert other in cards((await client.page("/images")).text)
    async with client.house.database.reading() as session:
        assert (await session.scalars(select(HiddenImage.image_id))).all() == []


async def test_only_ones_own_go_and_only_what_one_took_away_comes_back(client: Client) -> None:
    me, mine, other = await _hang(client)
    told = await client.submit("/images/many", do="remove", id=[str(one) for one in (*mine, other)])
    assert "2 pictures taken away" in told.text and "1 other not yours stayed" in told.text
    await client.run_tasks()
    assert cards((await client.page("/images")).text) == [other]
    fields: dict[str, list[str]] = {}
    for name, value in UNDO.findall(told.text):
        fields.setdefault(name, []).append(value)
    assert [int(one) for one in fields["id"]] == mine
    forged = await client.submit("/images/many", do="restore", **fields | {"token": ["0" * 64]})
    assert "too late" in forged.text
    wider = await client.submit("/images/many", do="restore", **fields | {"id": [*fields["id"], str(other)]})
    assert "too late" in wider.text
    back = await client.submit("/images/many", do="restore", **fields)
    assert back.status_code == 303
    async with client.house.database.unit() as session:
        rows = (await session.scalars(select(Image).where(Image.person_id == me))).all()
        assert [(row.deleted_at, row.status) for row in rows] == [(None, "pending")] * 2
    someone = await story.new_member(client)
    assert someone != me
    assert "too late" in (await client.submit("/images/many", do="restore", **fields)).text


async def test_ones_own_pictures_are_chosen_from_also_those_that_are_not_public(client: Client) -> None:
    me = await story.new_member(client)
    async with client.house.database.unit() as session:
        public = await make_image(session, me)
        draft = await make_post(session, me, published=False)
        private = await make_image(session, me, post_id=draft)
        unrated = await make_image(session, me, nsfw_level=0)
        await make_image(session, me, status="pending")
        await make_image(session, me, post_id=await make_post(session, me, album=True))
        await make_image(session, await make_person(session), nsfw_level=0)
    every = (await client.page("/images/mine")).text
    assert cards(every) == [unrated, private, public] and len(re.findall(r'form="many"', every)) >= 3
    kept = (await client.page("/images/mine", only="private")).text
    assert cards(kept) == [unrated, private]
    gone = await client.submit(
        "/images/many", do="remove", id=[str(private)], back="/images/mine?only=private"
    )
    assert "1 picture taken away" in gone.text
    assert cards((await client.page("/images/mine", only="private")).text) == [unrated]
    client.sign_out()
    assert (await client.get("/images/mine")).status_code in (303, 401)


async def test_ones_own_pictures_go_on_by_links(client: Client) -> None:
    me = await story.new_member(client)
    async with client.house.database.unit() as session:
        made = [await make_image(session, me) for _ in range(50)]
    first = (await client.page("/images/mine")).text
    (onward,) = set(re.findall(r'href="(/images/mine\?cursor=[^"]*)"', first))
    assert cards(first) + cards((await client.page(onward)).text) == made[::-1]


async def test_many_of_a_persons_pictures_are_chosen_from_their_page(client: Client) -> None:
    me, _, other = await _hang(client)
    async with client.house.database.reading() as session:
        maker = await session.scalar(
            select(Person.username).join(Image, Image.person_id == Person.id).where(Image.id == other)
        )
        own = await session.scalar(select(Person.username).where(Person.id == me))
    href = f"/images?user={maker}&select=1"
    assert href.replace("&", "&amp;") in (await client.page(f"/user/{maker}")).text
    chosen = (await client.page(href)).text
    assert cards(chosen) == [other] and chosen.count("data-pick ") + chosen.count("data-pick\n") >= 1
    assert 'href="/images/mine"' in (await client.page(f"/user/{own}")).text
