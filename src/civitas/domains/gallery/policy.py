"""Who may do what with pictures and posts."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, select

from civitas.domains.accounts.types import BLOCKED, Actor, Scope
from civitas.domains.catalog import policy as catalog_policy
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock


def sees_own(actor: Actor) -> bool:
    """Whether the actor is shown what only owners or staff are: a key needs `MEDIA_READ` for that."""
    return actor.signed_in and Scope.MEDIA_READ in actor.scopes


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Pictures this viewer may be shown: ready and of a level they asked for; one's own always (FEATURES N3).

    Add `posts_visible_to` for the post that holds it.
    """
    shown = and_(
        Image.status == "ready",
        Image.deleted_at.is_(None),
        Image.nsfw_level.op("&")(actor.mask) != 0,
        Image.nsfw_level.op("&")(BLOCKED) == 0,
    )
    if not sees_own(actor):
        return shown
    if actor.is_moderator:
        return Image.deleted_at.is_(None)
    return or_(shown, and_(Image.person_id == actor.id, Image.deleted_at.is_(None)))


def posts_visible_to(actor: Actor) -> ColumnElement[bool]:
    """Posts this viewer may open: published, and not the previews of a version that they may not see; their own.

    Deleted ones are nobody's.
    """
    if sees_own(actor) and actor.is_moderator:
        return Post.deleted_at.is_(None)
    version = (
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id == Post.version_id, catalog_policy.versions_visible_to(actor))
        .correlate(Post)
        .exists()
    )
    shown = and_(Post.published_at <= clock.now(), or_(~Post.showcase, version))
    if sees_own(actor):
        shown = or_(shown, Post.person_id == actor.id)
    return and_(Post.deleted_at.is_(None), shown)


def can_edit(actor: Actor, image: Image) -> bool:
    """The owner and moderators."""
    return actor.signed_in and (image.person_id == actor.id or actor.is_moderator)


def can_edit_post(actor: Actor, post: Post) -> bool:
    """The owner and moderators."""
    return actor.signed_in and (post.person_id == actor.id or actor.is_moderator)
