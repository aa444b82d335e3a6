"""The page of presets and snippets: all of it by forms alone."""

from __future__ import annotations

import re

from tests.factories.accounts import actor_for, make_person
from tests.factories.http import HTML, Client

from civitas.domains.accounts.types import Role
from civitas.domains.studio import presets, snippets

HERE = "/create/kept"


async def test_presets_are_renamed_and_removed(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session), await make_person(session)
        kept = await presets.make(session, actor_for(ana), name="Night", settings={"prompt": "a lamp"})
        await presets.make(session, actor_for(ana), name="Day", settings={})
        other = await presets.make(session, actor_for(ben), name="Of ben", settings={})
        number, foreign = kept.id, other.id
    assert (await client.get(HERE, headers=HTML)).status_code == 303
    await client.sign_in(ana)
    page = (await client.page(HERE)).text
    assert page.index("Day") < page.index("Night") and "a lamp" in page and "Of ben" not in page
    await client.submit(f"{HERE}/presets/{number}", name="Late")
    assert "Late" in (await client.page(HERE)).text
    await client.submit(f"{HERE}/presets/{number}", name="Day")
    page = (await client.page(HERE)).text
    assert "You have a preset of this name" in page and "Late" in page
    assert (await client.submit(f"{HERE}/presets/{foreign}", name="Mine")).status_code == 404
    await client.submit(f"{HERE}/presets/{number}", do="remove")
    assert "Late" not in (await client.page(HERE)).text


async def test_sets_are_written_changed_and_removed(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session)
    await client.sign_in(ana)
    sent = await client.submit(f"{HERE}/snippets", name="Colour", entries="red\r\n\r\nblue\r\nred")
    assert sent.headers["location"] == f"{HERE}#set-colour"
    page = (await client.page(HERE)).text
    assert "red · blue" in page and "#colour has 2 entries." in page
    form = (await client.page(f"{HERE}?set=colour")).text
    assert re.search(r"<textarea[^>]*>red\nblue</textarea>", form) and "Change a set" in form
    await client.submit(f"{HERE}/snippets", name="colour", entries="violet")
    assert "violet" in (await client.page(HERE)).text
    for wrong, told in (
        ({"name": "two words", "entries": "a"}, "A name begins with a letter"),
        ({"name": "good", "entries": " \n"}, "Give 1 to 1,000 entries"),
        ({"name": "good", "entries": "x" * 501}, "of at most 500 characters"),
    ):
        refused = await client.submit(f"{HERE}/snippets", **wrong)
        assert refused.status_code == 400 and told in refused.text and wrong["name"] in refused.text
    assert (await client.page(f"{HERE}?set=other")).status_code == 404
    await client.submit(f"{HERE}/snippets", name="colour", do="remove")
    assert "violet" not in (await client.page(HERE)).text
    assert (await client.submit(f"{HERE}/snippets", name="colour", do="remove")).status_code == 404


async def test_sets_for_everybody_are_staffs_alone(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, staff = await make_person(session), await make_person(session, role=Role.MODERATOR)
    await client.sign_in(ana)
    refused = await client.submit(f"{HERE}/snippets", name="light", entries="noon", everybody="1")
    assert refused.status_code == 400 and "Only moderators" in refused.text
    assert "For everybody" not in (await client.page(HERE)).text
    await client.sign_in(staff)
    await client.submit(f"{HERE}/snippets", name="light", entries="noon\ndusk", everybody="1")
    await client.sign_in(ana)
    page = (await client.page(HERE)).text
    assert "Everybody" in page and "noon · dusk" in page and "everybody=1" not in page
    gone = await client.submit(f"{HERE}/snippets", name="light", do="remove", everybody="1")
    assert gone.status_code == 400
    async with client.house.database.reading() as session:
        assert await snippets.available(session, actor_for(ana)) == {"light": ["noon", "dusk"]}
    await client.sign_in(staff)
    await client.submit(f"{HERE}/snippets", name="light", do="remove", everybody="1")
    async with client.house.database.reading() as session:
        assert await snippets.available(session, actor_for(ana)) == {}
