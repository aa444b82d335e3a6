"""What the feeds do about facts: their rows follow pictures, posts, models and people; counts follow what people do."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonBanned, PersonDeleted, PersonRestored, PersonUnbanned
from civitas.contracts.events.catalog import (
    ModelDeleted,
    ModelPublished,
    ModelRestored,
    ModelUnpublished,
    VersionChanged,
    VersionDeleted,
    VersionPublished,
    VersionUnpublished,
)
from civitas.contracts.events.community import Commented, CommentRemoved, CommentRestored
from civitas.contracts.events.gallery import (
    Collected,
    ImageChanged,
    ImageReady,
    ImageRemoved,
    PostChanged,
    PostPublished,
    PostRemoved,
    Uncollected,
    VersionsShown,
)
from civitas.contracts.subjects import Subject
from civitas.domains.gallery.feeds import reactions, rows
from civitas.domains.gallery.feeds.messages import RebuildFeed
from civitas.infra.queue.outbox import defer, publish
from civitas.infra.queue.registry import on


@on(ImageReady)
async def show_image(session: AsyncSession, event: ImageReady) -> None:
    """A picture that can be shown is in the feed."""
    await rows.rebuild(session, [event.image_id])


@on(ImageChanged)
async def show_changed_image(session: AsyncSession, event: ImageChanged) -> None:
    """What the feed filters and orders a picture by follows it."""
    await rows.rebuild(session, [event.image_id])


@on(ImageRemoved)
async def unlist_image(session: AsyncSession, event: ImageRemoved) -> None:
    """A picture that was taken away leaves the feed."""
    await rows.rebuild(session, [event.image_id])


@on(PostPublished)
async def show_post(session: AsyncSession, event: PostPublished) -> None:
    """A post's pictures enter the feed when others may see it; who made what they show is told."""
    await rows.rebuild_post(session, event.post_id)
    shown = await rows.shown_versions(session, event.post_id)
    if shown:
        await publish(session, VersionsShown(event.post_id, event.person_id, tuple(shown)))


@on(PostChanged)
async def show_changed_post(session: AsyncSession, event: PostChanged) -> None:
    """The feed follows what a post says of its pictures."""
    await rows.rebuild_post(session, event.post_id)


@on(PostRemoved)
async def unlist_post(session: AsyncSession, event: PostRemoved) -> None:
    """A post's pictures leave the feed with it."""
    await rows.rebuild_post(session, event.post_id)


@on(ModelPublished)
async def show_model_pictures(session: AsyncSession, event: ModelPublished) -> None:
    """Pictures of a model can be seen with it."""
    await defer(session, RebuildFeed("model", event.model_id), once=f"gallery:model:{event.model_id}")


@on(ModelUnpublished)
async def drop_model_pictures(session: AsyncSession, event: ModelUnpublished) -> None:
    """Pictures that show a model go from view with it."""
    await defer(session, RebuildFeed("model", event.model_id), once=f"gallery:model:{event.model_id}")


@on(ModelDeleted)
async def drop_deleted_model(session: AsyncSession, event: ModelDeleted) -> None:
    """Pictures that show a model go from view with it."""
    await defer(session, RebuildFeed("model", event.model_id), once=f"gallery:model:{event.model_id}")


@on(ModelRestored)
async def show_restored_model(session: AsyncSession, event: ModelRestored) -> None:
    """Pictures that show a model come back with it."""
    await defer(session, RebuildFeed("model", event.model_id), once=f"gallery:model:{event.model_id}")


@on(VersionPublished)
async def show_version_pictures(session: AsyncSession, event: VersionPublished) -> None:
    """Pictures of a version can be seen with it."""
    await defer(session, RebuildFeed("model", event.model_id), once=f"gallery:model:{event.model_id}")


@on(VersionUnpublished)
async def drop_version_pictures(session: AsyncSession, event: VersionUnpublished) -> None:
    """Pictures that show a version go from view with it."""
    await defer(session, RebuildFeed("model", event.model_id), once=f"gallery:model:{event.model_id}")


@on(VersionDeleted)
async def drop_deleted_version(session: AsyncSession, event: VersionDeleted) -> None:
    """Pictures that show a version go from view with it."""
    await defer(session, RebuildFeed("model", event.model_id), once=f"gallery:model:{event.model_id}")


@on(VersionChanged)
async def follow_version(session: AsyncSession, event: VersionChanged) -> None:
    """Pictures are found by the base model of what they were made with."""
    await defer(session, RebuildFeed("model", event.model_id), once=f"gallery:model:{event.model_id}")


@on(PersonDeleted)
async def drop_person(session: AsyncSession, event: PersonDeleted) -> None:
    """The pictures of a person who left are not shown."""
    await defer(session, RebuildFeed("person", event.person_id), once=f"gallery:person:{event.person_id}")


@on(PersonRestored)
async def show_restored_person(session: AsyncSession, event: PersonRestored) -> None:
    """The pictures of a person who came back are shown again."""
    await defer(session, RebuildFeed("person", event.person_id), once=f"gallery:person:{event.person_id}")


@on(PersonBanned)
async def drop_banned_person(session: AsyncSession, event: PersonBanned) -> None:
    """The pictures of a person who was banned are not shown."""
    await defer(session, RebuildFeed("person", event.person_id), once=f"gallery:person:{event.person_id}")


@on(PersonUnbanned)
async def show_unbanned_person(session: AsyncSession, event: PersonUnbanned) -> None:
    """The pictures of a person whose ban ended are shown again."""
    await defer(session, RebuildFeed("person", event.person_id), once=f"gallery:person:{event.person_id}")


@on(Commented)
async def count_comment(session: AsyncSession, event: Commented) -> None:
    """Count a comment on a thing."""
    await reactions.count(session, Subject(event.kind, event.subject_id), "comment", +1)


@on(CommentRemoved)
async def uncount_comment(session: AsyncSession, event: CommentRemoved) -> None:
    """A comment no longer counts."""
    await reactions.count(session, Subject(event.kind, event.subject_id), "comment", -1)


@on(CommentRestored)
async def recount_comment(session: AsyncSession, event: CommentRestored) -> None:
    """A comment counts again."""
    await reactions.count(session, Subject(event.kind, event.subject_id), "comment", +1)


@on(Collected)
async def count_collected(session: AsyncSession, event: Collected) -> None:
    """Count a person who collects a thing, once however many of their collections hold it."""
    if event.first:
        await reactions.count(session, Subject(event.kind, event.subject_id), "collect", +1)


@on(Uncollected)
async def uncount_collected(session: AsyncSession, event: Uncollected) -> None:
    """A person no longer collects a thing."""
    if event.last:
        await reactions.count(session, Subject(event.kind, event.subject_id), "collect", -1)
