"""Who may see and change workflows: whoever submitted them, and moderators, who may look and cancel."""

from __future__ import annotations

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration.errors import UnknownWorkflow


def submitter(actor: Actor) -> int:
    """The id of somebody who may submit. Raises Unauthorised, Forbidden (`insufficient_scope`)."""
    return actor.require(Scope.AI_SERVICES_WRITE)


def reader(actor: Actor) -> int:
    """The id of somebody who may read their own workflows. Raises as `submitter` does."""
    return actor.require(Scope.AI_SERVICES_READ)


def require_own(actor: Actor, person_id: int, *, staff: bool = False) -> None:
    """Raises UnknownWorkflow for somebody else's; with `staff`, moderators count as owners."""
    if actor.id != person_id and not (staff and actor.is_moderator):
        raise UnknownWorkflow
