"""Models that steps use, by their AIRs: which versions of the catalogue they are, who may use them, who gets a part.

AIRs of other sources (Hugging Face, containers) are passed on as they are; agents that know them have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import access, air, licence_fees
from civitas.domains.catalog.licence_fees import Fee
from civitas.domains.orchestration.kinds.kind import Kind
from civitas.domains.orchestration.references import is_reference
from civitas.kit.errors import Fault, Forbidden, Invalid, NotFound
from civitas.kit.sql import statements

MOST: Final = 64
_FILES = text(statements("civitas.domains.orchestration", "resources.sql")["files"])
_PREFIXES: Final = ("urn:air:", "air:")


@dataclass(frozen=True, slots=True)
class Named:
    """An AIR and the path of the field in which it stands."""

    where: str
    text: str
    version_id: int


@dataclass(frozen=True, slots=True)
class Resource:
    """A version of the catalogue and the file that agents load."""

    air: str
    version_id: int
    model_id: int
    person_id: int
    file_id: int
    filename: str
    sha256: str
    size: int
    type: str
    base_model: str
    trained_words: Sequence[str]
    # Whether somebody uses it by a trial, which is then counted.
    trial: bool
    fees: tuple[Fee, ...]

    @property
    def is_base(self) -> bool:
        """Whether images are made by it, and not only changed."""
        return self.type == "Checkpoint"

    def kept(self) -> dict[str, Any]:
        """What jobs keep of it, and agents are told."""
        return {
            "air": self.air,
            "versionId": self.version_id,
            "fileId": self.file_id,
            "filename": self.filename,
            "sha256": self.sha256,
            "size": self.size,
            "type": self.type,
            "baseModel": self.base_model,
            "trainedWords": list(self.trained_words),
        }


def filenames(terms: Mapping[str, Any]) -> list[str]:
    """The names of the files that a step uses, out of what its terms keep of them."""
    return [str(one.get("filename") or "") for one in terms.get("resources") or ()]


def find(kind: Kind, input: Mapping[str, Any], where: str = "input") -> Iterator[Named]:
    """Every AIR of the catalogue in an input: texts and names of fields. Raises Invalid for one without a version."""
    if not kind.airs:
        return
    yield from _within(kind, input, where)


def _within(kind: Kind, value: Any, where: str) -> Iterator[Named]:
    if isinstance(value, dict):
        if is_reference(value):
            return
        for key, inner in value.items():
            path = f"{where}.{key}"
            if key.lower().startswith(_PREFIXES):
                yield from _named(key, path)
            if isinstance(inner, str):
                if inner.lower().startswith(_PREFIXES) or (key in kind.airs and "civitai:" in inner):
                    yield from _named(inner, path)
            else:
                yield from _within(kind, inner, path)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            if isinstance(inner, str) and inner.lower().startswith(_PREFIXES):
                yield from _named(inner, f"{where}[{place}]")
            else:
                yield from _within(kind, inner, f"{where}[{place}]")


def _named(given: str, where: str) -> Iterator[Named]:
    try:
        found = air.parse(given)
    except Fault as fault:
        raise Invalid(fault.message, code="bad_air", fields={where: fault.message}) from None
    if found.source != "civitai" or found.type == "image" or found.is_image:
        return
    if found.version_id is None:
        told = "name the version of the model, too: urn:air:sdxl:checkpoint:civitai:101@202."
        raise Invalid(f"{where}: {told}", code="bad_air", fields={where: told})
    yield Named(where, given, found.version_id)


async def look_up(session: AsyncSession, actor: Actor, named: Sequence[Named]) -> dict[int, Resource]:
    """The versions by their ids, each of which the actor may generate with.

    Raises Invalid (`unknown_resource`, `too_many_resources`) with the field, Forbidden (`access_needed`).
    """
    ids = sorted({one.version_id for one in named})
    if not ids:
        return {}
    if len(ids) > MOST:
        raise Invalid(f"A workflow uses at most {MOST} models.", code="too_many_resources")
    verdicts = await access.may_generate(session, actor, ids)
    for one in named:
        verdict = verdicts[one.version_id]
        if not verdict.allowed and verdict.reason == "not_found":
            told = "there is no such version here, or it is not public."
            raise Invalid(f"{one.where}: {told}", code="unknown_resource", fields={one.where: told})
        if not verdict.allowed:
            raise Forbidden(
                "This version is in early access; buy access to generate with it.",
                code="access_needed",
                details={"versionId": one.version_id, "field": one.where},
            )
    fees = await licence_fees.of_versions(session, ids)
    rows = {row.version_id: row for row in await session.execute(_FILES, {"versions": ids})}
    made: dict[int, Resource] = {}
    for one in named:
        row = rows.get(one.version_id)
        if row is None:
            told = "this version has no file that was found to be safe."
            raise Invalid(f"{one.where}: {told}", code="unknown_resource", fields={one.where: told})
        trial = verdicts[one.version_id].reason == "trial"
        owed = tuple(fee for fee in fees.get(one.version_id, ()) if fee.receiver_id != actor.id)
        made[one.version_id] = Resource(air=one.text, trial=trial, fees=owed, **row._mapping)
    return made


async def file_of(session: AsyncSession, actor: Actor, given: str) -> Resource:
    """The file that one AIR names, for looking at it. Raises as `look_up` does, NotFound for other sources."""
    found = list(_named(given, "model"))
    if not found:
        raise NotFound("This model is not in the catalogue of this site.", code="unknown_resource")
    return (await look_up(session, actor, found))[found[0].version_id]
