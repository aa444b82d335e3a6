"""Hold what was submitted against the published schemas, and fill in what they say is meant when nothing is said.

Three things differ from plain JSON Schema. `{"$ref": ..., "path": ...}` may stand for any value, because it becomes one
later. A `discriminator` chooses the one schema that counts, so that an error speaks of it and not of forty alternatives.
What has a default, or is zero, false or empty when nothing is said, may be left out though it is called required; and a
field that is not known is left out of what was given, and named in `Checked.ignored`. Clients that exist do all of it.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from civitas.domains.orchestration.schemas.interface import Schema, published

MOST_PROBLEMS: Final = 50
MOST_IGNORED: Final = 200
REFERENCE: Final = "$ref"
_NOT_GUESSED: Final = ("engine", "type", "role")

_AIR: Final = re.compile(
    r"(?:urn:)?(?:air:)?(?:[\w\-/]+:)?(?:[\w\-/]+:)?[\w\-/]+:[\w\-/.]+(?:@[\w\-/.=,%+:]+)?(?:\.[\w\-]+)?",
    re.ASCII,
)
_SPAN: Final = re.compile(
    r"(?:(?P<days>\d{1,8})\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2}(?:\.\d{1,7})?))?",
    re.ASCII,
)
_ISO_SPAN: Final = re.compile(
    r"P(?:(?P<days>\d{1,8})D)?(?:T(?:(?P<hours>\d{1,8})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,10}(?:\.\d{1,7})?)S)?)?",
    re.ASCII,
)


@dataclass(slots=True)
class Checked:
    """What was given with defaults filled in, what is wrong with it by path, and the paths of what nobody reads."""

    value: Any
    problems: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def is_reference(value: object) -> bool:
    """Whether this object stands for a value that is known later. `{"$ref": "#/..."}` is JSON Schema's own."""
    return (
        isinstance(value, dict)
        and isinstance(value.get(REFERENCE), str)
        and not value[REFERENCE].startswith("#")
        and value.keys() <= {REFERENCE, "path"}
        and isinstance(value.get("path", ""), str)
    )


def seconds_of(span: str) -> float | None:
    """Seconds of a time span: `[d.]hh:mm[:ss[.fffffff]]`, `d:hh:mm:ss`, or ISO 8601 `PT10M`; None when it is none."""
    iso = span.startswith("P")
    if span.count(":") == 3:
        # As the JavaScript client writes them.
        span = span.replace(":", ".", 1)
    match = (_ISO_SPAN if iso else _SPAN).fullmatch(span)
    if match is None or not any(match.groups()):
        return None
    parts = (float(part or 0) for part in match.group("days", "hours", "minutes", "seconds"))
    days, hours, minutes, seconds = parts
    if not iso and (hours > 23 or minutes > 59 or seconds >= 60):
        return None
    return (((days * 24) + hours) * 60 + minutes) * 60 + seconds


def step_input(step_type: str, given: Any, *, at: str) -> Checked:
    """The input of a step, held against its schema; `at` is where it stands, such as `steps[0].input`.

    What was given is not changed. KeyError for a step type that is not published.
    """
    return _checked(_validator("step", step_type), given, at)


def body(schema: str, given: Any, *, at: str = "") -> Checked:
    """The same for a whole body by the schema's name, such as `UpdateWorkflowRequest`."""
    return _checked(_validator("schema", schema), given, at)


@lru_cache(maxsize=1024)
def _validator(of: str, name: str) -> Validator:
    interface = published()
    return _CHECKER(
        interface.steps[name].input if of == "step" else interface.schemas[name], format_checker=_FORMATS
    )


def _checked(validator: Validator, given: Any, at: str) -> Checked:
    found = Checked(copy.deepcopy(given))
    for error in _within(validator, found.value, validator.schema):
        path = path_of(error.absolute_path, at)
        if isinstance(error.cause, _Field):
            path = f"{path}.{error.cause}" if path else str(error.cause)
        if error.validator == "additionalProperties" and isinstance(error.cause, _Field):
            found.ignored.append(path)
        else:
            found.problems.setdefault(path or "$", _told(error))
        if len(found.problems) >= MOST_PROBLEMS or len(found.ignored) >= MOST_IGNORED:
            break
    return found


