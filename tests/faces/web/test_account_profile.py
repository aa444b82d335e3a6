"""A person's page, what one decides about them, and the lists of it."""

from __future__ import annotations

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_follow, make_person
from tests.factories.catalog import make_published_model
from tests.factories.http import HTMX, Client

from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Profile
from civitas.domains.accounts.types import Relation
from civitas.domains.catalog import rebuilding


async def test_shows_who_it_is_and_escapes_it(client: Client, session: AsyncSession) -> None:
    person = await make_person(session, "Mira", follower_count=1200)
    await session.execute(
        insert(Profile).values(
            person_id=person,
            bio="<script>alert(1)</script>",
            location="Lisbon",
            links=[{"kind": "Social", "url": "https://example.org", "label": "Site"}],
        )
    )
    page = await client.page("/user/Mira")
    assert page.status_code == 200
    assert "<script>alert(1)</script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "1.2K" in page.text
    assert 'rel="nofollow noopener ugc me"' in page.text
    assert "<title>Mira" in page.text
    moved = await client.get("/user/mIRA")
    assert (moved.status_code, moved.headers["location"]) == (301, "/user/Mira")
    assert (await client.page("/user/nobody_here")).status_code == 404


async def test_models_hang_on_the_wall_and_mature_ones_only_for_those_who_asked(
    client: Client, session: AsyncSession
) -> None:
    maker = await make_person(session, "maker", model_count=2)
    viewer = await make_person(session, "viewer")
    gentle, _ = await make_published_model(session, maker, name="Gentle")
    fierce, _ = await make_published_model(session, maker, name="Fierce", level=16)
    await rebuilding.rebuild(session, [gentle, fierce])
    page = (await client.page("/user/maker")).text
    assert "Gentle" in page
    assert "Fierce" not in page
    await client.sign_in(viewer)
    await client.submit(
        "/account/preferences/browsing", **{"level-1": "show", "level-16": "blur"}, adult_confirmed="true"
    )
    assert "Fierce" in (await client.page("/user/maker")).text


async def test_follow_hide_block_by_form_and_by_fragment(client: Client, session: AsyncSession) -> None:
    me, them = await make_person(session, "me_myself"), await make_person(session, "them")
    await client.sign_in(me)
    done = await client.submit("/user/THEM/follow")
    assert (done.status_code, done.headers["location"]) == (303, "/user/them")
    assert await following.relation(session, me, them) is Relation.FOLLOW
    fragment = await client.post("/user/them/block", headers={**HTMX, "hx-target": "person-actions"})
    assert fragment.status_code == 200
    assert fragment.text.strip().startswith("<div")
    assert "Unblock" in fragment.text
    assert "is blocked" in fragment.headers["hx-trigger"]
    back = await client.submit("/user/them/block", undo="true", back="/account/people?list=block")
    assert back.headers["location"] == "/account/people?list=block"
    assert await following.relation(session, me, them) is None
    elsewhere = await client.submit("/user/them/hide", back="https://evil.example")
    assert elsewhere.headers["location"] == "/user/them"


@pytest.mark.parametrize(
    ("path", "status"), [("me_myself/follow", 400), ("nobody/follow", 404), ("them/bite", 400)]
)
async def test_decisions_that_cannot_be(
    client: Client, session: AsyncSession, path: str, status: int
) -> None:
    await client.sign_in(await make_person(session, "me_myself"))
    await make_person(session, "them")
    assert (await client.submit(f"/user/{path}")).status_code == status


async def test_lists_of_people(client: Client, session: AsyncSession) -> None:
    me, them = await make_person(session, "me_myself"), await make_person(session, "them")
    hidden = await make_person(session, "hidden_one")
    await make_follow(session, me, them)
    await make_follow(session, me, hidden, "hide")
    assert "me_myself" in (await client.page("/user/them/followers")).text
    assert "hidden_one" not in (await client.page("/user/me_myself/following")).text
    await client.sign_in(me)
    assert "hidden_one" in (await client.page("/account/people", list="hide")).text
    assert (
        await client.get("/account/people?cursor=nonsense", headers={"accept": "text/html"})
    ).status_code == 400
    assert (await client.page("/user/them/enemies")).status_code == 400


async def test_closed_account_shows_only_why(client: Client, session: AsyncSession) -> None:
    person = await make_person(session, "gone", status="banned", ban_code="Other", avatar_key="x")
    await session.execute(insert(Profile).values(person_id=person, bio="my secret words"))
    page = (await client.page("/user/gone")).text
    assert "closed by staff" in page
    assert "my secret words" not in page
    assert "noindex" in page
