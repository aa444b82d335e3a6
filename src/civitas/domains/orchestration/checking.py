"""Whether a template can be a workflow at all: looked at before anything is asked of the database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from civitas.domains.buzz.types import COLOURS
from civitas.domains.orchestration import arguments, kinds, references
from civitas.domains.orchestration.arguments import MOST_TURNS
from civitas.domains.orchestration.delivering import addresses
from civitas.domains.orchestration.errors import BadTemplate
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.orchestration.types import Level

__all__ = ["MOST_TURNS", "Checked", "check", "size"]

MOST_STEPS: Final = 100
MOST_TAGS, LONGEST_TAG = 10, 200
MOST_CALLBACKS: Final = 10
MOST_RETRIES: Final = 10
LONGEST_TIMEOUT_S: Final = 7 * 86_400
LONGEST_NAME: Final = 100
LARGEST_NOTES: Final = 64 << 10
LARGEST_TEMPLATE: Final = 8 << 20
HIGHEST_TIP: Final = 2
# So many faults are told at once.
MOST_FAULTS: Final = 50

_EXTERNAL = re.compile(r"[A-Za-z0-9_-]{1,128}")
EVENTS: Final = frozenset(
    f"{scope}:{status}"
    for scope in ("workflow", "step", "job")
    for status in (
        "*", "unassigned", "preparing", "scheduled", "processing", "succeeded", "failed", "expired", "canceled",
    )
)  # fmt: skip

Fault = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """A template that holds: the names of its steps, and what each needs."""

    names: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]


def check(template: Template) -> Checked:
    """Names and edges of a template. Raises BadTemplate with the path of every field that is wrong."""
    faults: dict[str, str] = {}
    for where, told in (*_whole(template), *_told(template)):
        faults.setdefault(where, told)
    if not 1 <= len(template.steps) <= MOST_STEPS:
        faults["steps"] = f"a workflow has 1 to {MOST_STEPS} steps, not {len(template.steps)}."
        raise BadTemplate(faults)
    names = references.names_of([step.name for step in template.steps])
    for place, step in enumerate(template.steps):
        for where, told in _step(step, f"steps[{place}]", names, place):
            faults.setdefault(where, told)
    needs: list[tuple[str, ...]] = []
    for place, step in enumerate(template.steps):
        if f"steps[{place}].input" in faults:
            needs.append(())
            continue
        wiring = references.wire(
            place=place, names=names, type=step.type, input=step.input, arguments=template.arguments
        )
        faults.update(wiring.faults)
        needs.append(wiring.needs)
        top = f"steps[{place}]."
        if not any(where.startswith(top) for where in faults):
            faults.update(arguments.faults(step.type, step.input, f"{top}input", template.arguments))
    if faults:
        raise BadTemplate(dict(list(faults.items())[:MOST_FAULTS]))
    return Checked(tuple(names), tuple(needs))


def _whole(template: Template) -> Iterator[Fault]:
    if len(template.tags) > MOST_TAGS:
        yield "tags", f"a workflow has at most {MOST_TAGS} tags."
    for place, tag in enumerate(template.tags[: MOST_TAGS + 1]):
        if not 1 <= len(tag) <= LONGEST_TAG or "\0" in tag:
            yield f"tags[{place}]", f"a tag has 1 to {LONGEST_TAG} characters."
    if len(set(template.tags)) != len(template.tags):
        yield "tags", "a tag stands twice."
    if size(template.notes) > LARGEST_NOTES:
        yield "metadata", f"metadata has at most {LARGEST_NOTES >> 10} KiB."
    if references.too_deep(template.arguments) or size(template.arguments) > references.LARGEST_INPUT:
        yield "arguments", f"arguments have at most {references.LARGEST_INPUT >> 10} KiB and 64 levels."
    for field, told in (("arguments", template.arguments), ("metadata", template.notes)):
        if references.marked(told):
            yield field, references.UNMARKED
    if sum(size(step.input) for step in template.steps) > LARGEST_TEMPLATE:
        yield "steps", f"the inputs of all steps together have at most {LARGEST_TEMPLATE >> 20} MiB."
    known = {colour.value for colour in COLOURS}
    for place, colour in enumerate(template.currencies):
        if colour not in known:
            yield f"currencies[{place}]", f"this is none of {', '.join(sorted(known))}."
    if template.nsfw_level is not None and template.nsfw_level not in set(Level):
        yield "nsfwLevel", "this is none of pg, pg13, r, x, xxx and na."
    for field, rate in (("civitai", template.tips.site), ("creators", template.tips.creators)):
        if rate is not None and not (rate.is_finite() and 0 <= rate <= HIGHEST_TIP):
            yield f"tips.{field}", f"a tip's rate is from 0 to {HIGHEST_TIP}."
    if template.external_id is not None and not _EXTERNAL.fullmatch(template.external_id):
        yield "externalId", "use 1 to 128 of the characters A-Z, a-z, 0-9, _ and -."


def _told(template: Template) -> Iterator[Fault]:
    if template.ephemeral and not template.callbacks and not template.waits:
        yield (
            "ephemeral",
            "what is not kept needs a callback, or `wait` above 0, or its result would be lost.",
        )
    if len(template.callbacks) > MOST_CALLBACKS:
        yield "callbacks", f"a workflow has at most {MOST_CALLBACKS} callbacks."
    for place, callback in enumerate(template.callbacks[:MOST_CALLBACKS]):
        if (trouble := addresses.url_trouble(callback.url)) is not None:
            yield f"callbacks[{place}].url", f"{trouble[0].lower()}{trouble[1:]}"
        for at, event in enumerate(callback.types[:100]):
            if event not in EVENTS:
                yield (
                    f"callbacks[{place}].type[{at}]",
                    "no such event; one looks like workflow:succeeded or step:*.",
                )
        if not callback.types:
            yield f"callbacks[{place}].type", "name at least one event."


def _step(step: StepTemplate, where: str, names: list[str], place: int) -> Iterator[Fault]:
    kind = kinds.of(step.type)
    if kind is None:
        yield f"{where}.$type", f"there is no step type {step.type[:100]!r}."
    for field, most in kind.longest.items() if kind else ():
        if isinstance(found := step.input.get(field), list) and len(found) > most:
            yield f"{where}.input.{field}", f"at most {most}, not {len(found)}."
    if step.name is not None and (
        not 1 <= len(step.name) <= LONGEST_NAME or step.name[0] == "$" or "\0" in step.name
    ):
        yield f"{where}.name", f"a name has 1 to {LONGEST_NAME} characters and does not begin with $."
    if names.index(names[place]) != place:
        yield f"{where}.name", f"the name {names[place][:100]!r} is taken by another step."
    if step.retries is not None and not 0 <= step.retries <= MOST_RETRIES:
        yield f"{where}.retries", f"a step is tried again 0 to {MOST_RETRIES} times."
    if step.timeout_s is not None and not 1 <= step.timeout_s <= LONGEST_TIMEOUT_S:
        yield f"{where}.timeout", "a timeout is from one second to seven days."
    if size(step.notes) > LARGEST_NOTES:
        yield f"{where}.metadata", f"metadata has at most {LARGEST_NOTES >> 10} KiB."
    for field, given in (("input", step.input), ("metadata", step.notes)):
        if references.marked(given):
            yield f"{where}.{field}", references.UNMARKED
    if references.too_deep(step.input):
        yield f"{where}.input", f"an input is nested at most {references.DEEPEST} levels deep."
    yield from _template(step, where)


def _template(step: StepTemplate, where: str) -> Iterator[Fault]:
    """The step within a `repeat`, as deep as it goes."""
    type, input, where = step.type, step.input, f"{where}.input.template"
    while type == references.REPEAT and isinstance(inner := input.get("template"), dict):
        type, input = str(inner.get("$type")), inner.get("input") or {}
        if kinds.of(type) is None:
            yield f"{where}.$type", f"there is no step type {type[:100]!r}."
        if not isinstance(input, dict):
            return
        where = f"{where}.input.template"


def size(value: object) -> int:
    """Bytes of JSON; more than any limit for what is no JSON."""
    try:
        return len(orjson.dumps(value))
    except (orjson.JSONEncodeError, TypeError):
        # Too deep, or a number beyond 64 bits: more than any limit.
        return LARGEST_TEMPLATE + 1
