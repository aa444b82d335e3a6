"""What staff do, and the log of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import Post
from tests.domains.accounts.test_totp import turn_on
from tests.factories.accounts import make_actor, make_key, make_person

from civitas.domains.accounts import (
    audit,
    blocklists,
    keys,
    passwords,
    policy,
    sessions,
    signing_in,
    standing,
    totp,
)
from civitas.domains.accounts.types import ANONYMOUS, SYSTEM, SYSTEM_ID, Actor, Role
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unauthorised

WHY = "Because of the report 7."


@pytest.fixture
async def mod(session: AsyncSession) -> Actor:
    return await make_actor(session, "Mona", role=Role.MODERATOR)


@pytest.fixture
async def root(session: AsyncSession) -> Actor:
    return await make_actor(session, "Root", role=Role.ADMIN)


async def test_a_ban_closes_every_door(session: AsyncSession, ada: Actor, mod: Actor, post: Post) -> None:
    opened = await sessions.open_session(session, ada.id or 0, method="password")
    key = await make_key(session, ada.id or 0)
    await standing.ban(session, mod, person_id=ada.id or 0, code="Harassment", reason=WHY)
    assert await signing_in.actor_of_session(session, opened.token) is None
    assert await keys.actor_of_key(session, key) is None
    now = await standing.of(session, ada.id or 0)
    assert (now.status, now.ban_code, now.ban_label) == ("banned", "Harassment", "Harassment")
    (mail,) = await post.deliver()
    assert "closed" in mail.subject and WHY not in mail.text
    with pytest.raises(Conflict):
        await standing.ban(session, mod, person_id=ada.id or 0, code="Other", reason=WHY)
    await standing.unban(session, mod, person_id=ada.id or 0, reason="Appeal granted.")
    assert await keys.actor_of_key(session, key) is not None
    assert await signing_in.actor_of_session(session, opened.token) is None
    log = await audit.page(session, mod, about=ada.id)
    assert [(deed.action, deed.actor_id) for deed in log.items] == [("unban", mod.id), ("ban", mod.id)]
    assert log.items[1].details == {"code": "Harassment"}


async def test_every_ban_code_has_a_public_label() -> None:
    known = (
        "SexualMinor SexualMinorGenerator SexualMinorTraining SexualPOI Bestiality Scat Nudify Harassment "
        "LeaderboardCheating BuzzCheating RRDViolation Other"
    )
    assert set(standing.BAN_LABELS) == set(known.split())


async def test_mutes_end_by_themselves(session: AsyncSession, ada: Actor, mod: Actor, post: Post) -> None:
    opened = await sessions.open_session(session, ada.id or 0, method="password")
    until = clock.now() + timedelta(days=2)
    await standing.mute(session, mod, person_id=ada.id or 0, until=until, reason=WHY)
    muted = await signing_in.actor_of_session(session, opened.token)
    assert muted is not None and muted.muted
    with pytest.raises(Forbidden) as caught:
        policy.require_voice(muted)
    assert caught.value.code == "muted"
    with clock.held_at(until + timedelta(seconds=1)):
        later = await signing_in.actor_of_session(session, opened.token)
        assert later is not None and not later.muted
    await standing.mute(session, mod, person_id=ada.id or 0, until=None, reason=WHY)
    with clock.held_at(datetime(2990, 1, 1, tzinfo=UTC)):
        assert (await standing.of(session, ada.id or 0)).muted_until == standing.FOR_EVER
    await standing.unmute(session, mod, person_id=ada.id or 0, reason=WHY)
    assert (await standing.of(session, ada.id or 0)).muted_until is None
    assert len(await post.deliver()) == 2


@pytest.mark.parametrize("days", [-1, 0, 4000])
async def test_mutes_have_a_sensible_end(session: AsyncSession, ada: Actor, mod: Actor, days: int) -> None:
    with pytest.raises(Invalid):
        until = clock.now() + timedelta(days=days)
        await standing.mute(session, mod, person_id=ada.id or 0, until=until, reason=WHY)


async def test_nobody_judges_themselves_their_peers_or_the_site(
    session: AsyncSession, ada: Actor, mod: Actor, root: Actor
) -> None:
    other = await make_person(session, role="moderator")
    for actor, target in (
        (ada, other),
        (ANONYMOUS, other),
        (mod, mod.id or 0),
        (mod, other),
        (mod, root.id or 0),
        (root, root.id or 0),
        (root, SYSTEM_ID),
        (mod, 2**61),
    ):
        with pytest.raises((Forbidden, NotFound, Unauthorised)):
            await standing.ban(session, actor, person_id=target, code="Other", reason=WHY)
    await standing.ban(session, root, person_id=other, code="Other", reason=WHY)


async def test_a_reason_is_needed(session: AsyncSession, ada: Actor, mod: Actor) -> None:
    for reason in ("", " \n ", "x" * 2001, "\u202e"):
        with pytest.raises(Invalid) as caught:
            async with session.begin_nested():
                await standing.ban(session, mod, person_id=ada.id or 0, code="Other", reason=reason)
        assert caught.value.code == "reason_needed"
    with pytest.raises(Invalid):
        await standing.ban(session, mod, person_id=ada.id or 0, code="Nonsense", reason=WHY)
    assert (await standing.of(session, ada.id or 0)).status == "active"


async def test_roles_are_for_admins_and_end_sessions(
    session: AsyncSession, ada: Actor, mod: Actor, root: Actor
) -> None:
    with pytest.raises(Forbidden):
        await standing.grant(session, mod, person_id=ada.id or 0, role=Role.ADMIN, reason=WHY)
    opened = await sessions.open_session(session, ada.id or 0, method="password")
    await standing.grant(session, root, person_id=ada.id or 0, role=Role.MODERATOR, reason=WHY)
    assert await signing_in.actor_of_session(session, opened.token) is None
    fresh = await sessions.open_session(session, ada.id or 0, method="password")
    assert fresh.actor.is_moderator
    await standing.revoke(session, root, person_id=ada.id or 0, reason=WHY)
    assert (await standing.of(session, ada.id or 0)).role is Role.USER
    log = await audit.page(session, root, action="role.grant", by=root.id)
    assert [deed.details["after"] for deed in log.items] == ["user", "moderator"]


async def test_the_last_admin_stays(session: AsyncSession, root: Actor) -> None:
    with pytest.raises(Conflict) as caught:
        await standing.revoke(session, root, person_id=root.id or 0, reason=WHY)
    assert caught.value.code == "last_admin"
    await make_actor(session, role=Role.ADMIN)
    await standing.revoke(session, root, person_id=root.id or 0, reason=WHY)


async def test_two_admins_cannot_both_go_at_once(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            admins = [await make_actor(session, role=Role.ADMIN) for _ in range(2)]

        async def go(actor: Actor) -> str:
            try:
                async with database.unit() as session:
                    await standing.revoke(session, actor, person_id=actor.id or 0, reason=WHY)
                    await asyncio.sleep(0.1)
            except Fault as fault:
                return fault.code
            return "gone"

        assert sorted(await asyncio.gather(*map(go, admins))) == ["gone", "last_admin"]
    finally:
        await database.close()


async def test_flags_for_rewards_and_rankings(session: AsyncSession, ada: Actor, mod: Actor) -> None:
    await standing.set_flags(
        session,
        mod,
        person_id=ada.id or 0,
        reason=WHY,
        rewards_eligibility="protected",
        off_leaderboards=True,
    )
    now = await standing.of(session, ada.id or 0)
    assert (now.rewards_eligibility, now.off_leaderboards) == ("protected", True)
    with pytest.raises(Invalid):
        await standing.set_flags(session, mod, person_id=ada.id or 0, reason=WHY, rewards_eligibility="rich")


async def test_admins_help_those_who_lost_everything(
    session: AsyncSession, ada: Actor, root: Actor, post: Post
) -> None:
    await turn_on(session, ada)
    await standing.reset_second_step(session, root, person_id=ada.id or 0, reason=WHY)
    assert not await totp.is_on(session, ada.id or 0)
    await standing.set_email(session, root, person_id=ada.id or 0, email="new@example.org", reason=WHY)
    await passwords.set_by_operator(session, person_id=ada.id or 0, new="a brand new one")
    done = await signing_in.by_password(session, login="new@example.org", password="a brand new one")
    assert isinstance(done, sessions.SignedIn) and done.actor.id == ada.id
    with pytest.raises(NotFound):
        await passwords.set_by_operator(session, person_id=2**61, new="a brand new one")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE staff_actions SET reason = 'other'",
        "DELETE FROM staff_actions",
        "TRUNCATE staff_actions",
    ],
)
async def test_the_log_cannot_be_changed(session: AsyncSession, mod: Actor, statement: str) -> None:
    await audit.record(session, mod, action="test", reason=WHY)
    with pytest.raises(DBAPIError, match="append-only"):
        async with session.begin_nested():
            await session.execute(text(statement))
    (deed,) = (await audit.page(session, mod)).items
    assert deed.reason == WHY


async def test_the_log_is_paged_and_for_staff(session: AsyncSession, ada: Actor, mod: Actor) -> None:
    ids = [
        await audit.record(
            session, mod, action="test", reason=f"{n}", subject_kind="model", subject_id=n, details={"n": n}
        )
        for n in range(audit.PAGE + 5)
    ]
    first = await audit.page(session, mod)
    second = await audit.page(session, mod, cursor=first.next_cursor)
    assert [deed.id for deed in (*first.items, *second.items)] == ids[::-1]
    with pytest.raises(Forbidden):
        await audit.page(session, ada)


async def test_blocklists_are_kept_by_staff(session: AsyncSession, ada: Actor, mod: Actor) -> None:
    domains = blocklists.Blocklist.EMAIL_DOMAIN
    with pytest.raises(Forbidden):
        await blocklists.add(session, ada, blocklist=domains, values=["a.example"])
    assert await blocklists.add(session, mod, blocklist=domains, values=["A.example", " b.example "]) == 2
    assert await blocklists.add(session, mod, blocklist=domains, values=["@a.example", "c.example"]) == 1
    listed = await blocklists.page(session, mod, blocklist=domains)
    assert [entry.value for entry in listed.items] == ["a.example", "b.example", "c.example"]
    assert await blocklists.remove(session, mod, blocklist=domains, value="B.example")
    assert not await blocklists.remove(session, mod, blocklist=domains, value="b.example")
    for wrong in ("", "no-dot", "a b.example", "x" * 5000, "%", "nul\0.example"):
        with pytest.raises(Invalid):
            await blocklists.add(session, mod, blocklist=domains, values=[wrong])


async def test_long_blocklists_are_paged(session: AsyncSession) -> None:
    names = blocklists.Blocklist.USERNAME_PARTIAL
    many = [f"word{n:05}" for n in range(6000)]
    assert await blocklists.add(session, SYSTEM, blocklist=names, values=many) == 6000
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await blocklists.page(session, SYSTEM, blocklist=names, cursor=cursor)
        seen += [entry.value for entry in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == many


async def test_counts_by_status(session: AsyncSession, ada: Actor, mod: Actor) -> None:
    before = await standing.counts(session)
    await standing.ban(session, mod, person_id=ada.id or 0, code="Other", reason=WHY)
    after = await standing.counts(session)
    assert (after["active"], after["banned"]) == (before["active"] - 1, before.get("banned", 0) + 1)
