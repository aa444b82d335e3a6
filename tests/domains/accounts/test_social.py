"""Signing in with accounts from elsewhere."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import Post, SignIn
from tests.domains.accounts.test_totp import turn_on
from tests.factories.accounts import make_person

from civitas.domains.accounts import blocklists, social
from civitas.domains.accounts.sessions import SignedIn
from civitas.domains.accounts.signing_in import SecondStep
from civitas.domains.accounts.social import Elsewhere
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import SYSTEM, Actor
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

GITHUB = Elsewhere("github", "12345", "Ada Lovelace", "ada@example.org", email_verified=True)


async def enter(session: AsyncSession, profile: Elsewhere, **options: bool) -> SignedIn:
    done = await social.sign_in_or_join(session, profile=profile, **options)
    assert isinstance(done, SignedIn)
    return done


async def test_a_newcomer_gets_an_account_and_finds_it_again(session: AsyncSession) -> None:
    first = await enter(session, GITHUB)
    assert (first.actor.username, first.actor.verified, first.actor.onboarded) == (
        "ada_lovelace",
        True,
        False,
    )
    moved = Elsewhere("github", "12345", "Renamed", "elsewhere@example.org", email_verified=True)
    second = await enter(session, moved)
    assert second.actor.id == first.actor.id
    (identity,) = await social.mine(session, second.actor)
    assert (identity.provider, identity.name, identity.email) == ("github", "Renamed", "ada@example.org")


async def test_a_verified_address_on_both_sides_is_the_same_person(
    session: AsyncSession, ada: Actor, post: Post
) -> None:
    done = await enter(session, GITHUB)
    assert done.actor.id == ada.id
    (mail,) = await post.deliver()
    assert "github" in mail.text


async def test_an_unverified_address_counts_for_nothing(session: AsyncSession, ada: Actor) -> None:
    done = await enter(session, Elsewhere("github", "666", "Mallory", "ada@example.org"))
    assert done.actor.id != ada.id and not done.actor.verified
    email = await session.scalar(select(Person.email).where(Person.id == done.actor.id))
    assert email is None


async def test_an_address_that_was_never_confirmed_here_is_not_joined_silently(
    session: AsyncSession,
) -> None:
    await make_person(session, "Squatter", email="ada@example.org", email_verified_at=None)
    with pytest.raises(Conflict) as caught:
        await enter(session, GITHUB)
    assert caught.value.code == "email_unconfirmed"


async def test_the_second_step_is_asked_for(session: AsyncSession, ada: Actor) -> None:
    await turn_on(session, ada)
    assert isinstance(await social.sign_in_or_join(session, profile=GITHUB), SecondStep)


async def test_a_closed_site_takes_only_its_own(session: AsyncSession, ada: Actor) -> None:
    stranger = Elsewhere("google", "7", "New", "new@example.org", email_verified=True)
    with pytest.raises(Forbidden) as caught:
        await enter(session, stranger, may_join=False)
    assert caught.value.code == "joining_closed"
    assert (await enter(session, GITHUB, may_join=False)).actor.id == ada.id


async def test_disposable_addresses_cannot_join(session: AsyncSession) -> None:
    await blocklists.add(session, SYSTEM, blocklist=blocklists.Blocklist.EMAIL_DOMAIN, values=["example.org"])
    with pytest.raises(Invalid):
        await enter(session, GITHUB)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Łukasz Żółć", "ukasz_zo"),
        ("admin", "admin_"),
        ("", "ada"),
        ("日本", "person"),
        ("x", ""),
        ("a" * 99, "aaa"),
    ],
)
async def test_every_name_becomes_a_username(session: AsyncSession, name: str, expected: str) -> None:
    await make_person(session, "ada", email=None)
    done = await enter(
        session, Elsewhere("discord", "1" + name, name, "ada@example.org", email_verified=True)
    )
    made = done.actor.username or ""
    assert 3 <= len(made) <= 25 and made.startswith(expected) and made != "admin"


@pytest.mark.parametrize(
    "profile",
    [
        Elsewhere("unknown", "1"),
        Elsewhere("github", ""),
        Elsewhere("github", "x" * 256),
        Elsewhere("github", "nul\0"),
    ],
)
async def test_broken_profiles_are_refused(session: AsyncSession, profile: Elsewhere) -> None:
    with pytest.raises(Invalid):
        await enter(session, profile)


async def test_linking_and_unlinking(session: AsyncSession, ada: Actor, bob: Actor, post: Post) -> None:
    google = Elsewhere("google", "g1", "Ada")
    await social.link(session, ada, profile=google)
    await social.link(session, ada, profile=google)
    assert (await enter(session, google)).actor.id == ada.id
    with pytest.raises(Conflict) as caught:
        await social.link(session, bob, profile=google)
    assert caught.value.code == "linked_elsewhere"
    with pytest.raises(Conflict) as caught:
        await social.link(session, ada, profile=Elsewhere("google", "g2"))
    assert caught.value.code == "provider_linked"
    (identity,) = await social.mine(session, ada)
    with pytest.raises(NotFound):
        await social.unlink(session, bob, identity_id=identity.id)
    await social.unlink(session, ada, identity_id=identity.id)
    assert await social.mine(session, ada) == []


async def test_the_last_way_in_stays(session: AsyncSession, sign_in: SignIn) -> None:
    done = await enter(session, Elsewhere("reddit", "r1", "Lonely"))
    (identity,) = await social.mine(session, done.actor)
    with pytest.raises(Conflict) as caught:
        await social.unlink(session, done.actor, identity_id=identity.id)
    assert caught.value.code == "last_way_in"
