"""Keeping things out of one's lists from any card, the list of all of it, and letting them back, without script."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import insert
from tests.factories.accounts import make_person
from tests.factories.catalog import make_published_model
from tests.factories.feeds import make_image
from tests.factories.http import Client
from tests.flows import story

from civitas.domains.catalog import rebuilding
from civitas.domains.catalog.tables import Tag
from civitas.domains.gallery.tables import ImageTag


def models(text: str) -> set[int]:
    """The numbers of the models on a page."""
    return {int(number) for number in re.findall(r'class="model-card" data-card="(\d+)"', text)}


def ticked(text: str) -> set[str]:
    """What the form says is kept away now."""
    boxes = re.findall(r"<input[^>]*>", text[text.index('id="hide-form"') :].split("</form>")[0])
    return {
        match[1]
        for box in boxes
        if " checked" in box and (match := re.search(r'(?:name="tag"\s+value|name)="([^"]+)"', box))
    }


async def _models(client: Client) -> tuple[int, int, int]:
    async with client.house.database.unit() as session:
        maker, other = await make_person(session), await make_person(session)
        first = (await make_published_model(session, maker, tags=("style", "moon")))[0]
        second = (await make_published_model(session, maker, tags=("style", "sea")))[0]
        third = (await make_published_model(session, other, tags=("moon",)))[0]
        await rebuilding.rebuild(session, [first, second, third])
    return first, second, third


async def test_a_model_its_maker_and_its_tags_go_and_come_back(client: Client) -> None:
    await story.new_member(client)
    first, second, third = await _models(client)
    listed = (await client.page("/models")).text
    assert models(listed) == {first, second, third} and f'href="/hide/model/{first}"' in listed
    asked = (await client.page(f"/hide/model/{first}")).text
    assert ticked(asked) == set() and "#moon" in asked and "#style" in asked
    done = await client.submit(f"/hide/model/{first}", itself="true", tag=["moon", "no tag of it"])
    assert done.status_code == 303
    assert ticked((await client.page(f"/hide/model/{first}")).text) == {"itself", "moon"}
    assert models((await client.page("/models")).text) == {second}
    await client.submit(f"/hide/model/{second}", person="true")
    assert models((await client.page("/models")).text) == set()
    everything = (await client.page("/account/hidden")).text
    assert "#moon" in everything and f'value="{first}"' in everything
    await client.submit(f"/hide/model/{second}")
    await client.submit("/account/hidden/show", kind="tag", id="moon")
    assert models((await client.page("/models")).text) == {second, third}
    await client.submit("/account/hidden/show", kind="model", id=str(first))
    assert models((await client.page("/models")).text) == {first, second, third}
    assert "Nothing is hidden" in (await client.page("/account/hidden")).text


async def test_the_dialog_says_which_card_goes(client: Client) -> None:
    await story.new_member(client)
    first, _, _ = await _models(client)
    dialog = await client.get(
        f"/hide/model/{first}", headers={"hx-request": "true", "hx-target": "hide-form"}
    )
    assert dialog.status_code == 200 and "<html" not in dialog.text and 'id="hide-form"' in dialog.text
    for fields, away in (({"itself": "true"}, True), ({}, False)):
        told = await client.post(
            f"/hide/model/{first}", headers={"hx-request": "true", "hx-target": "hide-form"}, data=fields
        )
        trigger = json.loads(told.headers["hx-trigger"])["keep-away"]
        assert trigger == {"card": str(first), "kind": "model", "away": away}


async def test_pictures_and_their_tags(client: Client) -> None:
    await story.new_member(client)
    async with client.house.database.unit() as session:
        maker = await make_person(session)
        images = [await make_image(session, maker) for _ in range(2)]
        tag_id = await session.scalar(insert(Tag).values(name="moon").returning(Tag.id))
        await session.execute(insert(ImageTag).values(image_id=images[0], tag_id=tag_id, source="person"))
    await client.submit(f"/hide/image/{images[1]}", itself="true")
    assert f"/images/{images[1]}" in (await client.page("/account/hidden")).text
    assert "#moon" in (await client.page(f"/hide/image/{images[0]}")).text
    await client.submit("/account/hidden/show", kind="image", id=str(images[1]))
    assert "Nothing is hidden" in (await client.page("/account/hidden")).text


@pytest.mark.parametrize("kind", ["model", "image", "person", "tag"])
async def test_what_is_not_there_or_not_ones_to_see(client: Client, kind: str) -> None:
    await story.new_member(client)
    async with client.house.database.unit() as session:
        mature = (await make_published_model(session, await make_person(session), level=16))[0]
    assert (await client.get(f"/hide/{kind}/{mature + 100}")).status_code in (400, 404)
    assert (await client.get(f"/hide/model/{mature}")).status_code == 404
    assert (await client.submit("/account/hidden/show", kind="person", id="1")).status_code == 404
    client.sign_out()
    assert (await client.get("/account/hidden")).status_code == 303
