"""Forms of pages: what was entered, and what was wrong with it, so that a page can come back with both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from civitas.faces.http.actors import actor_of
from civitas.faces.http.csrf import FIELD, SAFE_METHODS, CheckedForm
from civitas.faces.http.limits import take
from civitas.kit.errors import Conflict, Fault

LONGEST_VALUE = 20_000
MOST_VALUES = 400
# Never sent back to the browser.
_SECRET = frozenset({"password", "current", "new", "code", FIELD})


@dataclass(frozen=True)
class Entered:
    """A form's values, and the sentences that belong beside its fields.

    `problem` is what is wrong and belongs to no field. An empty one stands for a form that is shown first.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, UploadFile] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field, or `default` when the form did not have it."""
        return self.values[name][0] if self.values.get(name) else default

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may be there several times."""
        return self.values.get(name, ())

    def flag(self, name: str, default: bool = False) -> bool:
        """Whether a box is ticked; `default` for a form that was not sent."""
        return bool(self.values.get(name)) if self.values else default

    def shown(self, name: str, default: str = "") -> str:
        """The value as a page may repeat it: secrets are typed again."""
        return "" if name in _SECRET else self.get(name, default)

    def error(self, name: str) -> str | None:
        """What is wrong with a field."""
        return self.errors.get(name)

    def failed(self, fault: Fault, **names: str) -> Entered:
        """The same values with what a fault says; `names` maps its field names to ours (`bio="about"`)."""
        told = fault.details.get("fields")
        errors = {names.get(key, key): str(text) for key, text in (told or {}).items()}
        return replace(self, errors=errors, problem=None if errors else fault.message)


def status_of(fault: Fault) -> int:
    """The status under which a form comes back: 409 for a conflict, 429 for a limit, else 400."""
    return fault.status if isinstance(fault, Conflict) or fault.kind == "limited" else 400


async def read(request: Request, longest: int = LONGEST_VALUE) -> Entered:
    """What was sent, bounded: each text at most `longest` characters, without NUL, which nothing can store."""
    values: dict[str, list[str]] = {}
    files: dict[str, UploadFile] = {}
    for name, value in (await request.form()).multi_items()[:MOST_VALUES]:
        if isinstance(value, UploadFile):
            files.setdefault(name, value)
        else:
            values.setdefault(name, []).append(value[:longest].replace("\0", ""))
    return Entered({name: tuple(found) for name, found in values.items()}, files)


async def counted(request: Request) -> None:
    """Count a change against its sender's allowance; reading is counted elsewhere."""
    if request.method not in SAFE_METHODS:
        await actor_of(request)
        await take(request, "write")


# What every router of pages with forms depends on.
CHECKED = [CheckedForm, Depends(counted)]
