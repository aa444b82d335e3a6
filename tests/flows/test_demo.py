"""The demo as a whole, made and taken away, through the same doors that `make run` uses."""

from __future__ import annotations

from rich.progress import Progress
from sqlalchemy import func, select
from tests.factories.http import Client

from civitas.app.demo import making, removing
from civitas.app.demo.content import FRIENDS, PEOPLE
from civitas.app.demo.trained import MODELS
from civitas.domains.accounts.tables import Person
from civitas.domains.buzz.ledger import auditing
from civitas.domains.catalog.tables import Model
from civitas.domains.catalog.types import Origin
from civitas.domains.gallery.tables import Image


async def test_everything_of_the_demo_is_made_shown_and_taken_away(client: Client) -> None:
    assert await making.make(client.house, Progress(disable=True)) == len(MODELS)
    listed = (await client.get("/api/v1/models", params={"limit": 100})).json()["items"]
    assert {item["name"] for item in listed} == {model.name for model in MODELS}
    for item in listed:
        assert item["modelVersions"][0]["images"], item["name"]
        assert (await client.page(f"/models/{item['id']}")).status_code == 200
    for path in ("/", "/models", "/images", "/posts", "/articles", "/collections", "/leaderboard", "/shop"):
        page = await client.page(path)
        assert page.status_code == 200, path
    async with client.house.database.reading() as session:
        assert (await auditing.audit(session)).findings == ()

    await removing.remove(client.house)
    await client.run_tasks()
    names = [one.username for one in (*PEOPLE, *FRIENDS)]
    async with client.house.database.reading() as session:
        assert (await auditing.audit(session)).findings == ()
        assert not await session.scalar(select(func.count()).where(Person.username.in_(names)))
        assert not await session.scalar(select(func.count()).where(Model.origin == Origin.DEMO))
        assert not await session.scalar(select(func.count()).select_from(Image))
