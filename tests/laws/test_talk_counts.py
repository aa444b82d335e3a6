"""Comments, reviews and reactions are counted as they are, whatever was written, hidden, removed and shown again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor, make_person
from tests.factories.catalog import make_published_model
from tests.factories.comments import say, trusted
from tests.factories.feeds import make_image

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.catalog.tables import ModelMetric, VersionMetric
from civitas.domains.community.comments import keeping, writing
from civitas.domains.community.comments.tables import Comment, CommentThread
from civitas.domains.community.comments.types import State
from civitas.domains.community.reviews import writing as reviewing
from civitas.domains.community.reviews.tables import Review
from civitas.domains.gallery.feeds import counting, reactions
from civitas.domains.gallery.feeds.reactions import COLUMNS, Feeling
from civitas.domains.gallery.feeds.tables import Reaction, SubjectCounts
from civitas.infra.db.database import BoundDatabase, Database
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit.errors import Fault

WORDS: Final = (
    "write", "write", "answer", "answer", "hide", "restore", "remove", "edit", "review", "unreview", "exclude",
    "include", "react", "react", "react", "withdraw", "tell",
)  # fmt: skip
acts = st.lists(
    st.tuples(st.sampled_from(WORDS), st.integers(0, 3), st.integers(0, 50), st.integers(0, 4)),
    min_size=12,
    max_size=40,
)


@dataclass
class Story:
    """People, two things that they speak about, and what they have done."""

    session: AsyncSession
    context: TaskContext
    people: Sequence[Actor]
    staff: Actor
    topics: Sequence[Subject]
    versions: Sequence[int]
    said: list[int] = field(default_factory=list)

    async def act(self, word: str, who: int, which: int, how: int) -> None:
        session, actor = self.session, self.people[who]
        comment = self.said[which % len(self.said)] if self.said else 0
        topic = self.topics[which % 2]
        feeling = list(Feeling)[how]
        match word:
            case "write":
                self.said.append((await say(session, actor, topic)).id)
            case "answer" if comment:
                made = await session.get_one(Comment, comment)
                thread = await session.get_one(CommentThread, made.thread_id)
                about = Subject(thread.kind, thread.subject_id)
                self.said.append((await say(session, actor, about, below=comment)).id)
            case "hide" if comment:
                await keeping.hide(session, self.staff, comment_id=comment)
            case "restore" if comment:
                if not await self._comments(State.HIDDEN):
                    await keeping.hide(session, self.staff, comment_id=comment)
                hidden = await self._comments(State.HIDDEN)
                # Also what is not hidden: then nothing happens.
                await keeping.restore(session, self.staff, comment_id=(hidden or [comment])[0])
            case "remove" | "edit" if comment:
                made = await session.get_one(Comment, comment)
                writer = next(one for one in self.people if one.id == made.person_id)
                if word == "remove":
                    await writing.remove(session, writer, comment_id=comment)
                else:
                    await writing.edit(session, writer, comment_id=comment, content=f"Otherwise {which}")
            case "review":
                version = self.versions[which % 2]
                await reviewing.review(session, actor, version_id=version, recommended=how > 1)
            case "unreview" | "exclude" | "include":
                await self._judge(word, which)
            case "react":
                await reactions.react(session, actor, subject=await self._thing(which), feeling=feeling)
            case "withdraw":
                await self._withdraw(which)
            case "tell":
                await drain(self.context)

    async def _comments(self, state: State) -> list[int]:
        return list(await self.session.scalars(select(Comment.id).where(Comment.state == state)))

    async def _judge(self, word: str, which: int) -> None:
        query = select(Review).order_by(Review.id)
        if word == "include":
            query = query.where(Review.excluded_at.is_not(None))
        found = list(await self.session.scalars(query))
        if not found:
            return
        one = found[which % len(found)]
        if word == "unreview":
            writer = next(person for person in self.people if person.id == one.person_id)
            await reviewing.remove(self.session, writer, version_id=one.version_id)
        else:
            await reviewing.exclude(self.session, self.staff, review_id=one.id, excluded=word == "exclude")

    async def _withdraw(self, which: int) -> None:
        found = list(
            await self.session.scalars(select(Reaction).order_by(Reaction.kind, Reaction.subject_id))
        )
        if found:
            one = found[which % len(found)]
            actor = next(person for person in self.people if person.id == one.person_id)
            subject = Subject(one.kind, one.subject_id)
            await reactions.withdraw(self.session, actor, subject=subject, feeling=Feeling(one.reaction))

    async def _thing(self, which: int) -> Subject:
        reviews = [Subject("review", one) for one in await self.session.scalars(select(Review.id))]
        things = [*self.topics, *(Subject("comment", one) for one in self.said), *reviews]
        return things[which % len(things)]

    async def check(self) -> None:
        """What is shown is what is there."""
        session = self.session
        await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        session.expire_all()
        everything = list(await session.scalars(select(Comment)))
        shown = [one for one in everything if one.state == State.SHOWN]
        for thread in await session.scalars(select(CommentThread)):
            there = sum(one.thread_id == thread.id for one in shown)
            assert thread.comment_count == there
            if thread.kind == "model":
                told = await session.scalar(
                    select(ModelMetric.comments).where(ModelMetric.model_id == thread.subject_id)
                )
                assert (told or 0) == there
        for one in everything:
            assert one.reply_count == sum(answer.root_id == one.id for answer in shown)
            assert one.reaction_count == await self._reactions("comment", one.id)
        await self._check_reviews()
        await self._check_feelings()

    async def _check_reviews(self) -> None:
        found = list(await self.session.scalars(select(Review)))
        for one in found:
            assert one.reaction_count == await self._reactions("review", one.id)
        for version in self.versions:
            counted = [one.recommended for one in found if one.version_id == version and not one.excluded_at]
            row = await self.session.scalar(select(VersionMetric).where(VersionMetric.version_id == version))
            told = (row.thumbs_up, row.thumbs_down) if row is not None else (0, 0)
            assert told == (counted.count(True), counted.count(False))

    async def _check_feelings(self) -> None:
        while await counting.fold(self.session):
            pass
        rows = await self.session.execute(
            select(Reaction.kind, Reaction.subject_id, Reaction.reaction, func.count()).group_by(
                Reaction.kind, Reaction.subject_id, Reaction.reaction
            )
        )
        wanted = {(kind, number, COLUMNS[feeling]): there for kind, number, feeling, there in rows}
        for thread in await self.session.scalars(select(CommentThread)):
            if thread.comment_count:
                wanted[thread.kind, thread.subject_id, "comments"] = thread.comment_count
        told: dict[tuple[str, int, str], int] = {}
        for row in await self.session.scalars(select(SubjectCounts)):
            for column in COLUMNS.values():
                if getattr(row, column):
                    told[row.kind, row.subject_id, column] = getattr(row, column)
        assert told == wanted

    async def _reactions(self, kind: str, number: int) -> int:
        return await reactions.total(self.session, Subject(kind, number))


async def begin(session: AsyncSession, context: TaskContext) -> Story:
    owner = await make_person(session)
    model, versions = await make_published_model(session, owner, versions=2)
    image = await make_image(session, owner)
    people = [await trusted(session, await make_actor(session)) for _ in range(4)]
    staff = await make_actor(session, role=Role.MODERATOR)
    topics = [Subject("model", model), Subject("image", image)]
    return Story(session, context, people, staff, topics, list(versions))


def test_counts_are_the_truth(own_dsn: str) -> None:
    loop = asyncio.new_event_loop()
    database = Database(own_dsn)

    async def one(drawn: list[tuple[str, int, int, int]]) -> None:
        async with database.engine.connect() as connection:
            transaction = await connection.begin()
            units = BoundDatabase(connection)
            async with units.unit() as session:
                story = await begin(session, TaskContext(units))
                for act in drawn:
                    # What is refused changes nothing.
                    with suppress(Fault):
                        async with session.begin_nested():
                            await story.act(*act)
                await drain(story.context)
                await story.check()
            await transaction.rollback()

    # A failure is told at once: making it smaller would take minutes.
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn=acts)
    def law(drawn: list[tuple[str, int, int, int]]) -> None:
        loop.run_until_complete(one(drawn))

    try:
        law()
    finally:
        loop.run_until_complete(database.close())
        loop.close()


async def test_many_at_once_are_counted_one_by_one(own_dsn: str) -> None:
    database = Database(own_dsn, DatabaseSettings(pool_size=12))
    context = TaskContext(database)
    try:
        async with database.unit() as session:
            story = await begin(session, context)
            top = await say(session, story.people[0], story.topics[0])
        comment = Subject("comment", top.id)

        async def apart(what: Any, *args: Any, **given: Any) -> None:
            async with database.unit() as session:
                await what(session, *args, **given)

        both: list[Any] = []
        for who in story.people:
            both += [
                apart(reactions.react, who, subject=comment, feeling=Feeling.HEART),
                # The same twice at once is once.
                apart(reactions.react, who, subject=comment, feeling=Feeling.HEART),
                apart(reviewing.review, who, version_id=story.versions[0], recommended=True),
                apart(reviewing.review, who, version_id=story.versions[0], recommended=True),
                apart(say, who, story.topics[0], below=top.id),
            ]
        await asyncio.gather(*both)
        # Listeners run side by side, too.
        await asyncio.gather(*(drain(context) for _ in range(4)))
        await asyncio.gather(
            *(
                apart(reactions.withdraw, who, subject=comment, feeling=Feeling.HEART)
                for who in story.people[:2]
            ),
            *(apart(reviewing.remove, who, version_id=story.versions[0]) for who in story.people[:2]),
            apart(keeping.hide, story.staff, comment_id=top.id),
            apart(keeping.hide, story.staff, comment_id=top.id),
        )
        await asyncio.gather(*(drain(context) for _ in range(4)))
        async with database.unit() as session:
            story.session = session
            await story.check()
            row = await session.get_one(Comment, top.id)
            assert (row.reaction_count, row.reply_count) == (2, 4)
            assert await session.scalar(select(func.count()).select_from(Review)) == 2
    finally:
        await database.close()
