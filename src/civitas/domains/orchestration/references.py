"""References between steps: `{"$ref": name, "path": "output.images[0].url"}` found before, replaced when they can be.

A source is a step's name, its place (`$0`, `$1`, ...), `$arguments`, or the variable of a `repeat`. What a path leads
through is the step as its owner sees it (`output`, `input`, `metadata`). A blob in an output is `{"$blob": id}`; a path
that goes on into it (`.url`, `.id`) gives `{"$blob": id, "field": "url"}`, which media inputs take as the blob itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from civitas.contracts.wire.jobs import BLOB

REF: Final = "$ref"
PATH: Final = "path"
ARGUMENTS: Final = "$arguments"
REPEAT: Final = "repeat"

# What outputs keep where a blob or an archive belongs.
MARKS: Final = frozenset({BLOB, "$archive"})
UNMARKED: Final = (
    "names that are ours ($blob, $archive) cannot be used; name media by id, address or reference."
)

LONGEST_PATH: Final = 500
DEEPEST: Final = 64
# An input with everything in it may be this large, in bytes of JSON.
LARGEST_INPUT: Final = 1 << 20
_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d{1,6})\]")
_PLACE = re.compile(r"\$(\d{1,6})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_BLOB_FIELDS: Final = frozenset({"id", "url", "previewUrl"})
_KEYS: Final = frozenset({REF, PATH, "as"})


class Unresolved(Exception):
    """A reference leads nowhere, or to more than fits; the text says what, for whoever submitted it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference and where it stands: `where` is the path of the field that holds it."""

    source: str
    path: str
    where: str


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a step refers to, by names of steps, and what is wrong with it, by the path of the field."""

    needs: tuple[str, ...]
    faults: Mapping[str, str]


def is_reference(value: Any) -> bool:
    """Whether a JSON value is a reference. `{"$ref": "#/..."}` belongs to JSON Schema and is none."""
    return (
        isinstance(value, dict)
        and isinstance(value.get(REF), str)
        and value.keys() <= _KEYS
        and not value[REF].startswith("#")
    )


