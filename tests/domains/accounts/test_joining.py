"""Becoming a member."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import pytest
from psycopg.pq.abc import PGresult
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import SITE, Post, secret_in
from tests.factories.accounts import make_person

from civitas.contracts.site import SiteInfo
from civitas.domains.accounts import blocklists, joining, signing_in
from civitas.domains.accounts.sessions import Browser, SignedIn
from civitas.domains.accounts.tables import MailToken, Person
from civitas.domains.accounts.types import SYSTEM, Role
from civitas.infra.db.database import Database
from civitas.infra.db.direct import Direct, Values
from civitas.infra.mail.mailer import Mailer, MemoryMailer
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid

GOOD = {"username": "Grace_H", "email": "Grace@Example.org", "password": "a fine long one"}


async def test_a_stranger_joins_by_the_mailed_link(session: AsyncSession, post: Post) -> None:
    await joining.sign_up(session, **GOOD, visitor="cookie")
    assert await session.scalar(select(Person.id).where(Person.username == "Grace_H")) is None
    (mail,) = await post.deliver()
    assert mail.to == "Grace@example.org"
    assert "https://hub.example.org/join/confirm?token=" in mail.text
    assert await joining.pending(session, token=secret_in(mail)) == ("Grace_H", "Grace@example.org")
    done = await joining.confirm(
        session, token=secret_in(mail), visitor="cookie", browser=Browser("Firefox", "203.0.113.5")
    )
    assert isinstance(done, SignedIn)
    assert (done.actor.username, done.actor.verified, done.actor.onboarded) == ("Grace_H", True, False)
    again = await signing_in.by_password(session, login="grace@example.org", password=GOOD["password"])
    assert isinstance(again, SignedIn) and again.actor.id == done.actor.id


async def test_the_secret_is_never_at_rest(session: AsyncSession, post: Post) -> None:
    await joining.sign_up(session, **GOOD)
    secret = await post.secret()
    row = (await session.scalars(select(MailToken))).one()
    assert secret.encode() not in row.digest and secret not in str(row.payload)


async def test_a_taken_address_gets_the_same_answer_and_its_owner_a_mail(
    session: AsyncSession, post: Post
) -> None:
    await make_person(session, "Owner", email="grace@example.org")
    assert await joining.sign_up(session, **GOOD) is None
    (mail,) = await post.deliver()
    assert mail.to == "Grace@example.org" and "already" in mail.subject and "token=" not in mail.text


async def test_a_taken_address_costs_the_same_statements(session: AsyncSession) -> None:
    await make_person(session, "Owner", email="taken@example.org")
    free = await _statements(session, joining.sign_up(session, **{**GOOD, "email": "free@example.org"}))
    taken = await _statements(session, joining.sign_up(session, **{**GOOD, "email": "taken@example.org"}))
    assert free == taken and len(free) > 3


async def test_an_unknown_address_costs_the_same_statements_for_links(session: AsyncSession) -> None:
    await make_person(session, "Owner", email="taken@example.org")
    known = await _statements(session, signing_in.request_link(session, email="taken@example.org"))
    unknown = await _statements(session, signing_in.request_link(session, email="nobody@example.org"))
    assert known == unknown and len(known) >= 3


async def _statements(session: AsyncSession, work: object) -> list[str]:
    seen: list[str] = []
    connection = (await session.connection()).sync_connection

    def note(_c: object, _cur: object, statement: str, *_: object) -> None:
        seen.append(statement)

    ask = Direct.ask_within

    async def note_past_the_mapper(direct: Direct, statement: str, values: Values) -> PGresult:
        seen.append(statement)
        return await ask(direct, statement, values)

    event.listen(connection, "before_cursor_execute", note)
    try:
        with patch.object(Direct, "ask_within", note_past_the_mapper):
            await work  # type: ignore[misc]
    finally:
        event.remove(connection, "before_cursor_execute", note)
    return seen


async def test_a_link_works_once(session: AsyncSession, post: Post) -> None:
    await joining.sign_up(session, **GOOD, visitor="v")
    secret = await post.secret()
    await joining.confirm(session, token=secret, visitor="v")
    with pytest.raises(Invalid, match="expired or was used"):
        await joining.confirm(session, token=secret, visitor="v")


async def test_a_link_expires(session: AsyncSession, post: Post) -> None:
    await joining.sign_up(session, **GOOD, visitor="v")
    secret = await post.secret()
    with clock.held_at(clock.now() + joining.mail_links.LIFETIME[joining.Purpose.JOIN]):
        with pytest.raises(Invalid) as caught:
            await joining.confirm(session, token=secret, visitor="v")
    assert caught.value.code == "link_expired"


async def test_a_link_is_good_for_its_purpose_only(session: AsyncSession, post: Post) -> None:
    await make_person(session, "Owner", email="o@example.org")
    await signing_in.request_link(session, email="o@example.org")
    secret = await post.secret()
    for use in (joining.confirm(session, token=secret), joining.verify(session, token=secret)):
        with pytest.raises(Invalid):
            await use
    assert isinstance(await signing_in.by_link(session, token=secret), SignedIn)


@pytest.mark.parametrize("secret", ["", "x", "ä" * 50, "\0", "a" * 100_000, "' OR 1=1 --"])
async def test_made_up_secrets_are_refused(session: AsyncSession, secret: str) -> None:
    with pytest.raises(Invalid) as caught:
        await joining.confirm(session, token=secret)
    assert caught.value.code == "link_expired"


async def test_another_browser_needs_the_password(session: AsyncSession, post: Post) -> None:
    await joining.sign_up(session, **GOOD, visitor="the browser that asked")
    secret = await post.secret()
    for visitor, password in (("another", None), ("", "wrong password"), ("", None)):
        with pytest.raises(Forbidden) as caught:
            async with session.begin_nested():
                await joining.confirm(session, token=secret, visitor=visitor, password=password)
        assert caught.value.code == "password_needed"
    done = await joining.confirm(session, token=secret, visitor="another", password=GOOD["password"])
    assert isinstance(done, SignedIn)


async def test_a_name_taken_meanwhile_can_be_replaced(session: AsyncSession, post: Post) -> None:
    await joining.sign_up(session, **GOOD, visitor="v")
    secret = await post.secret()
    await make_person(session, "GRACE_h")
    with pytest.raises(Conflict) as caught:
        async with session.begin_nested():
            await joining.confirm(session, token=secret, visitor="v")
    assert caught.value.code == "username_taken"
    done = await joining.confirm(session, token=secret, visitor="v", username="Grace_Hopper")
    assert isinstance(done, SignedIn) and done.actor.username == "Grace_Hopper"


async def test_joining_voids_other_requests_for_the_address(session: AsyncSession, post: Post) -> None:
    await joining.sign_up(session, **GOOD, visitor="v")
    first = await post.secret()
    await joining.sign_up(session, **{**GOOD, "username": "Other"}, visitor="v")
    second = await post.secret()
    await joining.confirm(session, token=first, visitor="v")
    with pytest.raises(Invalid):
        await joining.confirm(session, token=second, visitor="v")


async def test_resending_repeats_the_waiting_request_only(session: AsyncSession, post: Post) -> None:
    await joining.resend(session, email="nobody@example.org")
    assert await post.deliver() == []
    await joining.sign_up(session, **GOOD, visitor="v")
    await post.deliver()
    await joining.resend(session, email=GOOD["email"])
    done = await joining.confirm(session, token=await post.secret(), visitor="v")
    assert isinstance(done, SignedIn) and done.actor.username == "Grace_H"


async def test_an_address_gets_a_handful_of_mails_an_hour(session: AsyncSession, post: Post) -> None:
    for _ in range(joining.mail_links.PER_HOUR + 3):
        await joining.sign_up(session, **GOOD)
    assert len(await post.deliver()) == joining.mail_links.PER_HOUR


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("username", "ab", "bad_username"),
        ("username", "a" * 26, "bad_username"),
        ("username", "with space", "bad_username"),
        ("username", "dot.ted", "bad_username"),
        ("username", "Ünïcode", "bad_username"),
        ("username", "аdmіn", "bad_username"),
        ("username", "line\n", "bad_username"),
        ("username", "nul\0nul", "bad_username"),
        ("username", "../etc", "bad_username"),
        ("username", "Admin", "username_reserved"),
        ("username", "models", "username_reserved"),
        ("username", "CIVITAS", "username_reserved"),
        ("email", "no-at", "bad_email"),
        ("email", "a@b@c.org", "bad_email"),
        ("email", "a@example.org\nBcc: x@example.org", "bad_email"),
        ("email", "nul\0@example.org", "bad_email"),
        ("email", "a" * 5000 + "@example.org", "bad_email"),
        ("email", "", "bad_email"),
        ("password", "short", "weak_password"),
        ("password", "password123", "weak_password"),
        ("password", "aaaaaaaaaaaa", "weak_password"),
        ("password", "grace@example.org", "weak_password"),
        ("password", "x1" * 1000, "weak_password"),
    ],
)
async def test_bad_input_is_refused_by_field(
    session: AsyncSession, field: str, value: str, code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await joining.sign_up(session, **{**GOOD, field: value})
    assert caught.value.code == code and field in caught.value.fields
    assert await session.scalar(select(func.count()).select_from(MailToken)) == 0


async def test_names_and_domains_on_the_blocklists_are_refused(session: AsyncSession) -> None:
    await blocklists.add(session, SYSTEM, blocklist=blocklists.Blocklist.USERNAME_EXACT, values=["villain"])
    await blocklists.add(session, SYSTEM, blocklist=blocklists.Blocklist.USERNAME_PARTIAL, values=["bad_w"])
    await blocklists.add(
        session, SYSTEM, blocklist=blocklists.Blocklist.EMAIL_DOMAIN, values=["throwaway.example"]
    )
    refused = {
        "Villain": "username_reserved",
        "my_BAD_word": "username_reserved",
    }
    for name, code in refused.items():
        with pytest.raises(Invalid) as caught:
            await joining.sign_up(session, **{**GOOD, "username": name})
        assert caught.value.code == code
    # An underscore on the list is a letter, not a wildcard.
    await joining.sign_up(session, **{**GOOD, "username": "badXword"})
    for address in ("x@throwaway.example", "x@mail.THROWAWAY.example"):
        with pytest.raises(Invalid) as caught:
            await joining.sign_up(session, **{**GOOD, "email": address})
        assert caught.value.code == "email_domain_blocked"


async def test_a_taken_name_is_told(session: AsyncSession) -> None:
    await make_person(session, "grace_h")
    with pytest.raises(Conflict) as caught:
        await joining.sign_up(session, **GOOD)
    assert caught.value.code == "username_taken"


async def test_two_at_once_cannot_have_one_name(own_dsn: str) -> None:
    database, mailer = Database(own_dsn), MemoryMailer()
    try:
        for number in (1, 2):
            async with database.unit() as session:
                await joining.sign_up(
                    session,
                    username="Wanted",
                    email=f"p{number}@example.org",
                    password="a fine long one",
                    visitor="v",
                )
        await drain(TaskContext(database, {Mailer: mailer, SiteInfo: SITE}))
        first, second = (secret_in(mail) for mail in mailer.sent)

        async def confirm(secret: str) -> str:
            try:
                async with database.unit() as session:
                    await joining.confirm(session, token=secret, visitor="v")
                    await asyncio.sleep(0.1)
            except Fault as fault:
                return fault.code
            return "joined"

        outcomes = await asyncio.gather(confirm(first), confirm(second))
        assert sorted(outcomes) == ["joined", "username_taken"]
    finally:
        await database.close()


async def test_one_link_used_twice_at_once_makes_one_account(own_dsn: str) -> None:
    database, mailer = Database(own_dsn), MemoryMailer()
    try:
        async with database.unit() as session:
            await joining.sign_up(session, **GOOD, visitor="v")
        await drain(TaskContext(database, {Mailer: mailer, SiteInfo: SITE}))

        async def confirm() -> str:
            try:
                async with database.unit() as session:
                    await joining.confirm(session, token=secret_in(mailer.sent[0]), visitor="v")
            except Fault as fault:
                return fault.code
            return "joined"

        assert sorted(await asyncio.gather(confirm(), confirm())) == ["joined", "link_expired"]
    finally:
        await database.close()


async def test_an_instance_without_mail_joins_at_once(session: AsyncSession) -> None:
    done = await joining.join_at_once(session, **GOOD)
    assert done.actor.username == "Grace_H" and not done.actor.verified
    with pytest.raises(Conflict) as caught:
        await joining.join_at_once(session, **{**GOOD, "username": "Other"})
    assert caught.value.code == "email_taken"


async def test_an_address_can_be_verified_later(session: AsyncSession, post: Post) -> None:
    actor = (await joining.join_at_once(session, **GOOD)).actor
    await joining.request_verification(session, actor)
    secret = await post.secret()
    assert await joining.verify(session, token=secret) == actor.id
    await joining.request_verification(session, actor)
    assert await post.deliver() == []


async def test_the_operator_makes_accounts_with_reserved_names(session: AsyncSession) -> None:
    with pytest.raises(Invalid):
        await joining.create_person(session, username="admin", email=None)
    made = await joining.create_person(
        session,
        username="admin",
        email="root@localhost",
        password="correct horse",
        role=Role.ADMIN,
        reserved=True,
    )
    done = await signing_in.by_password(session, login="ADMIN", password="correct horse")
    assert isinstance(done, SignedIn) and (done.actor.id, done.actor.is_admin) == (made, True)
