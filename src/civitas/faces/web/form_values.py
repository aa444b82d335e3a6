"""From a page's form to a form of the domain: blanks, lists, moments, and errors by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from civitas.kit.errors import Invalid
from civitas.kit.ids import row_id

_Form = TypeVar("_Form", bound=BaseModel)
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_VERSION_IN_LINK = re.compile(r"[?&](?:modelVersionId|version)=(\d{1,18})")
MINUTES_IN_DAY = 24 * 60


def validated(form: type[_Form], values: Mapping[str, Any]) -> _Form:
    """The domain's form of these values. Raises Invalid (`validation_failed`) with a sentence for each field."""
    try:
        return form.model_validate(dict(values))
    except ValidationError as error:
        fields: dict[str, str] = {}
        for item in error.errors(include_url=False)[:20]:
            name = snake(str(item["loc"][0])) if item["loc"] else "form"
            fields.setdefault(name, _sentence(str(item["msg"])))
        raise Invalid("Please check these fields.", code="validation_failed", fields=fields) from None


def _sentence(message: str) -> str:
    told = message.removeprefix("Value error, ").replace("Input should be", "This should be")
    return f"{told[:1].upper()}{told[1:]}{'' if told.endswith('.') else '.'}"


def snake(name: str) -> str:
    """`allowNoCredit` as `allow_no_credit`: the names of faults as those of fields."""
    return _CAMEL.sub(r"_\1", name).lower()


def blank(text: str) -> str | None:
    """None for a field that was left empty."""
    return text.strip() or None


def words(text: str) -> list[str]:
    """Tags as people write them: parted by commas or lines."""
    return [word for part in re.split(r"[,\n]", text) if (word := part.strip())]


def lines(text: str) -> list[str]:
    """One entry a line, for entries that may hold commas."""
    return [line for part in text.splitlines() if (line := part.strip())]


def moment(text: str) -> datetime | None:
    """An exact moment that a page of ours carried; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def local_moment(text: str, offset: str) -> datetime | None:
    """What a `datetime-local` field says (HTML, local date and time), in a zone `offset` minutes east of UTC.

    None when the field is empty. Raises Invalid (`bad_time`).
    """
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        minutes = int(offset or "0")
    except ValueError:
        told = "Give a date and a time, such as 2031-05-20 18:30."
        raise Invalid(told, code="bad_time", fields={"at": told}) from None
    if found.tzinfo is not None:
        return found.astimezone(UTC)
    east = timedelta(minutes=minutes if abs(minutes) < MINUTES_IN_DAY else 0)
    return found.replace(tzinfo=UTC) - east


def version_id(text: str, *, field: str) -> int | None:
    """The version that somebody names by its number or by a link to its page; None for an empty field.

    Raises Invalid (`bad_version`).
    """
    given = text.strip().lstrip("#")
    if not given:
        return None
    if (number := row_id(given)) is not None:
        return number
    found = _VERSION_IN_LINK.search(given)
    if found is not None:
        return int(found[1])
    told = "Give the number of a version, or a link to it."
    raise Invalid(told, code="bad_version", fields={field: told})
