"""What a tip, comment, report, reaction or notification points at, and how its facts are found.

A domain tells how its kinds are resolved in a module `subjects.py`, which app.wiring imports:

    @resolves("model")
    async def model(session, ids): ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing by the kind of its row and the row's id: `Subject("model", 7)`."""

    kind: str
    id: int


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """What others need to know of a subject: whose it is, how it is called, where its page is.

    `mature` is whether it may be shown or paid for on a safe site. `public` is whether strangers may see it,
    `since` since when they may, where that is known. `level` holds the bits of its levels, 0 where the domain tells
    only whether it is mature.
    """

    subject: Subject
    owner_id: int | None
    title: str
    path: str
    mature: bool = False
    public: bool = True
    level: int = 0
    since: datetime | None = None


Resolver = Callable[[Any, Sequence[int]], Awaitable[Mapping[int, SubjectFacts]]]

_RESOLVERS: dict[str, Resolver] = {}


def resolves(kind: str) -> Callable[[Resolver], Resolver]:
    """Resolve subjects of `kind` with this function: a session and ids in, facts by id out, missing ones left out."""

    def register(resolver: Resolver) -> Resolver:
        if kind in _RESOLVERS:
            raise ValueError(f"subjects of kind {kind} are resolved twice")
        _RESOLVERS[kind] = resolver
        return resolver

    return register


def kinds() -> tuple[str, ...]:
    """Every kind that can be resolved."""
    return tuple(sorted(_RESOLVERS))


async def resolve(session: Any, subject: Subject) -> SubjectFacts | None:
    """The facts of one subject; None when there is no such thing or kind."""
    return (await resolve_all(session, [subject])).get(subject)


async def resolve_all(session: Any, subjects: Sequence[Subject]) -> dict[Subject, SubjectFacts]:
    """The facts of many subjects, one query for each kind."""
    found: dict[Subject, SubjectFacts] = {}
    for kind in {subject.kind for subject in subjects} & _RESOLVERS.keys():
        ids = sorted({subject.id for subject in subjects if subject.kind == kind})
        for facts in (await _RESOLVERS[kind](session, ids)).values():
            found[facts.subject] = facts
    return found
