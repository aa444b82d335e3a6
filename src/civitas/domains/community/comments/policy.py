"""Who may read, write, hide, pin and lock; every face shares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import SAFE_MASK, Actor, Scope
from civitas.domains.community.comments.types import WITHOUT_THREAD
from civitas.kit.errors import Forbidden, NotFound

# What a key needs to be shown what only owners or staff are, by kind of subject.
_SCOPES: Final[Mapping[str, Scope]] = {
    "model": Scope.MODELS_READ,
    "review": Scope.MODELS_READ,
    "image": Scope.MEDIA_READ,
    "post": Scope.MEDIA_READ,
    "article": Scope.ARTICLES_READ,
    "collection": Scope.COLLECTIONS_READ,
    "bounty": Scope.BOUNTIES_READ,
    "bounty_entry": Scope.BOUNTIES_READ,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A subject as this actor meets it."""

    facts: SubjectFacts
    # Whether the actor may hide, pin and lock here: it is theirs, or they are staff.
    keeps: bool

    @property
    def subject(self) -> Subject:
        """What is spoken about."""
        return self.facts.subject


def sees(actor: Actor, facts: SubjectFacts) -> bool:
    """Whether this viewer may be shown the thing: public and of a level that they asked for, or their own."""
    if _SCOPES.get(facts.subject.kind, Scope.USER_READ) in actor.scopes and keeps(actor, facts):
        return True
    return facts.public and (not facts.mature or bool(actor.mask & ~SAFE_MASK))


def keeps(actor: Actor, facts: SubjectFacts) -> bool:
    """Whether the actor keeps order in the thread: the owner of the thing, and moderators."""
    return actor.signed_in and (actor.is_moderator or facts.owner_id == actor.id)


async def place(session: AsyncSession, actor: Actor, subject: Subject) -> Place:
    """The thing that is spoken about. NotFound for what is not there, not seen, or has no thread."""
    facts = None if subject.kind in WITHOUT_THREAD else await subjects.resolve(session, subject)
    if facts is None or not sees(actor, facts):
        raise NotFound("There is nothing here to comment on.", code="subject_not_found")
    return Place(facts, keeps(actor, facts))


def require_keeper(actor: Actor, facts: SubjectFacts) -> int:
    """The id of a person who keeps order here; Forbidden otherwise."""
    person = actor.require(Scope.SOCIAL_WRITE)
    if not keeps(actor, facts):
        raise Forbidden("Only the owner of this and moderators can do that.", code="not_yours")
    return person


def require_writer(actor: Actor) -> int:
    """The id of a person who may write here. Forbidden: `muted`, `not_onboarded`, `not_verified`."""
    actor.require(Scope.SOCIAL_WRITE)
    person = require_voice(actor)
    if not actor.verified and actor.via != "system":
        raise Forbidden("Confirm your e-mail address first; then you can write here.", code="not_verified")
    return person
