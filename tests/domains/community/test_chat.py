"""Chat: one room for the same people, blocks both ways, floods, reading, reports."""

from __future__ import annotations

from datetime import timedelta

import pytest
from psycopg import AsyncConnection
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection as Connection
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_follow, make_person
from tests.factories.community import make_article, make_writer

from civitas.domains.accounts.tables import StaffAction
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.community.chat import links, messages, reading, reports, rooms, tasks, words
from civitas.domains.community.chat.tables import ChatMember, ChatMessage, ChatRoom
from civitas.domains.community.chat.types import Member
from civitas.infra.db.readpool import BoundReads
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, Limited, NotFound


async def pair(session: AsyncSession) -> tuple[Actor, Actor, ChatRoom]:
    """Two who talk."""
    ana, ben = await make_actor(session), await make_actor(session)
    room = await rooms.open_room(session, ana, people=[ben.require()])
    await rooms.answer(session, ben, room_id=room.id, state=Member.JOINED)
    return ana, ben, room


async def bound(connection: Connection) -> BoundReads:
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, AsyncConnection)
    return BoundReads(driver)


async def test_the_same_people_have_one_room(session: AsyncSession) -> None:
    ana, ben, room = await pair(session)
    again = await rooms.open_room(session, ben, people=[ana.require(), ben.require()])
    assert again.id == room.id
    eve = await make_actor(session)
    three = await rooms.open_room(session, ana, people=[ben.require(), eve.require()], name="Three")
    assert three.id != room.id and three.is_group and three.name == "Three"
    with pytest.raises(Invalid, match="somebody else"):
        await rooms.open_room(session, ana, people=[ana.require()])
    with pytest.raises(NotFound):
        await rooms.open_room(session, ana, people=[2**40])


async def test_what_is_said_is_read_and_counted(session: AsyncSession, connection: Connection) -> None:
    ana, ben, room = await pair(session)
    first = await messages.say(session, ana, room_id=room.id, content="Hello **there**")
    reads = await bound(connection)
    assert await reading.unread(reads, ben.require()) == 1 and await reading.unread(reads, ana.require()) == 0
    (seen,) = (await reading.mine(session, ben)).items
    assert (seen.unread, seen.last_words, seen.name) == (
        1,
        "Hello **there**",
        "someone" if False else seen.name,
    )
    stirs = await reading.stirring(reads, [ana.require(), ben.require()], clock.now() - timedelta(minutes=1))
    assert [one.message_id for one in stirs[ben.require()]] == [first.id]
    await messages.read_to(session, ben, room_id=room.id, message_id=2**62)
    assert await reading.unread(reads, ben.require()) == 0
    second = await messages.say(session, ben, room_id=room.id, content="And to you")
    assert [one.id for one in await reading.said(session, ana, room_id=room.id, after=first.id)] == [
        second.id
    ]
    assert [one.message_id for one in await reading.missed(reads, ana.require(), first.id)] == [second.id]
    await messages.take_back(session, ben, message_id=second.id)
    assert (await reading.said(session, ana, room_id=room.id))[-1].removed
    with pytest.raises(Forbidden):
        await messages.take_back(session, ana, message_id=second.id)


