"""From what a picture says of itself back to a recipe: every model looked for, what is missing named (FEATURES G11)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.studio import samplers, stacking
from civitas.domains.studio.recipes import MOST_ID
from civitas.domains.studio.stacking import NETWORKS, Usable

_HASH: Final = re.compile(r"^[0-9A-Fa-f]{8,64}$")
_AIR_VERSION: Final = re.compile(r"@(\d{1,18})")
_SIZE: Final = re.compile(r"^(\d{1,5})x(\d{1,5})$")
MOST: Final = 40


@dataclass(frozen=True, slots=True)
class Missing:
    """A model that the picture names and that cannot be used here."""

    name: str
    type: str
    why: str


@dataclass(frozen=True, slots=True)
class Remix:
    """A form to begin from: fields of a recipe by their names on the wire, and what could not be filled in."""

    fields: Mapping[str, Any]
    checkpoint: Usable | None
    networks: Sequence[tuple[Usable, float]]
    vae: Usable | None
    missing: Sequence[Missing]
    notices: Sequence[str] = ()


@dataclass(slots=True)
class _Named:
    """A model as a picture names it."""

    name: str
    type: str
    weight: float | None = None
    version_id: int | None = None
    hash: str | None = None
    usable: Usable | None = field(default=None)


async def from_meta(
    session: AsyncSession,
    actor: Actor,
    meta: Mapping[str, Any],
    *,
    linked: Sequence[tuple[int, float | None]] = (),
) -> Remix:
    """The recipe that a picture's metadata tells. `linked` are versions, with strengths, that are known besides to be
    in it: they are what it names by name alone, and they are added where it does not name them.

    Nothing is replaced by something similar: a model that is not here, or may not be used, is `missing` with the reason.
    """
    named = _named(meta)
    by_hash = await stacking.by_hashes(session, [one.hash for one in named if one.hash])
    for one in named:
        if one.version_id is None and one.hash:
            one.version_id = by_hash.get(one.hash.upper())
    wanted = [one.version_id for one in named if one.version_id] + [version for version, _ in linked]
    known = await stacking.usable(session, actor, wanted)
    by_name = {known[version].name.casefold(): version for version, _ in linked if version in known}
    for one in named:
        if one.version_id is None:
            one.version_id = by_name.get(one.name.casefold())
    told = {one.version_id for one in named}
    named += [
        _Named(f"version {version}", "", strength, version_id=version)
        for version, strength in linked
        if version in known and version not in told
    ]
    for one in named:
        one.usable = known.get(one.version_id) if one.version_id else None
    return _remix(named, _fields(meta))


def _remix(named: Sequence[_Named], fields: dict[str, Any]) -> Remix:
    checkpoint: Usable | None = None
    vae: Usable | None = None
    networks: list[tuple[Usable, float]] = []
    missing: list[Missing] = []
    seen: set[int] = set()
    for one in named:
        found = one.usable
        if found is None:
            missing.append(Missing(one.name, one.type, "is not here"))
        elif found.problem is not None:
            missing.append(Missing(found.label, found.type, found.problem))
        elif found.version_id in seen:
            continue
        elif found.type == "Checkpoint":
            checkpoint = checkpoint or found
        elif found.type == "VAE":
            vae = vae or found
        elif found.type in NETWORKS:
            networks.append((found, found.strength if one.weight is None else one.weight))
        if found is not None:
            seen.add(found.version_id)
    if checkpoint is not None:
        fields["checkpoint"] = checkpoint.version_id
    if vae is not None:
        fields["vae"] = vae.version_id
    fields["resources"] = [
        {"versionId": one.version_id, "strength": strength} for one, strength in networks[:MOST]
    ]
    return Remix(fields, checkpoint, networks, vae, missing)


def _named(meta: Mapping[str, Any]) -> list[_Named]:
    """Every model that the metadata names, the surest way of naming first."""
    found: list[_Named] = []
    for entry in _entries(meta.get("civitaiResources")):
        version = _version(entry)
        name = str(entry.get("modelName") or (f"version {version}" if version else "a model"))[:200]
        found.append(
            _Named(name, str(entry.get("type", ""))[:60], _number(entry.get("weight")), version_id=version)
        )
    for entry in _entries(meta.get("resources")):
        found.append(
            _Named(
                str(entry.get("name") or "a model")[:200],
                str(entry.get("type", ""))[:60],
                _number(entry.get("weight")),
                hash=_hash(entry.get("hash")),
            )
        )
    if (model_hash := _hash(meta.get("Model hash"))) and not any(one.hash == model_hash for one in found):
        found.append(_Named(str(meta.get("Model") or "the checkpoint")[:200], "checkpoint", hash=model_hash))
    return found[:MOST]


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _version(entry: Mapping[str, Any]) -> int | None:
    number = entry.get("modelVersionId", entry.get("versionId"))
    if isinstance(number, int) and not isinstance(number, bool) and 0 < number <= MOST_ID:
        return number
    told = _AIR_VERSION.search(str(entry.get("air", "")))
    return int(told.group(1)) if told else None


def _hash(value: Any) -> str | None:
    text = str(value or "").removeprefix("0x")
    return text if _HASH.match(text) else None


def _number(value: Any) -> float | None:
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 100
        else None
    )


def _fields(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a recipe has, as far as the metadata tells them in a form that can be used."""
    made: dict[str, Any] = {}
    for field_name, key in (("prompt", "prompt"), ("negativePrompt", "negativePrompt")):
        if isinstance(meta.get(key), str):
            made[field_name] = meta[key][:20_000]
    for key in ("steps", "seed", "clipSkip"):
        value = meta.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32:
            made[key] = value
    if (cfg := _number(meta.get("cfgScale"))) is not None:
        made["cfgScale"] = cfg
    if isinstance(meta.get("sampler"), str):
        sampler = samplers.known(_with_schedule(meta))
        if sampler is not None:
            made["sampler"] = sampler
    size = _SIZE.match(str(meta.get("Size", "")))
    width, height = (size.group(1), size.group(2)) if size else (meta.get("width"), meta.get("height"))
    if str(width).isdecimal() and str(height).isdecimal():
        made["width"], made["height"] = int(str(width)), int(str(height))
    return made


def _with_schedule(meta: Mapping[str, Any]) -> str:
    sampler, schedule = str(meta["sampler"])[:60], str(meta.get("scheduler") or "")[:40]
    together = f"{sampler} {schedule}"
    return together if schedule and samplers.known(together) else sampler
