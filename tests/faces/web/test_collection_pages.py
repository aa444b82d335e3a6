"""Pages of collections: lists, one of them, saving, review, many at once, RSS; what strangers see."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_published_model
from tests.factories.collections import make_collection, make_posted
from tests.factories.http import HTML, HTMX, Client

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import rebuilding
from civitas.domains.gallery.collections import contests, filling, reads
from civitas.domains.gallery.collections.types import Contest, Kind, ReadBy, WriteBy


async def _filled(client: Client, *levels: int) -> tuple[Actor, int, list[int]]:
    async with client.house.database.unit() as session:
        ana = await make_actor(session, mature=True)
        _, images = await make_posted(session, ana.require(), levels=levels)
        made = await make_collection(session, ana)
        await filling.add(session, ana, collection_id=made.id, subject_ids=images)
        return ana, made.id, images


async def test_strangers_see_public_ones_and_only_what_is_safe(client: Client) -> None:
    _, number, images = await _filled(client, 1, 16)
    listed = await client.page("/collections")
    assert "Harbours" in listed.text and "1 picture" in listed.text
    page = await client.page(f"/collections/{number}")
    assert page.status_code == 200
    assert f'data-card="{images[0]}"' in page.text and f'data-card="{images[1]}"' not in page.text
    feed = await client.get(f"/collections/{number}/feed.xml")
    assert feed.headers["content-type"].startswith("application/rss+xml")
    assert feed.text.count("<item>") == 1


async def test_the_feed_is_a_strangers_even_for_its_owner(client: Client) -> None:
    ana, number, _ = await _filled(client, 1, 16)
    await client.sign_in(ana.require())
    assert (await client.get(f"/collections/{number}/feed.xml")).text.count("<item>") == 1
    async with client.house.database.unit() as session:
        hidden = await make_collection(session, ana, read_by=ReadBy.PRIVATE)
    assert (await client.get(f"/collections/{hidden.id}/feed.xml", headers=HTML)).status_code == 404


async def test_one_makes_edits_and_deletes_a_collection(client: Client) -> None:
    ana, _, _ = await _filled(client, 1)
    await client.sign_in(ana.require())
    await client.page("/collections/new?kind=post")
    wrong = await client.submit("/collections/new", kind="post", name="x" * 31, read="public")
    assert wrong.status_code == 400 and "Use at most 30 characters." in wrong.text
    made = await client.submit("/collections/new", kind="post", name="Boats", read="public", write="review")
    path = made.headers["location"]
    assert "Boats" in (await client.page(path)).text
    form = await client.page(f"{path}/edit")
    assert 'value="review"' in form.text
    changed = await client.submit(
        f"{path}/edit", name="Ships", read="private", write="private", order="oldest"
    )
    assert changed.status_code == 303
    assert "Ships" in (await client.page("/collections?tab=mine")).text
    assert (await client.submit(f"{path}/delete")).status_code == 303
    assert (await client.page(path)).status_code == 404


async def test_saving_works_as_a_page_and_in_the_dialog(client: Client) -> None:
    ana, number, images = await _filled(client, 1, 1)
    async with client.house.database.unit() as session:
        await filling.remove(session, ana, collection_id=number, subject_ids=images[:1])
    await client.sign_in(ana.require())
    path = f"/collections/save?kind=image&id={images[0]}"
    page = await client.page(path)
    assert "Bookmarked pictures" in page.text and "<html" in page.text
    inside = await client.get(path, headers=HTML | HTMX | {"hx-target": "save-form"})
    assert "<html" not in inside.text and 'id="save-form"' in inside.text
    fields = {"kind": "image", "id": str(images[0]), "offered": ["0", str(number)], "in": ["0", str(number)]}
    saved = await client.post(
        "/collections/save", data=fields | {"name": "Nets"}, headers=HTML | HTMX | {"hx-target": "save-form"}
    )
    assert "Saved to 3 collections." in saved.headers["hx-trigger"]
    assert len(re.findall(r'name="in"[^>]*checked', saved.text.replace("\n", " "))) == 3
    back = await client.post(
        "/collections/save", data=fields | {"in": [], "back": "//evil.example"}, headers=HTML
    )
    assert back.status_code == 303
    assert back.headers["location"] == "/collections?tab=mine"


async def test_what_one_cannot_see_cannot_be_saved(client: Client) -> None:
    ana, _, images = await _filled(client, 16)
    async with client.house.database.unit() as session:
        ben = await make_actor(session)
    await client.sign_in(ben.require())
    for path in (f"kind=image&id={images[0]}", "kind=image&id=999999999", "kind=model&id=999999999"):
        assert (await client.page(f"/collections/save?{path}")).status_code == 404
    sent = await client.submit(
        "/collections/save", kind="image", id=str(images[0]), offered="0", **{"in": "0"}
    )
    assert sent.status_code == 404
    assert ana.id != ben.id


async def test_many_things_are_moved_and_taken_out_at_once(client: Client) -> None:
    ana, number, images = await _filled(client, 1, 1, 1)
    async with client.house.database.unit() as session:
        other = await make_collection(session, ana, name="Other")
    await client.sign_in(ana.require())
    page = await client.page(f"/collections/{number}?select=1")
    assert page.text.count("data-pick\n") + page.text.count("data-pick ") >= 3
    fields = {"thing": [str(one) for one in images[:2]], "do": "move", "to": str(other.id)}
    assert (await client.post(f"/collections/{number}/items", data=fields, headers=HTML)).status_code == 303
    fields = {"thing": [str(images[2])], "do": "remove"}
    assert (await client.post(f"/collections/{number}/items", data=fields, headers=HTML)).status_code == 303
    async with client.house.database.reading() as session:
        counts = [(await reads.one(session, ana, collection_id=one)).count for one in (number, other.id)]
    assert counts == [0, 2]


async def test_what_others_added_is_looked_at(client: Client) -> None:
    ana, _, _ = await _filled(client, 1)
    async with client.house.database.unit() as session:
        made = await make_collection(session, ana, write_by=WriteBy.REVIEW)
        ben = await make_actor(session, "ben_adds")
        _, images = await make_posted(session, ben.require())
        await filling.add(session, ben, collection_id=made.id, subject_ids=images)
    path = f"/collections/{made.id}"
    await client.sign_in(ben.require())
    assert (await client.page(f"{path}/review")).status_code == 403
    assert "1 waiting" not in (await client.page(path)).text
    await client.sign_in(ana.require())
    assert "1 waiting" in (await client.page(path)).text
    queue = await client.page(f"{path}/review")
    assert "Added by ben_adds" in queue.text
    item = re.search(r'name="item"\s+value="(\d+)"', queue.text)
    assert item is not None
    done = await client.submit(f"{path}/review", item=item.group(1), do="accept")
    assert done.status_code == 303
    assert f'data-card="{images[0]}"' in (await client.page(path)).text


async def test_following_people_and_a_contest(client: Client) -> None:
    ana, _, _ = await _filled(client, 1)
    async with client.house.database.unit() as session:
        made = await make_collection(session, ana, write_by=WriteBy.PUBLIC, contest=True, name="Sea 2026")
        await contests.arrange(session, ana, collection_id=made.id, rules=Contest(voting=True, judging=True))
        ben = await make_actor(session, "ben_votes")
        _, (image,) = await make_posted(session, ana.require())
        await filling.add(session, ana, collection_id=made.id, subject_ids=[image])
    path = f"/collections/{made.id}"
    await client.sign_in(ben.require())
    followed = await client.post(f"{path}/follow", headers=HTML | HTMX | {"hx-target": "collection-actions"})
    assert "Following" in followed.text and "<html" not in followed.text
    assert "Sea 2026" in (await client.page("/collections?tab=following")).text
    page = await client.page(path)
    vote = re.search(r"/entries/(\d+)/vote", page.text)
    assert vote is not None and "/score" not in page.text
    assert (await client.submit(f"{path}/entries/{vote.group(1)}/vote")).status_code == 303
    assert "1 vote" in (await client.page(path)).text
    await client.sign_in(ana.require())
    await client.page(f"{path}/edit")
    invited = await client.submit(f"{path}/people", username="ben_votes", may="judge")
    assert invited.status_code == 303
    rules = await client.submit(f"{path}/contest", ends_at="2026-13-01T00:00", judging="true")
    assert rules.status_code == 400 and "2026-03-31T18:00" in rules.text
    await client.submit(f"{path}/contest", judging="true", tags="Calm\nStorm")
    assert "Storm" in (await client.page(path)).text
    await client.sign_in(ben.require())
    scored = await client.submit(f"{path}/entries/{vote.group(1)}/score", points="7")
    assert scored.status_code == 303
    assert "7.0 points" in (await client.page(path)).text


@pytest.mark.parametrize(
    "path", ["0", "99999999999999999999999", "7?cursor=x", "7?order=up", "save?kind=x&id=1"]
)
async def test_bad_addresses_are_pages_of_ours(client: Client, path: str) -> None:
    found = await client.page(f"/collections/{path}")
    assert found.status_code in {303, 400, 404}
    assert "Traceback" not in found.text


async def test_a_page_takes_a_fixed_number_of_statements(client: Client, connection: AsyncConnection) -> None:
    async with client.house.database.unit() as session:
        ana = await make_actor(session)
        models = [(await make_published_model(session, ana.require()))[0] for _ in range(6)]
        await rebuilding.rebuild(session, models)
        made = await make_collection(session, ana, kind=Kind.MODEL)
        await filling.add(session, ana, collection_id=made.id, subject_ids=models)
        _, images = await make_posted(session, ana.require(), levels=(1,) * 20)
        walls = await make_collection(session, ana)
        await filling.add(session, ana, collection_id=walls.id, subject_ids=images)
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    for path, most in (("/collections", 2), (f"/collections/{made.id}", 2), (f"/collections/{walls.id}", 4)):
        asked.clear()
        assert (await client.page(path)).status_code == 200
        statements = [one for one in asked if one.lstrip().startswith("SELECT")]
        assert len(statements) <= most, (path, statements)
