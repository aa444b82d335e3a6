"""The nightly score: what models and followers are worth by the rules, and no more once they are gone."""

from __future__ import annotations

from sqlalchemy import insert, update
from tests.factories.accounts import make_person
from tests.factories.catalog import make_model

from civitas.domains.accounts import scoring
from civitas.domains.accounts.tables import Person
from civitas.domains.buzz.economy import economy
from civitas.domains.catalog.tables import Model, ModelMetric
from civitas.domains.catalog.tasks import score_creators
from civitas.infra.db.database import BoundDatabase
from civitas.infra.queue.context import TaskContext


async def test_the_night_counts_models_and_followers_and_keeps_what_others_wrote(
    units: BoundDatabase, context: TaskContext
) -> None:
    rules = economy.current().score
    async with units.unit() as session:
        ana = await make_person(session, follower_count=3)
        shown = await make_model(session, ana, status="Published")
        draft = await make_model(session, ana)
        for model, downloads in ((shown, 500), (draft, 9_000)):
            facts = {"downloads": downloads, "generations": 40, "thumbs_up": 6, "thumbs_down": 1}
            await session.execute(insert(ModelMetric).values(model_id=model, **facts))
        await scoring.set_part(session, part="articles", points={ana: 77})
    models = 500 * rules.model_download + 40 * rules.model_generation + 7 * rules.model_review
    for _ in range(2):
        await score_creators(context)
        async with units.unit() as session:
            found = await scoring.of(session, ana)
            assert found.parts == {"models": models, "users": 3 * rules.follower, "articles": 77}
            assert found.total == sum(found.parts.values())
    async with units.unit() as session:
        await session.execute(update(Model).where(Model.id == shown).values(status="Unpublished"))
        await session.execute(update(Person).where(Person.id == ana).values(follower_count=0))
    await score_creators(context)
    async with units.unit() as session:
        assert (await scoring.of(session, ana)).total == 77
