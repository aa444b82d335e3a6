"""Chat's pages, with forms alone and as script asks; the stream; staff."""

from __future__ import annotations

import asyncio

from tests.factories.accounts import actor_for, make_person
from tests.factories.http import HTML, Client

from civitas.domains.community.chat import messages, reading
from civitas.faces.live import talking
from civitas.faces.live.following import Following
from civitas.kit import clock


async def two(client: Client) -> tuple[int, int, str]:
    """Two people and the address of their room, opened by the first."""
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session, "ana"), await make_person(session, "ben")
    await client.sign_in(ana)
    await client.page("/chat?to=ben")
    opened = await client.submit("/chat", to="@ben")
    assert opened.status_code == 303
    return ana, ben, opened.headers["location"]


async def test_two_talk_without_script(client: Client) -> None:
    _, ben, place = await two(client)
    said = await client.submit(place, content="Hello **ben**")
    assert said.status_code == 303 and said.headers["location"].startswith(f"{place}#m")
    page = await client.page(place)
    assert 'role="log"' in page.text and "<strong>ben</strong>" in page.text
    await client.sign_in(ben)
    listed = await client.page("/chat")
    assert "Invitation" in listed.text and "chat-unread" in listed.text
    assert "You were asked into this chat" in (await client.page(place)).text
    assert (await client.submit(f"{place}/joined")).status_code == 303
    assert "chat-unread" not in (await client.page("/chat")).text
    long = await client.submit(place, content="x" * 2001)
    assert long.status_code == 400 and "at most 2,000" in long.text
    assert (await client.submit("/chat", to="nobody_at_all")).status_code in (400, 404)
    assert (await client.submit("/chat", to="")).status_code == 400
    for deed in ("mute", "left"):
        assert (await client.submit(f"{place}/{deed}", muted="true")).status_code == 303
    assert (await client.page(place)).status_code == 404


async def test_script_gets_only_what_is_new(client: Client) -> None:
    ana, ben, place = await two(client)
    room = int(place.split("/")[-1])
    asked = {"hx-request": "true", "hx-target": "news", **HTML}
    first = await client.post(place, headers=asked, params={"after": 0}, data={"content": "one"})
    assert first.status_code == 200 and "one" in first.text and "<html" not in first.text
    async with client.house.database.unit() as session:
        second = await messages.say(session, actor_for(ben, "ben"), room_id=room, content="two")
    news = await client.get(place, headers=asked, params={"after": second.id - 1})
    assert "two" in news.text and ">one<" not in news.text
    bad = await client.post(place, headers=asked, data={"content": "  "})
    assert bad.status_code == 400 and "Write something" in bad.text and "<html" not in bad.text
    assert ana


async def test_others_find_no_room(client: Client) -> None:
    _, _, place = await two(client)
    async with client.house.database.unit() as session:
        eve = await make_person(session, "eve", role="admin")
    await client.sign_in(eve)
    assert (await client.page(place)).status_code == 404
    assert (await client.submit(place, content="x")).status_code == 404
    client.sign_out()
    assert (await client.page(place)).headers["location"].startswith("/login")
    assert (await client.get("/api/live/chat")).status_code == 401


async def test_a_message_is_taken_back_and_another_reported(client: Client) -> None:
    _, ben, place = await two(client)
    await client.submit(place, content="Nasty words")
    room = int(place.split("/")[-1])
    await client.sign_in(ben)
    async with client.house.database.reading() as session:
        (said,) = await reading.said(session, actor_for(ben), room_id=room)
    report = f"{place}/messages/{said.id}/report"
    assert (await client.submit(report, reason="")).status_code == 303
    assert (await client.submit(report, reason="Threats")).status_code == 303
    async with client.house.database.unit() as session:
        staff = await make_person(session, "staff", role="moderator")
    assert (await client.page("/staff/chat-reports")).status_code == 403
    await client.sign_in(staff)
    page = await client.page("/staff/chat-reports")
    assert "Threats" in page.text and "Nasty words" not in page.text
    number = page.text.split("/staff/chat-reports/")[1].split("/")[0]
    opened = await client.submit(f"/staff/chat-reports/{number}/read")
    assert "Nasty words" in opened.text
    await client.submit(f"/staff/chat-reports/{number}/settle", reason="It was.", remove="true")
    assert "Nothing waits" in (await client.page("/staff/chat-reports")).text
    await client.sign_in(ben)
    assert "Taken back" in (await client.page(place)).text
    assert "chat.read" in str(await _log(client))


async def _log(client: Client) -> list[str]:
    from sqlalchemy import select

    from civitas.domains.accounts.tables import StaffAction

    async with client.house.database.reading() as session:
        return list(await session.scalars(select(StaffAction.action)))


async def test_the_stream_tells_what_is_new_and_what_was_missed(client: Client) -> None:
    ana, ben, place = await two(client)
    room = int(place.split("/")[-1])
    reads = client.house.reads
    async with client.house.database.unit() as session:
        first = await messages.say(session, actor_for(ana, "ana"), room_id=room, content="one")
        second = await messages.say(session, actor_for(ana, "ana"), room_id=room, content="two")

    async def look(people):  # type: ignore[no-untyped-def]
        return await reading.stirring(reads, people, clock.now() - talking.WINDOW)

    following = Following(look, look_s=0.05)
    stream = talking._events(following, reads, ben, first.id)
    seen = [await anext(stream), await anext(stream)]
    assert seen[0].startswith(b"retry") and b"id: %d\n" % second.id in seen[1]
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.1)
    async with client.house.database.unit() as session:
        third = await messages.say(session, actor_for(ana, "ana"), room_id=room, content="three")
    told = await asyncio.wait_for(waiting, 5)
    assert b"id: %d\n" % third.id in told and b"three" not in told
    await stream.aclose()
    await following.closed()


async def test_the_menu_tells_how_many_rooms_wait_and_follows(client: Client) -> None:
    ana, ben, place = await two(client)
    await client.sign_in(ben)
    assert "count-badge" not in (await client.page("/")).text
    following = client.app.state.notices
    stream = following.follow(ben, 5)
    assert await anext(stream) == (0, 0)
    await client.sign_in(ana)
    await client.page(place)
    await client.submit(place, content="Are you there?")
    assert (await anext(stream))[1] == 1
    await stream.aclose()
    await client.sign_in(ben)
    page = (await client.page("/")).text
    assert page.split("data-chats>")[1].split("</a>")[0].count("count-badge") == 1
    assert 'class="account-button stirred"' in page
    await client.page(place)
    assert "count-badge" not in (await client.page("/")).text