def find(value: Any, where: str) -> Iterator[Reference]:
    """Every reference in a value, with the path of its field."""
    if is_reference(value):
        path = value.get(PATH)
        yield Reference(value[REF], path if isinstance(path, str) else "", where)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from find(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from find(inner, f"{where}[{place}]")


def marked(value: Any) -> bool:
    """Whether a value says by itself what only the house may say: `{"$blob": id}`, `{"$archive": ...}`.

    Whoever looks at a workflow gets links for these, so nobody may bring them along.
    """
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            if not MARKS.isdisjoint(one):
                return True
            pending.extend(one.values())
        elif isinstance(one, list | tuple):
            pending.extend(one)
    return False


def too_deep(value: Any, left: int = DEEPEST) -> bool:
    """Whether a value is nested deeper than anything we walk through."""
    if left == 0:
        return isinstance(value, dict | list)
    if isinstance(value, dict):
        return any(too_deep(inner, left - 1) for inner in value.values())
    return isinstance(value, list) and any(too_deep(inner, left - 1) for inner in value)


def names_of(given: Sequence[str | None]) -> list[str]:
    """The names of steps: their own, or their place, `0`, `1`, ..."""
    return [name if name is not None else str(place) for place, name in enumerate(given)]


def wire(
    *, place: int, names: Sequence[str], type: str, input: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Wiring:
    """What the step at `place` needs, or why it cannot be: unknown names, itself, steps after it, wrong paths."""
    needs: dict[str, None] = {}
    faults: dict[str, str] = {}
    known = {name: at for at, name in enumerate(names)}
    top = f"steps[{place}].input"
    for reference in _free(type, input, top, frozenset(), set(names), faults):
        told = _fault(reference, known, place, arguments)
        if told is not None:
            faults[reference.where] = told
        elif reference.source != ARGUMENTS:
            needs[names[_at(reference.source, known)]] = None
    return Wiring(tuple(needs), faults)


def _free(
    type: str,
    input: Mapping[str, Any],
    where: str,
    bound: frozenset[str],
    names: set[str],
    faults: dict[str, str],
) -> Iterator[Reference]:
    """The references of a step that are not to a loop's own variable; faults of loops are put down."""
    if type != REPEAT:
        yield from _outside(find(input, where), bound)
        return
    clause, template = input.get("for"), input.get("template")
    if not isinstance(clause, dict) or not isinstance(template, dict):
        faults[where] = "a repeat needs `for` and `template`."
        return
    variable = clause.get("as")
    if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
        faults[f"{where}.for.as"] = (
            "name the loop's variable with letters, digits, _ and -, beginning with a letter."
        )
        return
    if variable in names or variable in bound:
        faults[f"{where}.for.as"] = (
            f"{variable!r} is the name of a step or of an outer loop; choose another one."
        )
        return
    if not is_reference(clause) and "items" not in clause:
        faults[f"{where}.for"] = (
            "say with $ref and path what to go through: a list, or a number to count up to."
        )
        return
    yield from _outside(find(clause, f"{where}.for"), bound)
    inner = template.get("input")
    if not isinstance(inner, dict) or not isinstance(template.get("$type"), str):
        faults[f"{where}.template"] = "the template of a repeat is a step: it needs $type and input."
        return
    yield from _free(template["$type"], inner, f"{where}.template.input", bound | {variable}, names, faults)


def _outside(found: Iterator[Reference], bound: frozenset[str]) -> Iterator[Reference]:
    return (reference for reference in found if reference.source not in bound)


def _at(source: str, known: Mapping[str, int]) -> int:
    placed = _PLACE.fullmatch(source)
    return int(placed[1]) if placed else known.get(source, -1)


def _fault(
    reference: Reference, known: Mapping[str, int], place: int, arguments: Mapping[str, Any]
) -> str | None:
    try:
        parts = parse_path(reference.path)
    except Unresolved as error:
        return str(error)
    if reference.source == ARGUMENTS:
        try:
            follow(arguments, parts)
        except Unresolved as error:
            return f"{error} (in the workflow's arguments)."
        return None
    at = _at(reference.source, known)
    if not 0 <= at < len(known):
        return f"there is no step, argument or loop variable named {reference.source[:100]!r}."
    if at == place:
        return "a step cannot refer to itself."
    if at > place:
        return f"it refers to {reference.source[:100]!r}, which comes later; put that step first."
    return None


def parse_path(path: str) -> tuple[str | int, ...]:
    """`output.images[0].url` in parts; nothing for the whole. Raises Unresolved."""
    if len(path) > LONGEST_PATH:
        raise Unresolved(f"a path has at most {LONGEST_PATH} characters")
    parts: list[str | int] = []
    at = 0
    while at < len(path):
        found = _PART.match(path, at)
        if found is None or len(parts) >= DEEPEST:
            raise Unresolved("this path cannot be read; write it like output.images[0].url")
        parts.append(found[1] if found[1] is not None else int(found[2]))
        at = found.end()
    return tuple(parts)


def follow(root: Any, parts: Sequence[str | int]) -> Any:
    """What lies at the end of a path. Raises Unresolved."""
    here = root
    for place, part in enumerate(parts):
        if isinstance(here, dict) and isinstance(here.get(BLOB), str):
            if part in _BLOB_FIELDS and place == len(parts) - 1:
                return {BLOB: here[BLOB], "field": part}
            raise Unresolved(f"{_shown(parts)!r} asks for {part!r} of a blob; a blob has id and url")
        here = _inside(here, part, parts)
    return here


def _inside(here: Any, part: str | int, parts: Sequence[str | int]) -> Any:
    if isinstance(part, str) and isinstance(here, dict) and part in here:
        return here[part]
    if isinstance(part, int) and isinstance(here, list) and part < len(here):
        return here[part]
    raise Unresolved(f"there is nothing at {_shown(parts)!r}")


def _shown(parts: Sequence[str | int]) -> str:
    made = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return made.lstrip(".")


class Resolver:
    """Replaces references by what they lead to, and counts how much that is.

    `sources` maps names (steps, places, `$arguments`, loop variables) to JSON; references to others stay.
    """

    def __init__(self, sources: Mapping[str, Any], *, most: int = LARGEST_INPUT) -> None:
        self._sources = sources
        self._left = most
        self._sizes: dict[tuple[str, str], int] = {}

    def resolve(self, value: Any) -> Any:
        """The value with its references replaced. Raises Unresolved."""
        if is_reference(value):
            return self._replace(value) if value[REF] in self._sources else value
        if isinstance(value, dict):
            return {key: self.resolve(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.resolve(inner) for inner in value]
        return value

    def resolve_step(self, type: str, input: Mapping[str, Any]) -> dict[str, Any]:
        """The input of a step with its references replaced; a loop's clause keeps its variable."""
        clause = input.get("for")
        if type != REPEAT or not isinstance(clause, dict):
            made = self.resolve(dict(input))
            return made if isinstance(made, dict) else {}
        template = dict(input["template"])
        template["input"] = self.resolve_step(template["$type"], template["input"])
        if is_reference(clause) and clause[REF] in self._sources:
            clause = {"as": clause["as"], "items": self._replace(clause)}
        return {**input, "for": clause, "template": template}

    def _replace(self, reference: Mapping[str, Any]) -> Any:
        path = reference.get(PATH) or ""
        found = follow(self._sources[reference[REF]], parse_path(path))
        key = (reference[REF], path)
        size = self._sizes.get(key)
        if size is None:
            size = self._sizes[key] = len(orjson.dumps(found))
        self._left -= size
        if self._left < 0:
            raise Unresolved("what the references of this step lead to is larger than an input may be")
        return found


def turns(clause: Mapping[str, Any], *, most: int) -> list[Any]:
    """What a resolved loop goes through: the items of a list, or 0, 1, ... for a number. Raises Unresolved."""
    items = clause.get("items")
    if isinstance(items, list):
        found = items
    elif isinstance(items, int | float) and not isinstance(items, bool) and items == int(items) >= 0:
        if items > most:
            raise Unresolved(f"a repeat has at most {most} turns, not {int(items)}")
        found = list(range(int(items)))
    else:
        raise Unresolved("a repeat goes through a list or counts up to a number; this is neither")
    if len(found) > most:
        raise Unresolved(f"a repeat has at most {most} turns, not {len(found)}")
    return found
