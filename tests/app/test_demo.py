"""The demo's month in the economy, and its removal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select, update
from tests.domains.catalog.test_access import make_draft
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_published_model
from tests.factories.comments import make_topic, say
from tests.factories.feeds import make_image, make_post
from tests.factories.http import Client

from civitas.app.demo import living, removing, speaking, stocking, telling
from civitas.app.demo.content import FRIENDS, PEOPLE
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import auditing, statement, wallets
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.memberships.tables import Membership
from civitas.domains.buzz.programme import reads as programme_reads
from civitas.domains.buzz.shop.tables import ShopPurchase
from civitas.domains.catalog import publishing
from civitas.domains.catalog.access_tables import AccessPayment, VersionAccess
from civitas.domains.catalog.tables import Model, ModelMetric, ModelVersion
from civitas.domains.catalog.types import Origin
from civitas.domains.community.comments.tables import Comment, CommentThread
from civitas.domains.community.notifications.tables import Notification
from civitas.domains.community.reviews import writing as reviewing
from civitas.domains.community.reviews.tables import Review
from civitas.domains.gallery.feeds import reactions
from civitas.domains.gallery.feeds.reactions import Feeling
from civitas.domains.gallery.feeds.tables import Reaction, SubjectCounts
from civitas.kit import clock


async def stage(client: Client) -> living.Cast:
    """The people of the demo and small models of theirs."""
    async with client.house.database.unit() as session:
        cast: list[Actor] = []
        for one in (*PEOPLE, *FRIENDS):
            cast.append(actor_for(await make_person(session, one.username), one.username))
        makers, friends = cast[:2], cast[2:]
        versions = {}
        for maker in makers:
            model, made = await make_published_model(session, maker.id, versions=2, origin=Origin.DEMO)
            versions[maker.require()] = list(made)
        model, gated = await make_draft(session, makers[0])
        (await session.get_one(Model, model)).origin = Origin.DEMO
    await stocking.stock(client.house)
    await living.prepare(client.house, makers[0])
    async with client.house.database.unit() as session:
        await living.sell(session, makers[0], gated)
    async with client.house.database.unit() as session:
        await publishing.publish(session, makers[0], model_id=model)
    await client.run_tasks()
    return living.Cast(makers=makers, friends=friends, versions=versions, gated=gated)


async def test_what_was_said_goes_with_the_demo_and_others_are_counted_anew(client: Client) -> None:
    cast = await stage(client)
    mira, tobias = cast.makers
    ines = cast.friends[0]
    people = dict(
        zip([one.username for one in (*PEOPLE, *FRIENDS)], (*cast.makers, *cast.friends), strict=True)
    )
    versions = {
        "tideglass": cast.versions[mira.require()],
        "lantern": cast.versions[tobias.require()],
        "veils": cast.versions[tobias.require()],
    }
    async with client.house.database.unit() as session:
        post = await make_post(session, ines.require(), title="Lanterns for the kitchen wall")
        image = await make_image(session, ines.require(), post_id=post)
        models = {
            key: await session.scalar(select(ModelVersion.model_id).where(ModelVersion.id == ids[-1])) or 0
            for key, ids in versions.items()
        }
        topic, ana = await make_topic(session)
        joined = clock.now() - timedelta(days=40)
        await session.execute(update(Person).values(created_at=joined))
    await telling.tell(client.house, cast.makers)
    await speaking.speak(client.house, people, models, versions)
    async with client.house.database.unit() as session:
        # Somebody real speaks with them, on either side.
        voice = replace(mira, verified=True)
        asked = await say(session, voice, topic)
        await say(session, ana, topic, below=asked.id)
        kept = await say(session, ana, topic)
        mine = await reviewing.review(session, ana, version_id=versions["lantern"][-1], recommended=True)
        for subject in (topic, Subject("comment", kept.id), Subject("review", mine.id)):
            await reactions.react(session, voice, subject=subject, feeling=Feeling.HEART)
        await say(session, ana, Subject("image", image))
        await reactions.react(session, ana, subject=Subject("image", image), feeling=Feeling.LIKE)
    await client.run_tasks()
    async with client.house.database.reading() as session:
        spoken = await session.execute(select(CommentThread.kind, func.sum(CommentThread.comment_count))
                                       .group_by(CommentThread.kind))  # fmt: skip
        assert {kind: int(there) for kind, there in spoken} == {
            "model": 9,
            "image": 3,
            "post": 2,
            "article": 2,
        }
        assert await session.scalar(select(func.count()).select_from(Review)) == 6
        assert (await reactions.counts(session, kind="post", ids=[post]))[post].hearts == 4
        assert await session.scalar(select(func.count()).where(Notification.person_id == ana.id))

    await removing.remove(client.house)
    await client.run_tasks()
    async with client.house.database.reading() as session:
        threads = (await session.execute(select(CommentThread.kind, CommentThread.subject_id,
                                                CommentThread.comment_count))).all()  # fmt: skip
        assert threads == [("model", topic.id, 1)]
        assert list(await session.scalars(select(Comment.id))) == [kept.id]
        found = (await reactions.counts(session, kind="model", ids=[topic.id]))[topic.id]
        assert (found.hearts, found.comments) == (0, 1)
        assert await session.scalar(select(ModelMetric.comments).where(ModelMetric.model_id == topic.id)) == 1
        for table in (Reaction, Review, Notification):
            assert not await session.scalar(select(func.count()).select_from(table)), table
        about = select(func.count()).where(
            SubjectCounts.kind != "comment", SubjectCounts.subject_id != topic.id
        )
        assert not await session.scalar(about)


async def test_the_demos_month_fills_every_page_and_goes_without_a_trace(client: Client) -> None:
    cast = await stage(client)
    await living.live(client.house, cast)
    mira, ines, yuki = cast.makers[0], cast.friends[0], cast.friends[2]
    async with client.house.database.reading() as session:
        assert (await auditing.audit(session)).findings == ()
        mine = await wallets.of(session, mira.require())
        assert mine.total > 0 and sum(mine.banked.values()) > 0
        lines = await statement.page(session, mira.require())
        assert {"tip", "reward", "compensation"} <= {line.type.value for line in lines.items}
        assert (await entitlements(session, mira.id)).badge == "gold"
        assert (await entitlements(session, ines.id)).badge == "bronze"
        assert (await programme_reads.standing(session, mira)).candidacy.status == "active"
        assert await session.scalar(select(func.count()).select_from(ShopPurchase)) == 3
        gate = await session.get_one(VersionAccess, cast.gated)
        assert 0 < gate.raised < (gate.goal or 0)
    await client.sign_in(mira.require())
    for path in ("/buzz", "/buzz/statement", "/creator-program", "/buzz/earn", "/memberships", "/shop"):
        assert (await client.page(path)).status_code == 200, path
    client.sign_out()

    await removing.remove(client.house)
    await client.run_tasks()
    async with client.house.database.reading() as session:
        assert (await auditing.audit(session)).findings == ()
        names = [one.username for one in (*PEOPLE, *FRIENDS)]
        assert not await session.scalar(select(func.count()).where(Person.username.in_(names)))
        assert not await session.scalar(select(func.count()).where(Model.origin == Origin.DEMO))
        assert not await session.scalar(select(func.count()).where(Membership.ended_at.is_(None)))
        assert not await session.scalar(select(func.count()).select_from(AccessPayment))
        # Who bought access had it back before the version went.
        assert (await wallets.of(session, yuki.require())).total > 0
        assert not sum((await wallets.of(session, mira.require())).banked.values())
