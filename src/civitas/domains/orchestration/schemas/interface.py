"""The published schemas, read once a process and linked: no reference is left to look up while something is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import orjson

Schema = dict[str, Any]

STEP: Final = "WorkflowStep"
TEMPLATE: Final = "WorkflowStepTemplate"


@dataclass(frozen=True, slots=True)
class StepType:
    """A kind of step: what it takes and gives, and whether it has an address of its own."""

    name: str
    input: Schema
    output: Schema
    recipe: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One path and method. `answers` are schemas by status, empty where there is no body of JSON."""

    method: str
    path: str
    id: str
    tag: str
    parameters: tuple[Mapping[str, Any], ...]
    body: Schema
    answers: Mapping[str, Schema]


@dataclass(frozen=True, slots=True)
class Interface:
    """Everything that is published."""

    steps: Mapping[str, StepType]
    schemas: Mapping[str, Schema]
    operations: tuple[Operation, ...]


@lru_cache(maxsize=1)
def published() -> Interface:
    """The interface; reading and linking it takes some 20 ms, once."""
    raw = orjson.loads(files(__package__).joinpath("interface.json").read_bytes())
    named: dict[str, Schema] = raw["schemas"]
    steps = {
        name: StepType(name, _linked(one["input"], named), _linked(one["output"], named), one["recipe"])
        for name, one in raw["steps"].items()
    }
    for schema in named.values():
        _link_within(schema, named)
    _add_steps(named, steps)
    return Interface(
        steps,
        named,
        tuple(
            Operation(
                one["method"],
                one["path"],
                one["id"],
                one["tag"],
                tuple(one["parameters"]),
                _linked(one["body"], named),
                {status: _linked(schema, named) for status, schema in one["answers"].items()},
            )
            for one in raw["operations"]
        ),
    )


def _linked(schema: Schema, named: Mapping[str, Schema]) -> Schema:
    """The schema itself where there was a reference to it; what is inside is linked in place."""
    if "$ref" in schema:
        return named[schema["$ref"]]
    _link_within(schema, named)
    return schema


def _link_within(schema: Schema, named: Mapping[str, Schema]) -> None:
    for name, one in schema.get("properties", {}).items():
        schema["properties"][name] = _linked(one, named)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _linked(schema[key], named)
    if "discriminator" in schema:
        mapping = schema["discriminator"]["mapping"]
        for value, name in mapping.items():
            if isinstance(name, str):
                mapping[value] = named[name]


def _add_steps(named: dict[str, Schema], steps: Mapping[str, StepType]) -> None:
    """Make the steps and templates of each kind of the two bases, which are told apart by `$type`.

    The bases become the choice in place, because other schemas point at them.
    """
    for base, parts in ((STEP, ("input", "output")), (TEMPLATE, ("input",))):
        plain = dict(named[base])
        mapping = {}
        for kind in steps.values():
            own = {"$type": {"type": "string", "enum": [kind.name]}}
            own |= {part: getattr(kind, part) for part in parts}
            mapping[kind.name] = {
                **plain,
                "properties": plain["properties"] | own,
                "required": sorted({*plain["required"], "$type", "input"}),
            }
        named[base].clear()
        named[base]["discriminator"] = {"propertyName": "$type", "mapping": mapping}
