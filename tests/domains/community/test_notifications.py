"""Notifications: who is told what, grouping, audiences, wishes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_follow, make_person
from tests.factories.catalog import make_published_model, make_published_version
from tests.factories.collections import make_collection, make_posted
from tests.factories.comments import make_topic, say

from civitas.contracts.events import accounts, buzz, catalog, community, gallery, orchestration
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog.tables import Model, ModelMetric
from civitas.domains.community.boards import milestones
from civitas.domains.community.notifications import delivering, facts, listeners, reading, tasks
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.kinds import BY_NAME, KINDS, Category, names, sentence
from civitas.domains.community.notifications.messages import FanOut
from civitas.domains.community.notifications.tables import Notification
from civitas.domains.community.reviews import writing as reviews
from civitas.domains.gallery.collections.tables import CollectionContributor, CollectionItem
from civitas.domains.gallery.collections.types import WriteBy
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid, NotFound


async def told(session: AsyncSession, actor: Actor, **chosen: Any) -> list[str]:
    return [one.text for one in (await reading.page(session, actor, **chosen)).items]


async def test_comments_tell_once_each_and_are_grouped(session: AsyncSession, context: TaskContext) -> None:
    topic, owner = await make_topic(session)
    title = await session.scalar(select(Model.name).where(Model.id == topic.id))
    ana, ben = await make_actor(session, "ana_n"), await make_actor(session, "ben_n")
    first = await say(session, ana, topic, "Hello @ben_n")
    await drain(context)
    for actor in (ben, await make_actor(session), await make_actor(session)):
        await say(session, actor, topic, below=first.id)
        await drain(context)
    assert (await told(session, owner))[0].endswith(f"and 3 others commented on {title}")
    assert len(await told(session, owner)) == 1
    assert await told(session, ben) == [f"ana_n mentioned you on {title}"]
    answers = await reading.page(session, ana)
    assert (answers.items[0].actor_count, answers.items[0].count, len(answers.items)) == (3, 3, 1)
    # What was read is not touched again: the next is a line of its own.
    await reading.mark_read(session, owner)
    await say(session, ben, topic, "Once more")
    await drain(context)
    assert [one.read for one in (await reading.page(session, owner)).items] == [False, True]
    # The same person twice is one person who did it twice.
    await say(session, ben, topic, "And more")
    await drain(context)
    newest = (await reading.page(session, owner)).items[0]
    assert (newest.actor_count, newest.count, newest.text) == (1, 2, f"ben_n commented on {title}")


async def test_nobody_is_told_of_themselves_or_across_a_block_or_what_they_turned_off(
    session: AsyncSession,
) -> None:
    owner, ana, eve = [await make_actor(session) for _ in range(3)]
    note = Note("new-comment", [owner.id or 0], "x", None, owner.id, {"title": "x"})
    await delivering.tell(session, note)
    await make_follow(session, owner.id or 0, ana.id or 0, "hide")
    await make_follow(session, eve.id or 0, owner.id or 0, "block")
    for actor in (ana, eve):
        await delivering.tell(session, Note("new-comment", [owner.id or 0], "x", None, actor.id))
    assert await told(session, owner) == []
    assert (await reading.want(session, owner, kinds={"tip": False, "generation": True}))["generation"]
    for kind in ("tip", "generation", "purchase"):
        await delivering.tell(session, Note(kind, [owner.id or 0], "y", None, None, {"quarters": 40}))
    assert {one.kind for one in (await reading.page(session, owner)).items} == {"generation", "purchase"}
    await reading.want(session, owner, kinds={"tip": True})
    assert (await reading.wanted(session, owner))["tip"]
    with pytest.raises(Invalid):
        await reading.want(session, owner, kinds={"nonsense": True})


async def test_what_happens_once_is_told_once(session: AsyncSession, context: TaskContext) -> None:
    ana, ben = await make_actor(session, "ana_o"), await make_actor(session, "ben_o")
    fact = buzz.TipGiven(77, ana.id or 0, ben.id or 0, "user", ben.id or 0, "yellow", 200)
    for _ in range(2):
        await listeners.tell(session, fact)
        await reading.mark_read(session, ben)
    assert await told(session, ben) == ["ana_o tipped you 50 Buzz for being you"]


async def test_a_new_model_reaches_all_followers_in_batches(
    session: AsyncSession, connection: AsyncConnection, context: TaskContext
) -> None:
    owner = await make_actor(session, "maker_n")
    model, _ = await make_published_model(session, owner.id, name="Lanterns")
    await session.execute(
        text(
            "INSERT INTO people (username, username_folded, onboarding)"
            " SELECT 'fan_' || n, 'fan_' || n, 15 FROM generate_series(1, 250) n"
        )
    )
    await session.execute(
        text(
            "INSERT INTO follows (person_id, target_id, kind) SELECT id, :of, 'follow' FROM people"
            " WHERE username_folded LIKE 'fan\\_%'"
        ),
        {"of": owner.id},
    )
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    (wish,) = await facts.model_published(session, catalog.ModelPublished(model, owner.id or 0, True))
    assert isinstance(wish, FanOut)
    asked.clear()
    place = None
    for _ in range(3):
        place = await delivering.tell_batch(session, wish, place, limit=100)
    assert (place, len(asked)) == (None, 3)
    # A crash and another try tell nobody twice.
    await delivering.tell_many(session, wish)
    await drain(context)
    lines = await session.scalar(select(func.count()).select_from(Notification))
    assert lines == 250
    fan = await session.scalar(select(Person.id).where(Person.username == "fan_7"))
    assert await told(session, actor_for(fan or 0)) == ["maker_n published Lanterns"]


async def test_who_asked_for_versions_and_who_did_not(session: AsyncSession, context: TaskContext) -> None:
    owner = await make_actor(session)
    model, _ = await make_published_model(
        session, owner.id, name="Lanterns", published_at=clock.now() - timedelta(days=3)
    )
    version = await make_published_version(session, model, name="v9")
    fan, waiting, muted, grown = [await make_actor(session) for _ in range(4)]
    for actor in (fan, muted):
        await make_follow(session, actor.id or 0, owner.id or 0)
    for actor, kind in ((waiting, "notify"), (muted, "mute")):
        await session.execute(
            text("INSERT INTO model_engagements (person_id, model_id, kind) VALUES (:p, :m, :k)"),
            {"p": actor.id, "m": model, "k": kind},
        )
    await listeners.tell(session, catalog.VersionPublished(version, model, owner.id or 0, True))
    await drain(context)
    for actor, count in ((fan, 1), (waiting, 1), (muted, 0)):
        assert len(await told(session, actor)) == count
    mature, _ = await make_published_model(session, owner.id, level=8)
    await make_follow(session, grown.id or 0, owner.id or 0)
    await session.execute(
        update(Person)
        .where(Person.id == grown.id)
        .values(show_mature=True, adult_confirmed_at=clock.now(), browsing_level=31)
    )
    await listeners.tell(session, catalog.ModelPublished(mature, owner.id or 0, True))
    await drain(context)
    assert (len(await told(session, fan)), len(await told(session, grown))) == (1, 1)


async def test_many_facts_find_their_people(session: AsyncSession, context: TaskContext) -> None:
    owner, ana = await make_actor(session, "owner_f"), await make_actor(session, "ana_f")
    model, (version,) = await make_published_model(session, owner.id, name="Lanterns", version={"name": "v1"})
    number, other = owner.id or 0, ana.id or 0
    cases: dict[str, Any] = {
        "ana_f follows you now": accounts.Followed(other, number),
        "ana_f reacted to Lanterns": gallery.Reacted(other, "model", model, "heart", number),
        "ana_f collected Lanterns": gallery.Collected(1, other, "model", model, True),
        "ana_f began a fork of Lanterns": catalog.ModelForked(1, other, version, model, number),
        "Lanterns: staff took it down": catalog.ModelModeChanged(model, number, other, "TakenDown"),
        "A file of Lanterns was held back by its safety check": catalog.FileScanned(
            1, version, model, number, "dangerous"
        ),
        "ana_f bought access to Lanterns v1": catalog.AccessBought(1, version, model, other, number, 2, 400),
        "The goal of Lanterns v1 was reached": catalog.DonationGoalReached(version, model, number, 4),
        "Lanterns v1 is open to everybody now": catalog.EarlyAccessEnded(version, "time"),
        "Your 1,000 Buzz arrived": buzz.BuzzPurchased(1, number, "green", 4000, 100),
        "ana_f gave you a gold membership": buzz.MembershipGifted(1, other, number, "gold", 3),
        "Your membership: silver is over": buzz.MembershipEnded(1, number, "silver", "unpaid"),
        "ana_f joined by your link": buzz.PersonReferred(number, other),
        "Your account: your role is moderator now": accounts.RoleChanged(number, "user", "moderator", other),
    }
    for fact in cases.values():
        await listeners.tell(session, fact)
    for quiet in (
        gallery.Reacted(other, "model", model, "dislike", number),
        catalog.FileScanned(1, version, model, number, "clean"),
        catalog.ModelUnpublished(model, number, number, None),
        orchestration.WorkflowEnded("w", number, "succeeded", 4),
        catalog.ModelPublished(model, number, False),
    ):
        await listeners.tell(session, quiet)
    await reviews.review(session, ana, version_id=version, recommended=True)
    await drain(context)
    assert set(await told(session, owner, limit=100)) == {*cases, "ana_f reviewed Lanterns v1"}
    assert len(await told(session, owner, category=Category.BUZZ)) == 3


async def test_every_fact_is_heard_and_every_kind_reads_well() -> None:
    from civitas.infra.queue.registry import REGISTRY

    for fact in listeners.READS:
        assert any(one.name.startswith("community.tell_") for one in REGISTRY.listeners_of(fact)), fact
    for kind in KINDS:
        words = sentence(
            kind.name, who="ana", count=3, data={"title": "Lanterns", "note": "gold", "amount": 5}
        )
        assert "{" not in words
        assert words[0].isupper() or words.startswith(("ana", "5", "3"))
    assert sentence("of another version", who="", count=1, data={"title": "Something"}) == "Something"
    assert [names(["a", "b"], count) for count in (0, 1, 2, 3, 9)] == [
        "Somebody", "a", "a and b", "a and 2 others", "a and 8 others",
    ]  # fmt: skip
    assert len(BY_NAME) == len(KINDS)


async def test_pages_marks_and_what_belongs_to_others(
    session: AsyncSession, connection: AsyncConnection
) -> None:
    ana, ben = await make_actor(session), await make_actor(session)
    for number in range(7):
        await delivering.tell(session, Note("referral", [ana.id or 0], str(number), None, ben.id))
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    found, cursor = [], None
    while True:
        page = await reading.page(session, ana, cursor=cursor, limit=3)
        found += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert (len(found), found) == (7, sorted(found, reverse=True))
    assert len(asked) <= 6
    with pytest.raises(NotFound):
        await reading.open_line(session, ben, notification_id=found[0])
    assert await reading.open_line(session, ana, notification_id=found[0]) == "/notifications"
    await reading.mark_read(session, ben, ids=found)
    assert await reading.unread_by_category(session, ana) == {"referral": 6}
    await reading.mark_read(session, ana, category=Category.BUZZ)
    await reading.mark_read(session, ana, ids=found[:3])
    assert await reading.unread_by_category(session, ana) == {"referral": 4}
    with pytest.raises(Forbidden):
        await reading.page(session, actor_for(ana.id or 0, scopes=Scope.USER_READ))


async def test_milestones_are_told_once_and_old_lines_go(session: AsyncSession, context: TaskContext) -> None:
    owner = await make_actor(session)
    model, _ = await make_published_model(session, owner.id, name="Lanterns")
    await session.execute(insert(ModelMetric).values(model_id=model, downloads=740, thumbs_up=49))
    for _ in range(2):
        await milestones.look(session)
        await drain(context)
    assert await told(session, owner) == ["Lanterns was downloaded 500 times"]
    await session.execute(update(ModelMetric).values(downloads=1001, thumbs_up=50))
    await milestones.look(session)
    await drain(context)
    assert set(await told(session, owner)) == {
        "Lanterns was downloaded 500 times",
        "Lanterns was downloaded 1,000 times",
        "50 people recommend Lanterns",
    }
    await session.execute(update(Notification).values(changed_at=clock.now() - timedelta(days=181)))
    await tasks.sweep_notifications(context)
    await milestones.look(session)
    await drain(context)
    assert await told(session, owner) == []


async def test_collections_tell_whom_they_concern(session: AsyncSession, context: TaskContext) -> None:
    ana, ben, eve, kim = [await make_actor(session, name) for name in ("ana_c", "ben_c", "eve_c", "kim_c")]
    made = await make_collection(session, ana, name="Harbours", write_by=WriteBy.REVIEW)
    session.add(CollectionContributor(collection_id=made.id, person_id=eve.id, permissions=8))
    number, owner, adder = made.id, ana.id or 0, ben.id or 0
    await listeners.tell(session, gallery.CollectionFollowed(number, adder, owner, True))
    await listeners.tell(session, gallery.CollectionFollowed(number, adder, owner, False))
    await listeners.tell(session, gallery.CollectionItemsSubmitted(number, adder, 2))
    assert await told(session, ana) == [
        "ben_c added to Harbours, for you to look at",
        "ben_c follows Harbours",
    ]
    assert await told(session, eve) == ["ben_c added to Harbours, for you to look at"]
    for item, state in enumerate(("accepted", "accepted", "rejected")):
        await listeners.tell(session, gallery.CollectionItemReviewed(number, item, adder, owner, state))
    await listeners.tell(session, gallery.CollectionItemReviewed(number, 9, owner, owner, "accepted"))
    lines = (await reading.page(session, ben)).items
    assert sorted((one.text, one.count) for one in lines) == [
        ("What you added to Harbours was accepted", 2),
        ("What you added to Harbours was not taken", 1),
    ]
    session.add(CollectionItem(collection_id=number, kind="image", subject_id=1, person_id=kim.id))
    await session.flush()
    for _ in range(2):
        await listeners.tell(session, gallery.ContestEnded(number, owner, [eve.id or 0, adder, eve.id or 0]))
    assert (await told(session, eve))[0] == "You are number 1 in Harbours"
    assert (await told(session, ben))[0] == "You are number 2 in Harbours"
    assert (await told(session, kim)) == ["Harbours is decided"]
    assert (await told(session, ana)).count("Harbours is decided") == 1


async def test_rooms_ranks_and_numbers_are_told(session: AsyncSession, context: TaskContext) -> None:
    ana, ben = await make_actor(session, "ana_r"), await make_actor(session, "ben_r")
    _, (image,) = await make_posted(session, ana.require())
    for _ in range(2):
        await listeners.tell(session, community.ChatInvited(5, ben.require(), ana.require()))
        await listeners.tell(session, community.RankReached(ana.require(), "images", 3))
        await listeners.tell(
            session, community.MilestoneReached(ana.require(), "reactions", "image", image, 50)
        )
    assert set(await told(session, ana)) == {
        "ben_r asks you into a chat",
        "Leaderboard Images: you are among the first 3",
        "Picture of ana_r has 50 reactions",
    }
    assert await told(session, ben) == []


async def test_an_announcement_reaches_everybody(session: AsyncSession, context: TaskContext) -> None:
    people = [await make_person(session) for _ in range(3)]
    wish = FanOut(
        "everybody", 0, "announcement", "1", None, None, None, {"title": "We are open", "path": "/"}
    )
    await delivering.tell_many(session, wish)
    await drain(context)
    for person in people:
        assert await told(session, actor_for(person)) == ["We are open"]
