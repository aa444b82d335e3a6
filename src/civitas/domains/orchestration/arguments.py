"""A workflow's arguments, put in place before it is submitted: what they make of its steps is held against the schemas.

Arguments are known from the start, so one of a wrong kind is refused with the path of its field and not found out later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from civitas.domains.orchestration import rechecking, references
from civitas.domains.orchestration.references import ARGUMENTS, REPEAT, Resolver, Unresolved

MOST_TURNS: Final = 100
# Turns of loops that are looked at; the rest is held against the schema when it begins.
MOST_LOOKED: Final = 100

Fault = tuple[str, str]


def faults(type: str, input: Mapping[str, Any], where: str, arguments: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with a step's input once the arguments stand in it; `where` is the path of the input.

    The step is one whose references were found to lead somewhere (`references.wire`).
    """
    if not any(one.source == ARGUMENTS for one in references.find(dict(input), "")):
        return
    try:
        resolved = Resolver({ARGUMENTS: arguments}).resolve_step(type, input)
    except Unresolved as error:
        yield where, f"{error}."
        return
    yield from _inside(type, input, resolved, where, [MOST_LOOKED])


def _inside(
    type: str, given: Mapping[str, Any], resolved: Mapping[str, Any], where: str, left: list[int]
) -> Iterator[Fault]:
    if type != REPEAT:
        left[0] -= 1
        before = rechecking.problems(type, given, at=where)
        after = rechecking.problems(type, resolved, at=where)
        yield from ((path, told) for path, told in after.items() if path not in before)
        return
    clause, template = resolved["for"], resolved["template"]
    type, input, inner = template["$type"], template["input"], f"{where}.template.input"
    if "items" not in clause:
        yield from _inside(type, given["template"]["input"], input, inner, left)
        return
    try:
        items = references.turns(clause, most=MOST_TURNS)
    except Unresolved as error:
        yield f"{where}.for", f"{error}."
        return
    for item in items:
        if left[0] <= 0:
            return
        try:
            turn = Resolver({clause["as"]: item}).resolve_step(type, input)
        except Unresolved as error:
            yield inner, f"{error}."
            return
        if found := list(_inside(type, given["template"]["input"], turn, inner, left)):
            yield from found
            return
