"""The mail of the day: who gets it, what it says, and the way out of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_person

from civitas.contracts.site import SiteInfo
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.community.notifications import delivering, digest_letters, digests, reading, tasks
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.digests import DigestKey
from civitas.domains.community.notifications.tables import NotificationDigest
from civitas.infra.db.database import BoundDatabase
from civitas.infra.mail.mailer import Mailer, MemoryMailer
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import clock
from civitas.kit.errors import Invalid

KEY = DigestKey.derived(b"a secret of thirty-two bytes....")
SITE = SiteInfo("Civitas", "https://hub.example.org")
DAY = timedelta(days=1)


@pytest.fixture
def mailer() -> MemoryMailer:
    return MemoryMailer()


@pytest.fixture
def context(units: BoundDatabase, mailer: MemoryMailer) -> TaskContext:
    return TaskContext(units, {Mailer: mailer, SiteInfo: SITE, DigestKey: KEY})


async def tip(session: AsyncSession, person: Actor, title: str, giver: int) -> None:
    data = {"title": title, "quarters": 40, "path": "/buzz/tips"}
    await delivering.tell(session, Note("tip", [person.require()], title, None, giver, data))


async def reader(session: AsyncSession, name: str = "") -> Actor:
    """Somebody who has wanted the mail since two days ago."""
    actor = await make_actor(session, name) if name else await make_actor(session)
    with clock.held_at(clock.now() - 2 * DAY):
        await digests.want(session, actor, on=True)
    return actor


async def test_one_mail_a_person_with_what_is_unread(
    session: AsyncSession, context: TaskContext, mailer: MemoryMailer
) -> None:
    giver = await make_person(session, "giver_d")
    ana, ben, cy = await reader(session, "ana_d"), await reader(session), await make_actor(session)
    for who in (ana, cy):
        await tip(session, who, "Lanterns\nBcc: <b>all</b>", giver)
        await tip(session, who, "Waves", giver)
    await tip(session, ben, "Read already", giver)
    await reading.mark_read(session, ben)
    await tasks.send_digests(context)
    await drain(context)
    (mail,) = mailer.sent
    assert (mail.to, mail.subject) == ("ana_d@example.org", "2 things that you have not read at Civitas")
    assert "- giver_d tipped you 10 Buzz for Waves\n  https://hub.example.org/buzz/tips" in mail.text
    assert "Lanterns Bcc: <b>all</b>" in mail.text, "a title makes no line of its own"
    assert mail.html is not None and "&lt;b&gt;all&lt;/b&gt;" in mail.html
    stop = f"https://hub.example.org/notifications/unsubscribe?token={KEY.token(ana.require())}"
    assert stop in mail.text and "https://hub.example.org/account/notifications" in mail.text
    assert mail.headers["List-Unsubscribe"] == f"<{stop}>"
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    # Nobody is mailed twice a day, nor twice about the same.
    await tip(session, ana, "Later", giver)
    await tasks.send_digests(context)
    await drain(context)
    assert len(mailer.sent) == 1
    with clock.held_at(clock.now() + DAY):
        await tasks.send_digests(context)
        await drain(context)
        assert mailer.sent[1].subject == "1 thing that you have not read at Civitas"
        assert "Later" in mailer.sent[1].text and "Waves" not in mailer.sent[1].text
    with clock.held_at(clock.now() + 2 * DAY):
        await tasks.send_digests(context)
        await drain(context)
    assert len(mailer.sent) == 2, "there was nothing new"


async def test_who_reads_or_leaves_or_thinks_better_of_it_in_between_gets_none(
    session: AsyncSession, context: TaskContext, mailer: MemoryMailer
) -> None:
    giver = await make_person(session)
    people = [await reader(session) for _ in range(5)]
    for who in people:
        await tip(session, who, "Lanterns", giver)
    await tasks.send_digests(context)
    await reading.mark_read(session, people[0])
    await digests.want(session, people[1], on=False)
    for who, columns in ((2, {"status": "banned"}), (3, {"email_verified_at": None})):
        await session.execute(update(Person).where(Person.id == people[who].id).values(**columns))
    await drain(context)
    assert [mail.to for mail in mailer.sent] == [
        await session.scalar(select(Person.email).where(Person.id == people[4].id))
    ]


async def test_whoever_asks_hears_of_what_comes_from_then_on(
    session: AsyncSession, context: TaskContext, mailer: MemoryMailer
) -> None:
    giver, ana = await make_person(session), await make_actor(session)
    await tip(session, ana, "Before", giver)
    assert not await digests.wanted(session, ana)
    await digests.want(session, ana, on=True)
    await digests.want(session, ana, on=True)
    assert await digests.wanted(session, ana)
    with clock.held_at(clock.now() + DAY):
        await tip(session, ana, "After", giver)
        await tasks.send_digests(context)
        await drain(context)
    (mail,) = mailer.sent
    assert "After" in mail.text and "Before" not in mail.text
    await digests.want(session, ana, on=False)
    assert not await digests.wanted(session, ana)


async def test_many_are_chosen_in_one_statement_and_long_mails_are_cut(
    session: AsyncSession, connection: AsyncConnection
) -> None:
    giver = await make_person(session)
    people = [await reader(session) for _ in range(4)]
    for number in range(digests.SHOWN + 3):
        await tip(session, people[0], f"Number {number}", giver)
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert await digests.claim(session, limit=3) == 3
    assert await digests.claim(session, limit=3) == 1
    assert await digests.claim(session, limit=3) == 0
    # Three choices, and the task of the one who has something unread.
    assert len([one for one in asked if "notification_digests" in one]) == 3
    told = await session.scalars(select(NotificationDigest.told_until))
    assert all(one > clock.now() - DAY for one in told)
    digest = await digests.of(
        session, person_id=people[0].require(), since=clock.now() - DAY, until=clock.now() + DAY
    )
    assert digest is not None and (len(digest.lines), digest.total) == (digests.SHOWN, digests.SHOWN + 3)
    assert "And 3 more." in digest_letters.compose(digest, SITE, "x").text


def test_a_token_is_for_one_person_and_cannot_be_made() -> None:
    token = KEY.token(7)
    assert KEY.person(token) == 7
    other = DigestKey.derived(b"another secret").token(7)
    for wrong in (
        other,
        "8." + token[2:],
        token[:-2],
        "",
        "7",
        "7.",
        "7.é",
        "x.y",
        "99999999999999999999.a",
        token + "=",
    ):
        with pytest.raises(Invalid):
            KEY.person(wrong)


async def test_the_link_stops_it_without_an_actor(session: AsyncSession) -> None:
    ana = await reader(session)
    await digests.unsubscribe(session, person_id=ana.require())
    await digests.unsubscribe(session, person_id=ana.require())
    assert not await digests.wanted(session, actor_for(ana.require()))
