"""The home page: its blocks, nothing twice, nothing that a stranger may not see, few statements."""

from __future__ import annotations

import re

from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_published_model
from tests.factories.collections import make_collection, make_posted
from tests.factories.http import Client
from tests.flows import story

from civitas.domains.accounts.types import Role
from civitas.domains.catalog import rebuilding
from civitas.domains.community.boards.tables import BoardStanding
from civitas.domains.gallery.collections import filling
from civitas.domains.gallery.collections.types import Kind
from civitas.kit import clock


async def _fill(client: Client, count: int = 8) -> tuple[list[int], int]:
    async with client.house.database.unit() as session:
        ana = await make_actor(session, mature=True)
        models = [
            (await make_published_model(session, ana.require(), name=f"Work {at}"))[0] for at in range(count)
        ]
        await rebuilding.rebuild(session, models)
        _, images = await make_posted(session, ana.require(), levels=(1, 16))
        made = await make_collection(session, ana, name="Nets and rope")
        await filling.add(session, ana, collection_id=made.id, subject_ids=images)
        return models, made.id


def _models(page: str) -> list[str]:
    return re.findall(r'class="model-card" data-card="(\d+)"', page)


async def test_no_model_is_shown_twice_and_downloads_wait_for_a_download(client: Client) -> None:
    models, _ = await _fill(client)
    page = (await client.page("/")).text
    assert sorted(_models(page)) == sorted(str(one) for one in models)
    assert "Most downloaded" not in page
    assert "Nets and rope" in page and "1 picture" in page


async def test_staff_arrange_it_for_everybody(client: Client) -> None:
    models, collection = await _fill(client)
    async with client.house.database.unit() as session:
        boss = await make_actor(session, role=Role.MODERATOR)
        ben = await make_actor(session)
    await client.sign_in(ben.require())
    assert (await client.page("/staff/home")).status_code == 403
    await client.sign_in(boss.require())
    assert "New models" in (await client.page("/staff/home")).text
    fields = {
        "kind-0": "text", "value-0": "**Welcome** <script>alert(1)</script>", "place-0": "1",
        "kind-1": "featured_models", "value-1": f"{models[3]}, {models[1]}", "place-1": "3",
        "kind-2": "collection", "value-2": f"/collections/{collection}", "place-2": "2",
        "kind-3": "creators", "drop-3": "1",
    }  # fmt: skip
    assert (await client.submit("/staff/home", **fields)).status_code == 303
    client.sign_out()
    page = (await client.page("/")).text
    assert "<strong>Welcome</strong>" in page and "<script>alert" not in page
    assert _models(page) == [str(models[3]), str(models[1])]
    assert page.index("Nets and rope") < page.index("Worth a look")
    await client.sign_in(boss.require())
    await client.page("/staff/home")
    wrong = await client.submit("/staff/home", **{"kind-0": "collection", "value-0": "none"})
    assert wrong.status_code == 400 and "its number" in wrong.text
    await client.submit("/staff/home", do="reset")
    assert 'id="shelf-new-models-0"' in (await client.page("/")).text


async def test_one_arranges_ones_own(client: Client) -> None:
    await _fill(client)
    ben = await story.person(client)
    await story.become(client, ben, by_key=False)
    await client.page("/account/home")
    assert (await client.submit("/account/home", **{"kind-0": "creators"})).status_code == 303
    assert _models((await client.page("/")).text) == []
    client.sign_out()
    assert _models((await client.page("/")).text) != []


async def test_blocks_over_the_api(client: Client) -> None:
    models, _ = await _fill(client)
    ben = await story.person(client)
    await story.become(client, ben)
    usual = (await client.get("/api/v1/home/blocks")).json()
    assert usual[0]["kind"] == "new_models"
    body = {"blocks": [{"kind": "featured_models", "title": "Mine", "settings": {"models": models[:2]}}]}
    assert (await client.put("/api/v1/me/home", json=body)).json()[0]["title"] == "Mine"
    assert (await client.put("/api/v1/staff/home", json=body)).status_code == 403
    bad = {"blocks": [{"kind": "collection"}]}
    assert (await client.put("/api/v1/me/home", json=bad)).status_code == 400
    assert (await client.put("/api/v1/me/home", json={"blocks": []})).json() == usual


async def test_a_private_collection_hangs_nowhere(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_actor(session)
        model, _ = await make_published_model(session, ana.require(), name="Secret choice")
        await rebuilding.rebuild(session, [model])
        made = await make_collection(session, ana, kind=Kind.MODEL)
        await filling.add(session, ana, collection_id=made.id, subject_ids=[model])
        boss = await make_actor(session, role=Role.MODERATOR)
    await client.sign_in(boss.require())
    await client.page("/staff/home")
    await client.submit("/staff/home", **{"kind-0": "collection", "value-0": str(made.id)})
    await client.use_key(ana.require())
    await client.patch(f"/api/v1/collections/{made.id}", json={"read": "private"})
    client.sign_out()
    assert "Secret choice" not in (await client.page("/")).text


async def test_home_asks_few_statements_and_strangers_share_them(
    client: Client, connection: AsyncConnection
) -> None:
    from tests.faces.web.browse_shelf import Statements, driver_of

    await _fill(client)
    driver = await driver_of(connection)
    with Statements().counted(driver) as texts:
        await client.page("/")
    assert len(texts) <= 20, texts
    with Statements().counted(driver) as texts:
        await client.page("/")
    assert texts == []


async def test_announcements_stand_once_and_a_board_leads(client: Client) -> None:
    await _fill(client)
    async with client.house.database.unit() as session:
        boss = await make_actor(session, role=Role.MODERATOR)
        ana = await make_actor(session, "leading_ana")
        session.add(
            BoardStanding(
                board="models", span="window", day=clock.now().date(), person_id=ana.require(), position=1,
                points=1234,
            )
        )  # fmt: skip
    await client.sign_in(boss.require())
    await client.page("/staff/announcements")
    await client.submit("/staff/announcements", title="Nets are mended", content="All of them.")
    assert 'class="announcement ' in (await client.page("/")).text
    await client.page("/staff/home")
    wrong = await client.submit("/staff/home", **{"kind-0": "leaderboard", "value-0": "nothing"})
    assert wrong.status_code == 400 and "no such board" in wrong.text
    chosen = {"kind-0": "announcements", "kind-1": "leaderboard", "value-1": "/leaderboard/models"}
    assert (await client.submit("/staff/home", **chosen)).status_code == 303
    client.sign_out()
    page = (await client.page("/")).text
    assert page.count('<h3 class="subheading">Nets are mended') == 1 and 'class="announcement ' not in page
    assert "Leading: Models" in page and "leading_ana" in page and "1,234 points" in page
    assert 'class="announcement ' in (await client.page("/models")).text
    body = {"blocks": [{"kind": "leaderboard", "settings": {"board": "nothing"}}]}
    await client.use_key(boss.require())
    assert (await client.put("/api/v1/staff/home", json=body)).status_code == 404
