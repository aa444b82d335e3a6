"""Who may read and change which article; every face shares it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, true

from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.articles.tables import Article
from civitas.domains.community.articles.types import Status
from civitas.kit.errors import Forbidden


def listed() -> ColumnElement[bool]:
    """Articles that are public."""
    return and_(Article.status == Status.PUBLISHED.value, Article.deleted_at.is_(None))


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """What this viewer may read: public ones of a level they asked for, their own always, all of them for staff."""
    alive = Article.deleted_at.is_(None)
    if actor.is_moderator:
        return and_(alive, true())
    shown = and_(listed(), Article.nsfw_level.op("&")(actor.mask) != 0)
    return shown if actor.id is None else or_(shown, and_(alive, Article.person_id == actor.id))


def require_writer(actor: Actor) -> int:
    """The id of somebody who may write articles: with a voice, and a proved address."""
    actor.require(Scope.ARTICLES_WRITE)
    person = require_voice(actor)
    if not actor.verified and actor.via != "system":
        raise Forbidden("Confirm your email address before you write articles.", code="not_verified")
    return person


def can_edit(actor: Actor, article: Article) -> bool:
    """Its writer. Staff take an article from view, they do not write in it."""
    return actor.signed_in and article.person_id == actor.id
