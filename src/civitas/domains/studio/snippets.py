"""Snippets: `#name` in a prompt stands for one of a set's entries, or for each of them in turn (FEATURES G13).

Entries may hold further `#names`. `\\#` is a plain `#`. An unknown name stays as it is and is reported.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import cast, delete, func, select
from sqlalchemy.dialects.postgresql import JSONPATH, insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import SYSTEM_ID, Actor
from civitas.domains.studio.tables import SnippetSet
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.text import clean_line

MOST_SETS: Final = 200
MOST_ENTRIES: Final = 1_000
LONGEST_ENTRY: Final = 500
# In a list so many entries of a set are shown.
EXAMPLES: Final = 6
DEEPEST: Final = 6
# Names put in one prompt one after the other; a circle would never end.
MOST_REPLACED: Final = 48
LONGEST_PROMPT: Final = 20_000
_NAME: Final = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")
_REFERENCE: Final = re.compile(r"(?<![\\\w&])#([a-z][a-z0-9_-]{0,39})", re.IGNORECASE)

Mode = Literal["random", "batch"]


@dataclass(frozen=True, slots=True)
class Expansion:
    """The prompts that came of one, in order; names that meant nothing; and whether there would have been more."""

    prompts: tuple[str, ...]
    unknown: tuple[str, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A set in a list: how many entries it has, and the first of them. `shared` are everybody's."""

    name: str
    shared: bool
    count: int
    examples: tuple[str, ...]


def names_in(prompt: str) -> tuple[str, ...]:
    """The sets that a prompt refers to, in order, each once."""
    return tuple(dict.fromkeys(name.lower() for name in _REFERENCE.findall(prompt)))


def expand(
    prompt: str, sets: Mapping[str, Sequence[str]], *, mode: Mode, most: int, seed: int | None = None
) -> Expansion:
    """Put entries in the place of names.

    `random` draws for each of `most` prompts, the same ones for the same seed; `batch` goes through every combination,
    the last name changing fastest, and stops after `most`. Raises Invalid (`snippets_too_deep`, `prompt_too_long`).
    """
    unknown = tuple(name for name in _reachable(prompt, sets) if name not in sets)
    known = {name: entries for name, entries in sets.items() if entries}
    if not any(name in known for name in names_in(prompt)):
        return Expansion((_plain(prompt),), unknown, cut=False)
    if mode == "batch":
        made: list[str] = []
        for text in _every(prompt, known):
            if len(made) == most:
                return Expansion(tuple(made), unknown, cut=True)
            made.append(_plain(text))
        return Expansion(tuple(made), unknown, cut=False)
    draw = random.Random(seed)  # noqa: S311 - the choice of words needs repeating, not guarding
    return Expansion(tuple(_plain(_drawn(prompt, known, draw, 0)) for _ in range(most)), unknown, cut=False)


def _plain(prompt: str) -> str:
    return prompt.replace("\\#", "#")


def _reachable(prompt: str, sets: Mapping[str, Sequence[str]]) -> list[str]:
    seen: dict[str, None] = {}
    todo = list(names_in(prompt))
    while todo:
        name = todo.pop(0)
        if name in seen:
            continue
        seen[name] = None
        for entry in sets.get(name, ()):
            todo.extend(names_in(entry))
    return list(seen)


def _first(prompt: str, known: Mapping[str, Sequence[str]]) -> re.Match[str] | None:
    return next((found for found in _REFERENCE.finditer(prompt) if found.group(1).lower() in known), None)


def _put(prompt: str, found: re.Match[str], entry: str) -> str:
    text = prompt[: found.start()] + entry + prompt[found.end() :]
    if len(text) > LONGEST_PROMPT:
        raise Invalid("With its snippets the prompt is too long.", code="prompt_too_long")
    return text


def _every(prompt: str, known: Mapping[str, Sequence[str]], depth: int = 0) -> Iterator[str]:
    found = _first(prompt, known)
    if found is None:
        yield prompt
        return
    if depth > MOST_REPLACED:
        raise _too_deep()
    for entry in known[found.group(1).lower()]:
        yield from _every(_put(prompt, found, entry), known, depth + 1)


def _drawn(prompt: str, known: Mapping[str, Sequence[str]], draw: random.Random, depth: int) -> str:
    if depth > DEEPEST:
        raise _too_deep()

    def chosen(found: re.Match[str]) -> str:
        entries = known.get(found.group(1).lower())
        return _drawn(draw.choice(entries), known, draw, depth + 1) if entries else found.group()

    text = _REFERENCE.sub(chosen, prompt)
    if len(text) > LONGEST_PROMPT:
        raise Invalid("With its snippets the prompt is too long.", code="prompt_too_long")
    return text


