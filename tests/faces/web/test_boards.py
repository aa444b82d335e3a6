"""A board by its page and over the API: staff make it one, entries are given for, the people of it see why."""

from __future__ import annotations

from tests.factories.accounts import make_actor
from tests.factories.buzz import give_buzz
from tests.factories.collections import make_collection, make_posted
from tests.factories.http import Client

from civitas.domains.accounts.types import Role
from civitas.domains.gallery.collections import filling
from civitas.domains.gallery.collections.types import WriteBy


async def test_staff_make_a_board_and_an_accepted_entry_is_given_for(client: Client) -> None:
    async with client.house.database.unit() as session:
        staff = await make_actor(session, role=Role.MODERATOR)
        ben = await make_actor(session)
        made = await make_collection(session, staff, write_by=WriteBy.REVIEW)
        await give_buzz(session, staff.require(), 500)
        _, (image,) = await make_posted(session, ben.require())
        await filling.add(session, ben, collection_id=made.id, subject_ids=[image])
    path, api = f"/collections/{made.id}", f"/api/v1/collections/{made.id}/board"
    assert (await client.get(api)).json()["code"] == "no_board"
    await client.sign_in(ben.require())
    assert "make this a board" not in (await client.page(path)).text
    assert (await client.submit(f"{path}/board", on="true", reason="me")).status_code == 403
    await client.sign_in(staff.require())
    assert "make this a board" in (await client.page(path)).text
    assert (await client.submit(f"{path}/board", on="true", reason="A game")).status_code == 303
    waiting = (await client.page(f"{path}/review")).text
    item = waiting.split('name="item"')[1].split('value="')[1].split('"')[0]
    assert (await client.submit(f"{path}/review", item=item, do="accept")).status_code == 303
    await client.run_tasks()
    page = (await client.page(path)).text
    assert "What was given last" in page and str(ben.username) in page
    await client.sign_in(ben.require())
    assert "gave you 100 Buzz" in (await client.page("/notifications")).text
    shown = (await client.get(api)).json()
    assert (shown["gift"], shown["colour"], shown["leftToday"], shown["gifts"]) == (100, "yellow", 4900, [])
    assert "What was given last" not in (await client.page(path)).text
    await client.use_key(staff.require())
    assert (await client.get(api)).json()["gifts"][0]["status"] == "given"
    staffs = f"/api/v1/staff/collections/{made.id}/board"
    assert (await client.put(staffs, json={"on": False, "reason": "Over"})).status_code == 204
    assert (await client.get(api)).status_code == 404
