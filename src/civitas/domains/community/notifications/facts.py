"""What a fact tells whom: comments, follows, publishing, reactions, reviews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.events.accounts import Followed
from civitas.contracts.events.catalog import ModelPublished, VersionPublished
from civitas.contracts.events.community import ArticlePublished, Commented, CommentEdited, Reviewed
from civitas.contracts.events.gallery import Collected, PostPublished, Reacted
from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts.tables import Person
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.community.comments.tables import Comment, CommentMention
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.messages import FanOut
from civitas.domains.gallery.tables import Post

Told = Sequence[Note | FanOut]
# A version that comes out together with its model is told with it.
TOGETHER: Final = timedelta(minutes=2)


async def about(session: AsyncSession, kind: str, subject_id: int) -> SubjectFacts | None:
    """What is known of a thing that can still be shown."""
    return await subjects.resolve(session, Subject(kind, subject_id))


def shown(facts: SubjectFacts, path: str | None = None, **more: Any) -> dict[str, Any]:
    """What a line keeps of a thing."""
    return {"title": facts.title[:200], "path": path or facts.path, **more}


async def commented(session: AsyncSession, event: Commented) -> Told:
    """Who is mentioned, who is answered, whose thing it is: each hears it once, in this order."""
    facts = await about(session, event.kind, event.subject_id)
    if facts is None:
        return ()
    data = shown(facts, f"/comment/{event.comment_id}")
    named = (
        await session.scalars(
            select(CommentMention.person_id).where(CommentMention.comment_id == event.comment_id)
        )
    ).all()
    answered = None
    if event.parent_id is not None:
        answered = await session.scalar(select(Comment.person_id).where(Comment.id == event.parent_id))
    notes = [
        Note("new-mention", named, str(event.comment_id), facts.subject, event.person_id, data, once=True)
    ]
    if answered is not None and answered not in named:
        notes.append(
            Note("new-reply", [answered], str(event.parent_id), facts.subject, event.person_id, data)
        )
    owner = facts.owner_id
    if owner is not None and owner not in (*named, answered):
        key = f"{event.kind}:{event.subject_id}"
        notes.append(Note("new-comment", [owner], key, facts.subject, event.person_id, data))
    return notes


async def edited(session: AsyncSession, event: CommentEdited) -> Told:
    """Those whom a comment names since it was edited."""
    facts = await about(session, event.kind, event.subject_id)
    if facts is None or not event.mentioned:
        return ()
    data = shown(facts, f"/comment/{event.comment_id}")
    return (
        Note(
            "new-mention", event.mentioned, str(event.comment_id), facts.subject, event.person_id, data,
            once=True,
        ),
    )  # fmt: skip


async def followed(session: AsyncSession, event: Followed) -> Told:
    """Somebody follows a person."""
    name = await session.scalar(select(Person.username).where(Person.id == event.person_id))
    path = f"/user/{name}" if name else "/notifications"
    subject = Subject("user", event.person_id)
    return (Note("new-follower", [event.target_id], "", subject, event.person_id, {"path": path}),)


async def reviewed(session: AsyncSession, event: Reviewed) -> Told:
    """The creator hears of a review."""
    facts = await about(session, "model_version", event.version_id)
    if facts is None or facts.owner_id is None:
        return ()
    data = shown(facts, f"/reviews/{event.review_id}")
    key = str(event.version_id)
    return (Note("new-review", [facts.owner_id], key, facts.subject, event.person_id, data),)


async def reacted(session: AsyncSession, event: Reacted) -> Told:
    """The owner hears of kind reactions."""
    if event.reaction == "dislike":
        return ()
    facts = await about(session, event.kind, event.subject_id)
    owner = event.owner_id or (facts.owner_id if facts else None)
    if facts is None or owner is None:
        return ()
    key = f"{event.kind}:{event.subject_id}"
    return (Note("new-reaction", [owner], key, facts.subject, event.person_id, shown(facts)),)


async def collected(session: AsyncSession, event: Collected) -> Told:
    """The owner hears that somebody keeps their thing."""
    facts = await about(session, event.kind, event.subject_id)
    if facts is None or facts.owner_id is None or not event.first:
        return ()
    key = f"{event.kind}:{event.subject_id}"
    return (Note("collected", [facts.owner_id], key, facts.subject, event.person_id, shown(facts)),)


async def model_published(session: AsyncSession, event: ModelPublished) -> Told:
    """Followers hear of a new model."""
    return await _to_followers(session, "new-model", "model", event.model_id, event.person_id, event.first)


async def version_published(session: AsyncSession, event: VersionPublished) -> Told:
    """Followers, and who waits for it, hear of a new version; not of those that came with the model."""
    row = (
        await session.execute(
            select(ModelVersion.published_at, Model.published_at)
            .join(Model, Model.id == ModelVersion.model_id)
            .where(ModelVersion.id == event.version_id)
        )
    ).first()
    if row is None or row[0] is None or row[1] is None or row[0] - row[1] < TOGETHER:
        return ()
    followers = await _to_followers(
        session, "new-version", "model_version", event.version_id, event.person_id, event.first
    )
    for one in followers:
        one.data["modelId"] = event.model_id
    return [
        FanOut(
            "waiting", event.model_id, one.kind, one.key, one.actor_id, one.subject_kind, one.subject_id,
            one.data, one.mature,
        )
        for one in followers
    ] + list(followers)  # fmt: skip


async def post_published(session: AsyncSession, event: PostPublished) -> Told:
    """Followers hear of a new post; what shows a version is told with the version."""
    if await session.scalar(select(Post.showcase).where(Post.id == event.post_id)):
        return ()
    return await _to_followers(session, "new-post", "post", event.post_id, event.person_id, True)


async def article_published(session: AsyncSession, event: ArticlePublished) -> Told:
    """Followers hear of a new article."""
    return await _to_followers(
        session, "new-article", "article", event.article_id, event.person_id, event.first
    )


async def _to_followers(
    session: AsyncSession, kind: str, subject_kind: str, subject_id: int, person_id: int, first: bool
) -> list[FanOut]:
    facts = await about(session, subject_kind, subject_id) if first else None
    if facts is None or not facts.public:
        return []
    return [
        FanOut(
            "followers", person_id, kind, str(subject_id), person_id, subject_kind, subject_id, shown(facts),
            facts.mature,
        )
    ]  # fmt: skip
