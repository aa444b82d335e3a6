"""Holding the index against the tables that it was read from: what rooms have looked at, and what comes of it.

A room says what is to be looked at (`Looks`): how many carry some terms, and some pages number by number. What differs may
only just have changed, so it is looked at again; what stays so is told, and the index loads anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from civitas.infra.search.asking import SocketIndex

# What differs is looked at again after this long.
AGAIN_S: Final = 1.0
TRIES: Final = 3

# Finds what differs, in words.
Look = Callable[[], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Looks:
    """What a room wants looked at, and of how many counts and pages that is."""

    each: tuple[Look, ...] = ()
    terms: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """What was held against one another, and in what it differed, in words. `away`: there was nobody to ask."""

    terms: int = 0
    pages: int = 0
    wrong: tuple[str, ...] = ()
    away: bool = False


async def compare(index: SocketIndex, *rooms: Callable[[], Awaitable[Looks]]) -> Compared:
    """Look at a sample of every room; if something differs and stays so, the index loads anew."""
    status = await index.status()
    if status is None or not status["answers"]:
        return Compared(away=True)
    samples = [await room() for room in rooms]
    wrong = await _lasting([look for sample in samples for look in sample.each])
    if wrong:
        await index.anew()
    return Compared(sum(one.terms for one in samples), sum(one.pages for one in samples), tuple(wrong))


async def _lasting(looks: Sequence[Look]) -> list[str]:
    """What differs, and still did when it was looked at again a few times."""
    differ = [(look, found) for look in looks if (found := await look())]
    for _ in range(TRIES):
        if not differ:
            break
        await asyncio.sleep(AGAIN_S)
        differ = [(look, found) for look, _ in differ if (found := await look())]
    return [one for _, found in differ for one in found]


async def counts(
    index: SocketIndex, collection: str, true: Callable[[], Awaitable[tuple[Mapping[int, int], int]]]
) -> list[str]:
    """In what the index differs from how many carry each term, and from how many documents there are: `true`."""
    carried, total = await true()
    told = await index.counts(collection, list(carried))
    if told is None:
        return [f"{collection}: it does not count"]
    counted, every = told
    wrong = [
        f"{collection}: {found:,} instead of {carried[term]:,} carry the term {term}"
        for term, found in zip(carried, counted, strict=True)
        if carried[term] != found
    ]
    return wrong if total == every else [*wrong, f"{collection}: {every:,} instead of {total:,} are there"]
