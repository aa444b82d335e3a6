"""Answers held against the published schemas themselves: closed, every required field there, every format kept."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from civitas.domains.orchestration.schemas import checking
from civitas.domains.orchestration.schemas.interface import Operation, published

# What the documentation tells of steps and jobs and the schemas leave out, and what is ours beside it.
BESIDE = {
    "id+status+cost": {"reason", "blockedReason", "refunded"},
    "$type+status": {"reason", "blockedReason", "warnings"},
}

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _moment(value: Any) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("uri")
def _address(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@FORMATS.checks("date-span")
def _span(value: Any) -> bool:
    return not isinstance(value, str) or checking.seconds_of(value) is not None


@FORMATS.checks("int32")
def _int32(value: Any) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


def _closed(validator: Any, allowed: Any, instance: Any, schema: Any) -> Any:
    if not isinstance(instance, dict) or allowed is True:
        return
    beside: set[str] = set()
    for marks, names in BESIDE.items():
        if set(marks.split("+")) <= schema.get("properties", {}).keys():
            beside |= names
    for name in instance.keys() - schema.get("properties", {}).keys() - beside:
        if allowed is False:
            yield ValidationError(f"{name} is not in the schema")
        else:
            yield from validator.descend(instance[name], allowed, path=name)


def _choice(validator: Any, told: Any, instance: Any, schema: Any) -> Any:
    chosen = told["mapping"].get(instance.get(told["propertyName"]))
    if chosen is None and instance.get("type") == "file":
        # What is neither picture, video, sound nor body is a blob all the same.
        return
    if chosen is None:
        yield ValidationError(f"{told['propertyName']} is {instance.get(told['propertyName'])!r}")
    else:
        yield from validator.descend(instance, chosen)


def _unless_reference(rule: Any) -> Any:
    def checked(validator: Any, limit: Any, instance: Any, schema: Any) -> Any:
        if not checking.is_reference(instance):
            yield from rule(validator, limit, instance, schema) or ()

    return checked


_STRICT = extend(
    Draft202012Validator,
    {
        name: _unless_reference(rule)
        for name, rule in {
            **Draft202012Validator.VALIDATORS, "additionalProperties": _closed, "discriminator": _choice,
        }.items()
    },
)  # fmt: skip


@lru_cache
def operation(method: str, path: str) -> Operation:
    """The published operation that a request was for; a template with fewer holes wins."""
    parts = path.strip("/").split("/")
    found = []
    for one in published().operations:
        wanted = one.path.strip("/").split("/")
        holes = sum(part.startswith("{") for part in wanted)
        # Ids of services and resources have slashes in them.
        more = wanted[-1] in ("{serviceId}", "{air}", "{tag}") and len(parts) > len(wanted)
        fits = one.method == method and (more or len(wanted) == len(parts))
        if fits and all(
            want.startswith("{") or want == part for want, part in zip(wanted, parts, strict=not more)
        ):
            found.append((holes, one.path, one))
    assert found, f"{method} {path} is not published"
    return min(found)[2]


def problems_of(value: Any, schema: Any) -> list[str]:
    """What is wrong with a value."""
    validator = _STRICT(schema, format_checker=FORMATS)
    return [
        f"{checking.path_of(error.absolute_path)}: {error.message[:300]}"
        for error in validator.iter_errors(value)
    ]


def kept(answer: httpx.Response) -> Any:
    """The JSON of an answer that keeps the contract of its operation; None when it has none."""
    request = answer.request
    told = operation(request.method, request.url.path)
    status = str(answer.status_code)
    # The document has some refusals as plain text; all of ours are problem documents.
    schema: Any = published().schemas["ProblemDetails"]
    if answer.status_code < 400:
        assert status in told.answers, (status, answer.text[:500])
        schema = told.answers[status]
    if answer.status_code == 204 or not answer.content:
        return None
    value = answer.json()
    found = problems_of(value, schema)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    assert not found, f"{request.method} {request.url.path} {status}: {found}\n{answer.text[:2000]}"
    return value
