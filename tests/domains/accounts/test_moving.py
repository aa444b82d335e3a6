"""Changing the address, confirmed at both ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import SITE, Post, SignIn, secret_in
from tests.factories.accounts import make_actor, make_person

from civitas.contracts.site import SiteInfo
from civitas.domains.accounts import blocklists, moving, passwords, queries
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import SYSTEM, Actor
from civitas.infra.db.database import Database
from civitas.infra.mail.mailer import Mailer, MemoryMailer
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid


async def ask(
    session: AsyncSession, actor: Actor, post: Post, email: str = "new@example.org"
) -> tuple[str, str]:
    """The secrets at the old and the new end."""
    await moving.request_change(session, actor, email=email)
    mails = {mail.to: secret_in(mail) for mail in await post.deliver()}
    assert set(mails) == {"ada@example.org", email}
    return mails["ada@example.org"], mails[email]


@pytest.mark.parametrize("first", ["old", "new"])
async def test_both_ends_must_confirm(session: AsyncSession, ada: Actor, post: Post, first: str) -> None:
    old, new = await ask(session, ada, post)
    steps = [(old, "old"), (new, "new")]
    if first == "new":
        steps.reverse()
    assert not await moving.confirm_end(session, token=steps[0][0], end=steps[0][1])  # type: ignore[arg-type]
    assert (await queries.account(session, ada)).email == "ada@example.org"
    with pytest.raises(Invalid):
        await moving.confirm_end(session, token=steps[0][0], end=steps[0][1])  # type: ignore[arg-type]
    assert await moving.confirm_end(session, token=steps[1][0], end=steps[1][1])  # type: ignore[arg-type]
    assert (await queries.account(session, ada)).email == "new@example.org"
    (mail,) = await post.deliver()
    assert mail.to == "ada@example.org" and "new@example.org" in mail.text


async def test_one_end_cannot_stand_for_the_other(session: AsyncSession, ada: Actor, post: Post) -> None:
    old, new = await ask(session, ada, post)
    for token, end in ((old, "new"), (new, "old"), ("made up", "old")):
        with pytest.raises(Invalid):
            await moving.confirm_end(session, token=token, end=end)  # type: ignore[arg-type]


async def test_ends_of_two_requests_do_not_add_up(session: AsyncSession, ada: Actor, post: Post) -> None:
    old, _ = await ask(session, ada, post, "first@example.org")
    _, new = await ask(session, ada, post, "second@example.org")
    with pytest.raises(Invalid):
        await moving.confirm_end(session, token=old, end="old")
    assert not await moving.confirm_end(session, token=new, end="new")
    assert (await queries.account(session, ada)).email == "ada@example.org"


async def test_a_taken_address_is_not_told(session: AsyncSession, ada: Actor, bob: Actor, post: Post) -> None:
    assert await moving.request_change(session, ada, email="bob@example.org") is None
    assert [mail.to for mail in await post.deliver()] == ["ada@example.org"]


async def test_an_address_taken_meanwhile(session: AsyncSession, ada: Actor, post: Post) -> None:
    old, new = await ask(session, ada, post)
    await make_person(session, "Faster", email="new@example.org")
    await moving.confirm_end(session, token=old, end="old")
    with pytest.raises(Conflict) as caught:
        await moving.confirm_end(session, token=new, end="new")
    assert caught.value.code == "email_taken"


async def test_without_a_verified_address_the_new_end_is_enough(
    session: AsyncSession, post: Post, sign_in: SignIn
) -> None:
    actor = await sign_in(await make_person(session, email=None, email_verified_at=None))
    await moving.request_change(session, actor, email="mine@example.org")
    assert await moving.confirm_end(session, token=await post.secret(), end="new")
    account = await queries.account(session, actor)
    assert (account.email, account.email_verified) == ("mine@example.org", True)


async def test_what_is_refused(session: AsyncSession, ada: Actor) -> None:
    await blocklists.add(session, SYSTEM, blocklist=blocklists.Blocklist.EMAIL_DOMAIN, values=["bad.example"])
    for email, code in (
        ("ADA@example.org", "same_email"),
        ("x@bad.example", "email_domain_blocked"),
        ("nonsense", "bad_email"),
    ):
        with pytest.raises(Invalid) as caught:
            await moving.request_change(session, ada, email=email)
        assert caught.value.code == code
    with clock.held_at(clock.now() + timedelta(hours=1)):
        with pytest.raises(Forbidden):
            await moving.request_change(session, ada, email="new@example.org")


async def test_a_moved_account_ignores_links_sent_to_the_old_address(
    session: AsyncSession, ada: Actor, post: Post
) -> None:
    await passwords.request_reset(session, email="ada@example.org")
    reset = await post.secret()
    old, new = await ask(session, ada, post)
    await moving.confirm_end(session, token=old, end="old")
    await moving.confirm_end(session, token=new, end="new")
    with pytest.raises(Invalid):
        await passwords.reset(session, token=reset, new="a brand new one")


async def test_both_ends_at_once_change_the_address(own_dsn: str) -> None:
    database, mailer = Database(own_dsn), MemoryMailer()
    try:
        async with database.unit() as session:
            actor = await make_actor(session, "Ada")
        async with database.unit() as session:
            await moving.request_change(session, actor, email="new@example.org")
        await drain(TaskContext(database, {Mailer: mailer, SiteInfo: SITE}))
        secrets = {mail.to: secret_in(mail) for mail in mailer.sent}

        async def confirm(token: str, end: moving.End) -> bool:
            async with database.unit() as session:
                done = await moving.confirm_end(session, token=token, end=end)
                await asyncio.sleep(0.1)
                return done

        outcomes = await asyncio.gather(
            confirm(secrets["ada@example.org"], "old"), confirm(secrets["new@example.org"], "new")
        )
        assert sorted(outcomes) == [False, True]
        async with database.reading() as session:
            email = await session.scalar(select(Person.email).where(Person.id == actor.id))
            assert email == "new@example.org"
    finally:
        await database.close()