def _too_deep() -> Invalid:
    return Invalid(
        f"Snippets refer to one another more than {DEEPEST} deep, or in a circle.", code="snippets_too_deep"
    )


async def available(
    session: AsyncSession, actor: Actor, names: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """The sets that a person can use, by name; their own hide everybody's of the same name."""
    owners = [SYSTEM_ID] if actor.id is None else [SYSTEM_ID, actor.id]
    chosen = select(SnippetSet.name, SnippetSet.entries).where(SnippetSet.person_id.in_(owners))
    if names is not None:
        chosen = chosen.where(SnippetSet.name.in_(list(names)))
    rows = await session.execute(chosen.order_by((SnippetSet.person_id == SYSTEM_ID).desc(), SnippetSet.name))
    return {row.name: list(row.entries) for row in rows}


async def own(session: AsyncSession, actor: Actor) -> list[SnippetSet]:
    """A person's own sets by name. Raises Unauthorised."""
    person = actor.require()
    return list(
        await session.scalars(
            select(SnippetSet).where(SnippetSet.person_id == person).order_by(SnippetSet.name)
        )
    )


async def save(
    session: AsyncSession, actor: Actor, *, name: str, entries: Sequence[str], for_everybody: bool = False
) -> SnippetSet:
    """Make a set, or replace its entries. Empty lines and repetitions are left out.

    `for_everybody` is for staff. Raises Invalid (`bad_name`, `bad_entries`), Conflict (`too_many_sets`), Forbidden.
    """
    owner = actor.require()
    if for_everybody:
        actor.require_moderator()
        owner = SYSTEM_ID
    folded = name.strip().lower().lstrip("#")
    if not _NAME.match(folded):
        told = "A name begins with a letter and has letters, digits, - and _, 40 at most."
        raise Invalid(told, code="bad_name", fields={"name": told})
    kept = list(dict.fromkeys(line for entry in entries if (line := clean_line(entry))))
    if not 1 <= len(kept) <= MOST_ENTRIES or any(len(line) > LONGEST_ENTRY for line in kept):
        told = f"Give 1 to {MOST_ENTRIES:,} entries of at most {LONGEST_ENTRY} characters, one a line."
        raise Invalid(told, code="bad_entries", fields={"entries": told})
    others = await session.scalar(
        select(func.count())
        .select_from(SnippetSet)
        .where(SnippetSet.person_id == owner, SnippetSet.name != folded)
    )
    if int(others or 0) >= MOST_SETS:
        raise Conflict(f"You have {MOST_SETS} sets; remove one first.", code="too_many_sets")
    now = clock.now()
    made = insert(SnippetSet).values(
        person_id=owner, name=folded, entries=kept, created_at=now, changed_at=now
    )
    result = await session.scalars(
        made.on_conflict_do_update(
            index_elements=["person_id", "name"],
            set_={"entries": made.excluded.entries, "changed_at": made.excluded.changed_at},
        ).returning(SnippetSet),
        execution_options={"populate_existing": True},
    )
    return result.one()


async def listed(session: AsyncSession, actor: Actor) -> list[Listed]:
    """A person's own sets and everybody's, by name, each with its first entries."""
    owners = [SYSTEM_ID] if actor.id is None else [SYSTEM_ID, actor.id]
    rows = await session.execute(
        select(
            SnippetSet.name,
            SnippetSet.person_id,
            func.jsonb_array_length(SnippetSet.entries).label("size"),
            func.jsonb_path_query_array(SnippetSet.entries, cast(f"$[0 to {EXAMPLES - 1}]", JSONPATH)).label(
                "examples"
            ),
        )
        .where(SnippetSet.person_id.in_(owners))
        .order_by(SnippetSet.name)
    )
    return [Listed(row.name, row.person_id == SYSTEM_ID, row.size, tuple(row.examples)) for row in rows]


async def entries_of(
    session: AsyncSession, actor: Actor, *, name: str, for_everybody: bool = False
) -> list[str] | None:
    """The entries of one's own set, or of one of everybody's; None when there is none of this name."""
    owner = SYSTEM_ID if for_everybody else actor.require()
    found = await session.scalar(
        select(SnippetSet.entries).where(SnippetSet.person_id == owner, SnippetSet.name == name.lower())
    )
    return list(found) if found is not None else None


async def remove(session: AsyncSession, actor: Actor, *, name: str, for_everybody: bool = False) -> None:
    """Remove one's own set, or as staff one of everybody's. Raises NotFound, Forbidden."""
    owner = actor.require()
    if for_everybody:
        actor.require_moderator()
        owner = SYSTEM_ID
    gone = await session.scalar(
        delete(SnippetSet)
        .where(SnippetSet.person_id == owner, SnippetSet.name == name.lower())
        .returning(SnippetSet.id)
    )
    if gone is None:
        raise NotFound("There is no set of this name.", code="no_such_set")
