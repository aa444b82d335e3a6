"""Who may do what with pictures."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_

from civitas.domains.accounts.types import BLOCKED, Actor
from civitas.domains.gallery.tables import Image


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Pictures this viewer may be shown: ready and of a level they asked for; one's own always (FEATURES N3)."""
    shown = and_(
        Image.status == "ready",
        Image.deleted_at.is_(None),
        Image.nsfw_level.op("&")(actor.mask) != 0,
        Image.nsfw_level.op("&")(BLOCKED) == 0,
    )
    if actor.is_moderator:
        return Image.deleted_at.is_(None)
    if actor.id is None:
        return shown
    return or_(shown, and_(Image.person_id == actor.id, Image.deleted_at.is_(None)))


def can_edit(actor: Actor, image: Image) -> bool:
    """The owner and moderators."""
    return actor.signed_in and (image.person_id == actor.id or actor.is_moderator)