async def test_nobody_else_reads_a_room(session: AsyncSession) -> None:
    ana, _, room = await pair(session)
    message = await messages.say(session, ana, room_id=room.id, content="secret")
    for other in (await make_actor(session), await make_actor(session, role=Role.ADMIN)):
        for attempt in (
            reading.one(session, other, room_id=room.id),
            reading.said(session, other, room_id=room.id),
            messages.say(session, other, room_id=room.id, content="x"),
            messages.take_back(session, other, message_id=message.id),
            reports.report(session, other, message_id=message.id, reason="x"),
            rooms.answer(session, other, room_id=room.id, state=Member.JOINED),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_blocks_cut_both_ways(session: AsyncSession, connection: Connection) -> None:
    ana, ben, room = await pair(session)
    eve = await make_actor(session)
    group = await rooms.open_room(session, eve, people=[ana.require(), ben.require()])
    await rooms.answer(session, ana, room_id=group.id, state=Member.JOINED)
    await messages.say(session, ana, room_id=group.id, content="before")
    await make_follow(session, ben.require(), ana.require(), "block")
    for writer in (ana, ben):
        with pytest.raises(Forbidden, match="blocked"):
            await messages.say(session, writer, room_id=room.id, content="x")
    with pytest.raises(Forbidden, match="blocked"):
        await rooms.open_room(session, ana, people=[ben.require()])
    await messages.say(session, ana, room_id=group.id, content="to the group")
    assert await reading.said(session, ben, room_id=group.id) == []
    assert len(await reading.said(session, eve, room_id=group.id)) == 2
    stirs = await reading.stirring(
        await bound(connection), [ben.require(), eve.require()], clock.now() - timedelta(minutes=1)
    )
    assert stirs[ben.require()] == () and len(stirs[eve.require()]) == 2
    assert all(one.last_words == "" for one in (await reading.mine(session, ben)).items)


async def test_floods_are_bounded(session: AsyncSession) -> None:
    ana, _, room = await pair(session)
    for number in range(20):
        await messages.say(session, ana, room_id=room.id, content=f"{number}")
    with pytest.raises(Limited, match="faster than anybody"):
        await messages.say(session, ana, room_id=room.id, content="more")
    with clock.held_at(clock.now() + timedelta(minutes=2)):
        await messages.say(session, ana, room_id=room.id, content="later")


async def test_first_words_wait_for_an_answer(session: AsyncSession) -> None:
    ana, ben = await make_actor(session), await make_actor(session)
    room = await rooms.open_room(session, ana, people=[ben.require()])
    for number in range(5):
        await messages.say(session, ana, room_id=room.id, content=f"{number}")
    with pytest.raises(Limited, match="until somebody answers"):
        await messages.say(session, ana, room_id=room.id, content="please")
    await messages.say(session, ben, room_id=room.id, content="Yes?")
    await messages.say(session, ana, room_id=room.id, content="Good.")


async def test_new_rooms_a_day_are_few(session: AsyncSession) -> None:
    ana = await make_actor(session)
    for _ in range(10):
        await rooms.open_room(session, ana, people=[await make_person(session)])
    with pytest.raises(Limited, match="10 rooms within a day"):
        await rooms.open_room(session, ana, people=[await make_person(session)])
    staff = await make_actor(session, role=Role.MODERATOR)
    for _ in range(11):
        await rooms.open_room(session, staff, people=[await make_person(session)])
    with clock.held_at(clock.now() + timedelta(days=1, seconds=1)):
        await rooms.open_room(session, ana, people=[await make_person(session)])


async def test_coming_going_and_being_sent_away(session: AsyncSession) -> None:
    ana, ben, eve = [await make_actor(session) for _ in range(3)]
    group = await rooms.open_room(session, ana, people=[ben.require(), eve.require()])
    with pytest.raises(Forbidden):
        await rooms.kick(session, ben, room_id=group.id, person_id=eve.require())
    await rooms.kick(session, ana, room_id=group.id, person_id=eve.require())
    with pytest.raises(NotFound):
        await reading.one(session, eve, room_id=group.id)
    with pytest.raises(Forbidden, match="sent away"):
        await rooms.open_room(session, eve, people=[ana.require(), ben.require()])
    dan = await make_actor(session)
    await rooms.invite(session, ana, room_id=group.id, person_id=dan.require())
    await rooms.invite(session, ana, room_id=group.id, person_id=eve.require())
    await rooms.answer(session, eve, room_id=group.id, state=Member.LEFT)
    with pytest.raises(NotFound):
        await messages.say(session, eve, room_id=group.id, content="x")
    await rooms.settle(session, ana, room_id=group.id, name="Friends", muted=True)
    assert (await reading.one(session, dan, room_id=group.id)).name == "Friends"
    with pytest.raises(Forbidden):
        await rooms.settle(session, dan, room_id=group.id, name="Mine")


async def test_muted_rooms_and_muted_people(session: AsyncSession, connection: Connection) -> None:
    ana, ben, room = await pair(session)
    await rooms.settle(session, ben, room_id=room.id, muted=True)
    await messages.say(session, ana, room_id=room.id, content="x")
    assert await reading.unread(await bound(connection), ben.require()) == 0
    with pytest.raises(Forbidden, match="muted"):
        await messages.say(session, actor_for(ana.require(), muted=True), room_id=room.id, content="x")


async def test_staff_read_what_was_reported_and_it_is_logged(session: AsyncSession) -> None:
    ana, ben, room = await pair(session)
    staff = await make_actor(session, role=Role.MODERATOR)
    for number in range(15):
        last = await messages.say(session, ana, room_id=room.id, content=f"m{number}")
    with pytest.raises(Invalid):
        await reports.report(session, ben, message_id=last.id, reason=" ")
    with pytest.raises(Invalid, match="Take your own"):
        await reports.report(session, ana, message_id=last.id, reason="mine")
    await reports.report(session, ben, message_id=last.id, reason="Threats")
    await reports.report(session, ben, message_id=last.id, reason="Again")
    await messages.take_back(session, ana, message_id=last.id)
    with pytest.raises(Forbidden):
        await reports.waiting(session, ben)
    (found,) = (await reports.waiting(session, staff)).items
    context = await reports.read(session, staff, report_id=found.id)
    assert len(context.said) == 11 and found.content == "m14"
    logged = await session.scalars(select(StaffAction.action).where(StaffAction.actor_id == staff.id))
    assert list(logged) == ["chat.read"]
    await reports.settle(session, staff, report_id=found.id, remove=True, reason="It was a threat.")
    with pytest.raises(Conflict):
        await reports.settle(session, staff, report_id=found.id, remove=True, reason="x")
    assert (await reports.waiting(session, staff)).items == []


async def test_old_messages_go_and_reported_ones_wait(session: AsyncSession, context: TaskContext) -> None:
    ana, ben, room = await pair(session)
    for number in range(3):
        last = await messages.say(session, ana, room_id=room.id, content=f"m{number}")
    await reports.report(session, ben, message_id=last.id, reason="Threats")
    await session.flush()
    with clock.held_at(clock.now() + timedelta(days=731)):
        await tasks.forget_old_messages(context)
    assert await session.scalar(select(func.count()).select_from(ChatMessage)) == 1


async def test_cards_of_links_tell_nothing_that_one_may_not_see(session: AsyncSession) -> None:
    writer = await make_writer(session)
    shown = await make_article(session, writer, title="Shown")
    dark = await make_article(session, writer, title="Dark", floor_level=16)
    content = (
        f"see /articles/{shown.id} and https://here.example/articles/{dark.id}/dark "
        f"not https://else.example/articles/{shown.id} nor /models/99999999"
    )
    reader, grown = await make_actor(session), await make_actor(session, mature=True)
    (cards,) = await links.cards(session, reader, [content], host="here.example")
    assert [one.title for one in cards] == ["Shown"]
    (cards,) = await links.cards(session, grown, [content], host="here.example")
    assert [one.title for one in cards] == ["Shown", "Dark"]


@pytest.mark.parametrize(
    ("content", "absent"),
    [
        ("<b>x</b><script>alert(1)</script>", ("<b>", "<script")),
        ("![x](/img/key/width=1/x.jpeg)", ("<img",)),
        ("[x](javascript:alert(1))", ("<a",)),
        ("# Big", ("<h1",)),
    ],
)
def test_messages_are_little_markdown(content: str, absent: tuple[str, ...]) -> None:
    html = words.html(content)
    assert not any(bad in html for bad in absent)


def test_addresses_become_links() -> None:
    html = words.html("see https://x.example/a?b=1&c=2 now")
    assert '<a href="https://x.example/a?b=1&amp;c=2" rel="nofollow ugc noopener">' in html


async def test_the_menu_counts_rooms_with_something_unread_by_others(
    session: AsyncSession, connection: Connection
) -> None:
    ana, ben, room = await pair(session)
    eve = await make_actor(session)
    group = await rooms.open_room(session, eve, people=[ana.require(), ben.require()], name="Three")
    for who in (ana, ben):
        await rooms.answer(session, who, room_id=group.id, state=Member.JOINED)
    reads = await bound(connection)
    people = [ana.require(), ben.require(), eve.require()]

    async def counts() -> list[int]:
        found = await reading.unread_of(reads, people)
        return [found[person] for person in people]

    assert await counts() == [0, 0, 0]
    for _ in range(2):
        await messages.say(session, ana, room_id=room.id, content="Hello")
    await messages.say(session, eve, room_id=group.id, content="Hello all")
    assert await counts() == [1, 2, 0], "rooms are counted, not messages, and never one's own words"
    # What a blocked person says is not shown, so it is not counted either.
    await make_follow(session, ben.require(), eve.require(), "block")
    assert await counts() == [1, 1, 0]
    await session.execute(update(ChatMember).where(ChatMember.room_id == room.id).values(muted=True))
    assert await counts() == [1, 0, 0]
    await messages.read_to(session, ana, room_id=group.id, message_id=2**62)
    assert await counts() == [0, 0, 0]