def path_of(parts: Iterator[str | int] | Any, at: str = "") -> str:
    """`steps[0].input.images[2]` of its parts."""
    path = at
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else str(part)
    return path


def _shown(value: object) -> str:
    """A value in a message: short, and never a whole picture."""
    text = (
        repr(value)
        if not isinstance(value, bool | type(None))
        else {True: "true", False: "false", None: "null"}[value]
    )
    return text if len(text) <= 60 else f"{text[:57]}..."


_TYPES: Final = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "array": "a list", "object": "an object", "null": "null",
}  # fmt: skip


def _told(error: ValidationError) -> str:
    """What is wrong, in a sentence of ours; jsonschema's own would repeat the whole value."""
    rule, limit, value = error.validator, error.validator_value, error.instance
    if rule == "type":
        wanted = [limit] if isinstance(limit, str) else limit
        return f"Must be {' or '.join(_TYPES[one] for one in wanted if one != 'null')}."
    if rule == "enum":
        return f"The value {_shown(value)} is not one of {', '.join(map(str, limit[:40]))}."
    said: Mapping[str, Callable[[], str]] = {
        "minimum": lambda: f"Must be at least {limit}; it is {_shown(value)}.",
        "maximum": lambda: f"Must be at most {limit}; it is {_shown(value)}.",
        "minLength": lambda: f"Must have at least {limit} characters.",
        "maxLength": lambda: f"Must have at most {limit} characters; it has {len(value)}.",
        "minItems": lambda: f"Must have at least {limit} items.",
        "maxItems": lambda: f"Must have at most {limit} items; it has {len(value)}.",
        "uniqueItems": lambda: "The items must differ from one another.",
        "pattern": lambda: f"The value {_shown(value)} does not have the form {limit}.",
        "format": lambda: f"The value {_shown(value)} is not {_FORMAT_NAMES.get(limit, limit)}.",
    }
    return said[str(rule)]() if str(rule) in said else error.message


def _within(
    validator: Validator, instance: Any, schema: Schema | bool, path: str | int | None = None
) -> Iterator[ValidationError]:
    """What is wrong with a part, as `Validator.descend` says it, which would make a validator for each of them."""
    if not isinstance(schema, dict):
        yield from validator.descend(instance, schema, path=path)
        return
    if is_reference(instance):
        return
    for name, limit in schema.items():
        rule = _RULES.get(name)
        if rule is None:
            continue
        for error in rule(validator, limit, instance, schema) or ():
            error._set(validator=name, validator_value=limit, instance=instance, schema=schema)
            if path is not None:
                error.path.appendleft(path)
            yield error


# The rules of our own. An error's path ends at the object, so the field's name goes beside it.


class _Field(Exception):
    """The name of a field that is missing, wrong as a choice, or not known; jsonschema wants an exception here."""


def _of_field(message: str, name: str) -> ValidationError:
    return ValidationError(message, cause=_Field(name))


