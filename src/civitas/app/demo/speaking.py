"""What the demo's people say to each other: comments with answers, reviews, reactions; and taking it all away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.house import House
from civitas.contracts import subjects
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor
from civitas.domains.community.articles.tables import Article
from civitas.domains.community.comments import writing
from civitas.domains.community.reviews import writing as reviewing
from civitas.domains.gallery.feeds import reactions
from civitas.domains.gallery.feeds.reactions import Feeling
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock


@dataclass(frozen=True, slots=True)
class Said:
    """A comment: on what, by whom, how long ago; answers below it. Things are found by kind and a key."""

    kind: str
    key: str
    who: str
    ago: timedelta
    words: str
    answers: tuple[tuple[str, str], ...] = ()
    liked_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thumb:
    """A review of the newest version of a model."""

    model: str
    who: str
    ago: timedelta
    recommended: bool
    words: str = ""


DAY: Final = timedelta(days=1)
COMMENTS: Final = (
    Said("model", "lantern", "ines_demo", DAY * 9,
         "The paper grain survives printing at A3. Which sampler did you settle on for the night scenes?",
         (("tobias_demo", "DPM++ 2M Karras, 24 steps. Fewer, and the lanterns lose their ribs."),
          ("ines_demo", "That was it, thank you @tobias_demo.")), ("tobias_demo", "yuki_demo")),
    Said("model", "lantern", "pavel_demo", DAY * 5,
         "Works as a background generator, too: **0.6** with *Veils* on top leaves room in the middle."),
    Said("model", "tideglass", "yuki_demo", DAY * 7,
         "The foam at the edge of the wave is what I came for. Is there a darker palette planned?",
         (("mira_demo", "Yes: a night version, when the moon lets me sleep."),), ("mira_demo", "ines_demo")),
    Said("post", "Lanterns for the kitchen wall", "tobias_demo", DAY,
         "This is exactly the wall I had in mind while training it.",
         (("ines_demo", "Come and see it: it is above the table now."),), ("ines_demo", "pavel_demo")),
    Said("image", "Lanterns for the kitchen wall", "yuki_demo", timedelta(hours=20),
         "I borrowed the sky of this one. The remix is in my post.",
         (("ines_demo", "More stars than I dared. I like it."),), ("ines_demo",)),
    Said("article", "Reading a model's page before you download it", "pavel_demo", DAY * 3,
         "The third question saved me from an awkward mail. Could you add a line about merges of merges?",
         (("mira_demo", "Good point, it will be in the next edit."),), ("mira_demo",)),
)  # fmt: skip
REVIEWS: Final = (
    Thumb("lantern", "ines_demo", DAY * 8, True, "Three prints on my wall. Sharp paper, soft light, no surprises."),
    Thumb("lantern", "yuki_demo", DAY * 4, True),
    Thumb("tideglass", "pavel_demo", DAY * 6, True, "Clean triggers, and it says honestly what it cannot do."),
    Thumb("tideglass", "ines_demo", DAY * 2, False, "Lovely water, but people at the shore melt into it. Landscapes only."),
    Thumb("veils", "pavel_demo", DAY * 3, True, "At 0.6 it is the mist that I was looking for."),
)  # fmt: skip
# Who feels what about pictures and posts: by the place of the picture, so that some are liked more than others.
FEELINGS: Final = (Feeling.HEART, Feeling.LIKE, Feeling.LIKE, Feeling.LAUGH, Feeling.HEART)


async def speak(
    house: House,
    people: Mapping[str, Actor],
    models: Mapping[str, int],
    versions: Mapping[str, Sequence[int]],
) -> None:
    """Say everything, each at the moment at which it is said to have been said, but not before there was the thing."""
    # Nobody reads their mail, so no address was ever confirmed.
    voices = {name: replace(actor, verified=True) for name, actor in people.items()}
    for thumb in REVIEWS:
        async with house.database.unit() as session:
            facts = await subjects.resolve(session, Subject("model_version", versions[thumb.model][-1]))
            moment = clock.now() - thumb.ago
            with clock.held_at(max(moment, facts.since if facts and facts.since else moment)):
                await reviewing.review(
                    session,
                    voices[thumb.who],
                    version_id=versions[thumb.model][-1],
                    recommended=thumb.recommended,
                    content=thumb.words,
                )
    for said in COMMENTS:
        async with house.database.unit() as session:
            subject = await _subject(session, said, models)
            if subject is not None:
                await _say(session, voices, subject, said)
    async with house.database.unit() as session:
        await _feel(session, voices)


async def _subject(session: AsyncSession, said: Said, models: Mapping[str, int]) -> Subject | None:
    match said.kind:
        case "model":
            found = models.get(said.key)
        case "article":
            found = await session.scalar(
                select(Article.id).where(Article.title == said.key, Article.status == "published").limit(1)
            )
        case "image":
            found = await session.scalar(
                select(Image.id)
                .join(Post, Post.id == Image.post_id)
                .where(Post.title == said.key, Image.status == "ready")
                .order_by(Image.id)
                .limit(1)
            )
        case _:
            found = await session.scalar(
                select(Post.id).where(Post.title == said.key, Post.deleted_at.is_(None)).limit(1)
            )
    return None if found is None else Subject(said.kind, found)


async def _say(session: AsyncSession, voices: Mapping[str, Actor], subject: Subject, said: Said) -> None:
    now = clock.now()
    facts = await subjects.resolve(session, subject)
    moment = max(now - said.ago, facts.since if facts and facts.since else now - said.ago)
    with clock.held_at(moment):
        made = await writing.write(session, voices[said.who], subject=subject, content=said.words)
    for place, (who, words) in enumerate(said.answers, 1):
        with clock.held_at(min(moment + timedelta(minutes=35 * place), now)):
            await writing.write(session, voices[who], subject=subject, content=words, parent_id=made.id)
    for who in said.liked_by:
        await reactions.react(session, voices[who], subject=Subject("comment", made.id), feeling=Feeling.LIKE)


async def _feel(session: AsyncSession, voices: Mapping[str, Actor]) -> None:
    ids = [actor.require() for actor in voices.values()]
    pictures = await session.execute(
        select(Image.id, Image.person_id, Image.post_id, Post.showcase)
        .join(Post, Post.id == Image.post_id)
        .where(Image.person_id.in_(ids), Image.status == "ready", Post.published_at.is_not(None))
        .order_by(Image.id)
    )
    posts: dict[int, int] = {}
    for place, row in enumerate(pictures):
        if not row.showcase:
            posts[row.post_id] = row.person_id
        for number, actor in enumerate(voices.values()):
            if actor.id != row.person_id and (place * 3 + number * 5) % 7 < 3:
                feeling = FEELINGS[(place + number) % len(FEELINGS)]
                await reactions.react(session, actor, subject=Subject("image", row.id), feeling=feeling)
    for post_id, owner in posts.items():
        for actor in voices.values():
            if actor.id != owner:
                await reactions.react(session, actor, subject=Subject("post", post_id), feeling=Feeling.HEART)
