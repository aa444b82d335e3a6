"""Profiles, preferences, onboarding."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_person

from civitas.domains.accounts import blocklists, onboarding, preferences, profiles, queries
from civitas.domains.accounts.profiles import LinkKind, ProfileEdit, ProfileLink
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import ANONYMOUS, SYSTEM, Actor, Onboarding, Scope
from civitas.infra.db.database import Database
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unauthorised


async def test_a_profile_is_made_by_its_first_edit(session: AsyncSession, ada: Actor) -> None:
    assert (await profiles.text_of(session, ada.id or 0)).bio == ""
    link = ProfileLink(LinkKind.SOCIAL, "https://example.org/ada", "Mine")
    await profiles.edit(
        session,
        ada,
        changes=ProfileEdit(bio=" Hi\r\n\r\n\r\nthere\u202e ", location="  Paris\n", links=[link]),
    )
    told = await profiles.edit(session, ada, changes=ProfileEdit(pinned_message="Read me"))
    assert (told.bio, told.location, told.pinned_message, told.links) == (
        "Hi\n\nthere",
        "Paris",
        "Read me",
        (link,),
    )
    cleared = await profiles.edit(session, ada, changes=ProfileEdit(bio="", links=[], sections=["models"]))
    assert (cleared.bio, cleared.links, cleared.sections) == ("", (), ("models",))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("bio", ProfileEdit(bio="x" * 401)),
        ("pinned_message", ProfileEdit(pinned_message="x" * 1201)),
        ("location", ProfileEdit(location="x" * 31)),
        ("bio", ProfileEdit(bio="x" * 1_000_000)),
        ("sections", ProfileEdit(sections=["models", "models"])),
        ("sections", ProfileEdit(sections=["nonsense"])),
        ("links", ProfileEdit(links=[ProfileLink(LinkKind.OTHER, "https://x.org")] * 21)),
        ("links", ProfileEdit(links=[ProfileLink(LinkKind.OTHER, "https://x.org", "n" * 61)])),
        *(
            ("links", ProfileEdit(links=[ProfileLink(LinkKind.OTHER, url)]))
            for url in (
                "javascript:alert(1)",
                "data:text/html,x",
                "//evil.example",
                "https://",
                "https://localhost",
                "https://user:pw@example.org",
                "https://example.org/\nX: y",
                "https://example.org:99999",
                "https://[::1",
                "https://exa mple.org",
                'https://example.org/"onclick=',
                "https://example.org/" + "x" * 400,
            )
        ),
    ],
)
async def test_bounds_are_kept_by_field(
    session: AsyncSession, ada: Actor, field: str, changes: ProfileEdit
) -> None:
    with pytest.raises(Invalid) as caught:
        await profiles.edit(session, ada, changes=changes)
    assert list(caught.value.fields) == [field]


async def test_the_longest_texts_fit(session: AsyncSession, ada: Actor) -> None:
    told = await profiles.edit(
        session,
        ada,
        changes=ProfileEdit(bio="é" * 400, pinned_message="日" * 1200, location="x" * 30),
    )
    assert (len(told.bio), len(told.pinned_message), len(told.location)) == (400, 1200, 30)


async def test_unwelcome_sites_cannot_be_linked(session: AsyncSession, ada: Actor) -> None:
    await blocklists.add(session, SYSTEM, blocklist=blocklists.Blocklist.LINK_DOMAIN, values=["evil.example"])
    for url in ("https://evil.example/x", "http://WWW.Evil.Example."):
        with pytest.raises(Invalid):
            await profiles.edit(session, ada, changes=ProfileEdit(links=[ProfileLink(LinkKind.OTHER, url)]))
    fine = ProfileLink(LinkKind.OTHER, "https://notevil.example/")
    assert (await profiles.edit(session, ada, changes=ProfileEdit(links=[fine]))).links == (fine,)


async def test_who_may_not_edit(session: AsyncSession, ada: Actor) -> None:
    change = ProfileEdit(bio="x")
    with pytest.raises(Unauthorised):
        await profiles.edit(session, ANONYMOUS, changes=change)
    with pytest.raises(Forbidden):
        await profiles.edit(session, actor_for(ada.id or 0, scopes=Scope.READ_ONLY), changes=change)
    with pytest.raises(Forbidden) as caught:
        await profiles.edit(session, actor_for(ada.id or 0, muted=True), changes=change)
    assert caught.value.code == "muted"


async def test_renaming(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    await profiles.rename(session, ada, username="ADA")
    await profiles.rename(session, ada, username="Countess")
    assert (await queries.by_username(session, "countess")).id == ada.id
    with pytest.raises(NotFound):
        await queries.by_username(session, "ada")
    for name, kind in (("bob", Conflict), ("moderator", Invalid), ("a b", Invalid)):
        with pytest.raises(kind):
            await profiles.rename(session, ada, username=name)


async def test_two_renames_to_one_name_at_once(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            actors = [await make_actor(session), await make_actor(session)]

        async def rename(actor: Actor) -> str:
            try:
                async with database.unit() as session:
                    await profiles.rename(session, actor, username="Wanted")
                    await asyncio.sleep(0.1)
            except Fault as fault:
                return fault.code
            return "renamed"

        assert sorted(await asyncio.gather(*map(rename, actors))) == ["renamed", "username_taken"]
    finally:
        await database.close()


async def test_pictures_are_replaced(session: AsyncSession, ada: Actor) -> None:
    assert await profiles.set_avatar(session, ada, key="v/1") is None
    assert await profiles.set_avatar(session, ada, key="v/2") == "v/1"
    assert await profiles.set_cover(session, ada, key="c/1") is None
    assert await profiles.set_cover(session, ada, key=None) == "c/1"
    assert (await queries.by_id(session, ada.id or 0)).avatar_key == "v/2"


async def test_preferences_have_defaults_and_merge(session: AsyncSession, ada: Actor) -> None:
    assert await preferences.of(session, ada.id or 0) == preferences.Preferences()
    await preferences.change(session, ada, changes={"files": {"fp": "fp32"}, "theme": "dark"})
    changed = await preferences.change(session, ada, changes={"files": {"size": "full"}})
    assert (changed.files.fp, changed.files.size, changed.theme) == ("fp32", "full", "dark")
    assert await preferences.of(session, ada.id or 0) == changed
    stored = await session.scalar(select(Person.settings).where(Person.id == ada.id))
    assert stored == {"theme": "dark", "files": {"fp": "fp32", "size": "full"}}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("theme", {"theme": "pink"}),
        ("unknown", {"unknown": 1}),
        ("files.fp", {"files": {"fp": "fp1"}}),
        ("files.more", {"files": {"more": 1}}),
        ("files", {"files": "x"}),
        ("muted_notifications", {"muted_notifications": ["x"] * 101}),
        ("content.preferred_generator", {"content": {"preferred_generator": "<script>"}}),
    ],
)
async def test_wrong_preferences_are_refused_by_field(
    session: AsyncSession, ada: Actor, field: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as caught:
        await preferences.change(session, ada, changes=changes)
    assert list(caught.value.fields) == [field]


async def test_settings_of_another_version_are_forgotten_not_fatal(session: AsyncSession, ada: Actor) -> None:
    await session.execute(
        update(Person)
        .where(Person.id == ada.id)
        .values(settings={"theme": "sepia", "files": {"fp": "fp32"}, "old": 1})
    )
    found = await preferences.of(session, ada.id or 0)
    assert (found.theme, found.files.fp) == ("system", "fp32")


async def test_mature_content_needs_a_confirmed_adult(session: AsyncSession, ada: Actor) -> None:
    with pytest.raises(Invalid) as caught:
        await preferences.set_browsing(session, ada, show_mature=True, browsing_level=31)
    assert caught.value.code == "adult_confirmation_needed"
    chosen = await preferences.set_browsing(
        session, ada, show_mature=True, browsing_level=31, adult_confirmed=True
    )
    assert (chosen.mask, chosen.blur_level, chosen.blur_mature) == (31, 28, True)
    clear = await preferences.set_browsing(session, ada, show_mature=True, browsing_level=31, blur_level=2)
    assert (clear.blur_level, clear.blur_mature) == (2, False)
    with pytest.raises(Invalid) as never:
        await preferences.set_browsing(session, ada, show_mature=True, browsing_level=31, blur_level=1)
    assert never.value.code == "bad_level"
    off = await preferences.set_browsing(session, ada, show_mature=False, browsing_level=31)
    assert (off.mask, off.browsing_level, off.adult_confirmed) == (3, 3, True)
    again = await preferences.set_browsing(session, ada, show_mature=True, browsing_level=5)
    assert again.mask == 5


@pytest.mark.parametrize("level", [0, -1, 32, 63, 2**40, True])
async def test_levels_that_do_not_exist(session: AsyncSession, ada: Actor, level: int) -> None:
    with pytest.raises(Invalid) as caught:
        await preferences.set_browsing(
            session, ada, show_mature=True, browsing_level=level, adult_confirmed=True
        )
    assert caught.value.code == "bad_level"


async def test_onboarding_takes_four_steps(session: AsyncSession) -> None:
    person = await make_person(session, "Newcomer", onboarding=0)
    actor = actor_for(person, onboarded=False)
    assert onboarding.next_step(await onboarding.taken(session, actor)) is Onboarding.TERMS
    await onboarding.accept_terms(session, actor)
    await onboarding.accept_terms(session, actor)
    assert onboarding.next_step(await onboarding.taken(session, actor)) is Onboarding.PROFILE
    await onboarding.complete_profile(session, actor, username="Settled")
    await onboarding.choose_levels(session, actor, show_mature=False)
    steps = await onboarding.meet_buzz(session, actor)
    assert steps == Onboarding.COMPLETE and onboarding.next_step(steps) is None
    assert (await queries.by_id(session, person)).username == "Settled"


async def test_a_step_counts_once_even_when_two_requests_race(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            person = await make_person(session, onboarding=7)
            await session.execute(text("CREATE TABLE steps AS SELECT onboarding FROM people WHERE false"))
            await session.execute(
                text(
                    "CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "INSERT INTO steps VALUES (NEW.onboarding); RETURN NEW; END $$"
                )
            )
            await session.execute(
                text("CREATE TRIGGER note AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION note_step()")
            )

        async def meet() -> Onboarding:
            async with database.unit() as session:
                return await onboarding.meet_buzz(session, actor_for(person))

        assert await asyncio.gather(meet(), meet(), meet()) == [Onboarding.COMPLETE] * 3
        async with database.unit() as session:
            assert (await session.execute(text("SELECT count(*) FROM steps"))).scalar() == 1
    finally:
        await database.close()