def _required(
    validator: Validator, names: list[str], instance: Any, schema: Schema
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for name in names:
        if name in instance:
            continue
        one = schema["properties"].get(name, {})
        if one.get("type") == "array" and not one.get("minItems"):
            instance[name] = []
        elif one.get("type") == "boolean" and "default" not in one:
            instance[name] = False
        elif not _may_miss(one):
            yield _of_field("This field is required.", name)


def _may_miss(schema: Schema) -> bool:
    """Whether a default stands in, or the value is of a kind that is nothing when nothing is said."""
    return (
        "default" in schema
        or schema.get("type") in ("integer", "number", "boolean")
        or len(schema.get("enum", ())) > 1
    )


def _properties(
    validator: Validator, properties: Mapping[str, Schema], instance: Any, schema: Schema
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for name, one in properties.items():
        if name not in instance:
            if "default" in one:
                instance[name] = copy.copy(one["default"])
            continue
        value = instance[name]
        if value is None and name not in schema.get("required", ()):
            # Left out, said loudly: clients that were generated write every field.
            continue
        if "enum" in one and isinstance(value, str) and value not in one["enum"]:
            instance[name] = next((known for known in one["enum"] if known.lower() == value.lower()), value)
        yield from _within(validator, instance[name], one, name)


def _items(
    validator: Validator, items: Schema | bool, instance: Any, schema: Schema
) -> Iterator[ValidationError]:
    if isinstance(instance, list):
        for place, one in enumerate(instance):
            yield from _within(validator, one, items, place)


def _additional(
    validator: Validator, allowed: bool | Schema, instance: Any, schema: Schema
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict) or allowed is True:
        return
    for name in instance.keys() - schema.get("properties", {}).keys():
        if allowed is False:
            # Not refused: programs of other versions say more, and less, than this one reads.
            del instance[name]
            yield _of_field("There is no such field.", name)
        else:
            yield from _within(validator, instance[name], allowed, name)


def _discriminator(
    validator: Validator, told: Mapping[str, Any], instance: Any, schema: Schema
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        yield ValidationError("Must be an object.")
        return
    name, mapping = told["propertyName"], told["mapping"]
    value = instance.get(name)
    if value is None and (chosen := _chosen(validator, name, mapping, instance)) is not None:
        instance[name] = value = chosen
    if isinstance(value, str) and value in mapping:
        yield from _within(validator, instance, mapping[value])
    elif value is None:
        yield _of_field(f"This field is required; it is one of {', '.join(mapping)}.", name)
    else:
        yield _of_field(f"The value {_shown(value)} is not one of {', '.join(mapping)}.", name)


def _chosen(
    validator: Validator, name: str, mapping: Mapping[str, Schema], instance: dict[str, Any]
) -> str | None:
    """The first alternative that nothing is wrong with; of engines only when there is no other, of steps never."""
    if name == "$type":
        return None
    if len(mapping) == 1:
        return next(iter(mapping))
    fitting = []
    for value, schema in mapping.items():
        tried = copy.deepcopy(instance) | {name: value}
        if not any(True for _ in _within(validator, tried, schema)):
            fitting.append(value)
    if name in _NOT_GUESSED and len(fitting) > 1:
        return None
    return fitting[0] if fitting else None


def _around(rule: Callable[..., Any]) -> Callable[..., Iterator[ValidationError]]:
    """The rule, for everything but a reference."""

    def checked(validator: Validator, limit: Any, instance: Any, schema: Schema) -> Iterator[ValidationError]:
        if not is_reference(instance):
            yield from rule(validator, limit, instance, schema) or ()

    return checked


_OWN: Final = {
    "required": _required,
    "properties": _properties,
    "items": _items,
    "additionalProperties": _additional,
    "discriminator": _discriminator,
}
_RULES: Final = dict[str, Callable[..., Any]](Draft202012Validator.VALIDATORS) | _OWN
_CHECKER: Final = extend(Draft202012Validator, {name: _around(rule) for name, rule in _RULES.items()})

_FORMATS: Final = FormatChecker(formats=())
_FORMAT_NAMES: Final = {
    "air": "an AIR (urn:air:ecosystem:type:source:id@version)",
    "uri": "an address",
    "date-time": "a date and time of RFC 3339",
    "date-span": "a time span such as 00:05:00",
    "int32": "a whole number of 32 bits",
    "int64": "a whole number of 64 bits",
    "double": "a finite number",
    "float": "a finite number",
}


def _is_air(value: Any) -> bool:
    return not isinstance(value, str) or (len(value) <= 1024 and _AIR.fullmatch(value) is not None)


def _is_uri(value: Any) -> bool:
    # Blob ids and AIRs may stand where media is wanted; whose field it is looks closer.
    return not isinstance(value, str) or (
        value.strip() != "" and not any(ord(one) < 32 for one in value[:4096])
    )


def _is_moment(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_span(value: Any) -> bool:
    return not isinstance(value, str) or seconds_of(value) is not None


def _is_int32(value: Any) -> bool:
    return not isinstance(value, int | float) or -(2**31) <= value < 2**31


def _is_int64(value: Any) -> bool:
    return not isinstance(value, int | float) or -(2**63) <= value < 2**63


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


for _name, _check in {
    "air": _is_air,
    "uri": _is_uri,
    "date-time": _is_moment,
    "date-span": _is_span,
    "int32": _is_int32,
    "int64": _is_int64,
    "double": _is_finite,
    "float": _is_finite,
}.items():
    _FORMATS.checks(_name)(_check)
