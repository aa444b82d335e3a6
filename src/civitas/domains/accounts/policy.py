"""Who may do what to whom; every face shares it."""

from __future__ import annotations

from datetime import timedelta

from civitas.domains.accounts.types import SYSTEM_ID, Actor, Role
from civitas.kit import clock
from civitas.kit.errors import Forbidden

# Dangerous changes need a proof of identity that is younger than this.
FRESH = timedelta(minutes=30)

_RANK = {Role.USER: 0, Role.MODERATOR: 1, Role.ADMIN: 2}


def require_browser(actor: Actor) -> int:
    """The id of a person who sits at a signed-in browser; Forbidden for keys, however wide their scopes.

    A key must not be able to make keys, change credentials or close the account: it would outlive itself.
    """
    person = actor.require()
    if actor.via != "session":
        raise Forbidden("Do this on the site itself, signed in; a key cannot.", code="session_needed")
    return person


def require_fresh(actor: Actor) -> int:
    """As `require_browser`, and the person proved who they are within `FRESH`; Forbidden (`prove_again`)."""
    person = require_browser(actor)
    if actor.proved_at is None or actor.proved_at < clock.now() - FRESH:
        raise Forbidden("Please confirm that it is you, then try again.", code="prove_again")
    return person


def require_voice(actor: Actor) -> int:
    """The id of a person who may write in public; Forbidden (`muted`, `not_onboarded`) otherwise."""
    person = actor.require()
    if actor.muted:
        raise Forbidden("Your account is muted: you can read but not write for now.", code="muted")
    if not actor.onboarded and actor.via != "system":
        raise Forbidden("Finish setting up your account first.", code="not_onboarded")
    return person


def can_judge(actor: Actor, *, person_id: int, role: Role) -> bool:
    """Whether staff may mute or ban this person: not themselves, not the system, nobody of their own rank."""
    return (
        actor.is_moderator
        and person_id not in (actor.id, SYSTEM_ID)
        and (_RANK[actor.role] > _RANK[role] or actor.via == "system")
    )


def can_see_private(actor: Actor, person_id: int) -> bool:
    """Whether addresses, settings and standing of a person are shown: to themselves and to moderators."""
    return actor.id == person_id or actor.is_moderator
