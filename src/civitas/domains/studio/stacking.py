"""The models of a recipe: found in the catalogue, checked for whether they may be used and fit one another.

What may not be used is refused by name with the reason; nothing is replaced in silence (FEATURES G5, G18).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import access, air, base_models
from civitas.domains.catalog.tables import FileHash, Model, ModelFile, ModelVersion
from civitas.domains.studio import families
from civitas.domains.studio.families import Family
from civitas.domains.studio.recipes import STRENGTH, Recipe
from civitas.kit.errors import Invalid

NETWORKS: Final = frozenset({"LORA", "LoCon", "DoRA", "TextualInversion", "Hypernetwork"})
CONTROL: Final = "Controlnet"
USUAL_STRENGTH: Final = 1.0

_REASONS: Final = {
    "sign_in_needed": "asks for an account",
    "access_needed": "is in early access; get access on its page first",
}


@dataclass(frozen=True, slots=True)
class Usable:
    """A version that can stand in a recipe. `problem` says why it cannot, in words that follow its name."""

    version_id: int
    model_id: int
    name: str
    version: str
    type: str
    base_model: str
    air: str
    trained_words: tuple[str, ...]
    strength: float
    least: float
    most: float
    clip_skip: int | None
    # Nothing mature may be made with it: the licence says so, or whom it shows.
    safe_only: bool
    # A try that is free and counted.
    trial: bool
    problem: str | None

    @property
    def label(self) -> str:
        """Model and version, as people say it."""
        return f"{self.name} ({self.version})"


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything a recipe's picture is made with, in the order of the recipe."""

    checkpoint: Usable
    family: Family
    networks: tuple[tuple[Usable, float], ...]
    vae: Usable | None
    nets: tuple[Usable, ...] = ()
    """The ControlNets, in the order of the recipe's controls."""

    @property
    def safe_only(self) -> bool:
        """Whether nothing mature may be made with it."""
        return any(one.safe_only for one in self.all)

    @property
    def all(self) -> tuple[Usable, ...]:
        """Every version in it."""
        beside = (self.vae,) if self.vae else ()
        return (self.checkpoint, *(one for one, _ in self.networks), *beside, *self.nets)


async def usable(session: AsyncSession, actor: Actor, version_ids: Iterable[int]) -> dict[int, Usable]:
    """What is known of these versions for generating; unknown ones, and those that
    the actor may not know of, are left out. Two statements."""
    wanted = sorted(set(version_ids))
    if not wanted:
        return {}
    allowed = await access.may_generate(session, actor, wanted)
    rows = await session.execute(
        select(ModelVersion, Model, ModelFile.type, ModelFile.scan_status)
        .join(Model, Model.id == ModelVersion.model_id)
        .outerjoin(
            ModelFile,
            and_(
                ModelFile.version_id == ModelVersion.id, ModelFile.is_primary, ModelFile.removed_at.is_(None)
            ),
        )
        .where(ModelVersion.id.in_(wanted), ModelVersion.deleted_at.is_(None), Model.deleted_at.is_(None))
    )
    found: dict[int, Usable] = {}
    for version, model, file_type, scan in rows:
        generating = allowed[version.id]
        if generating.reason == "not_found":
            # Not even its name is for the actor.
            continue
        problem = None if generating.allowed else _REASONS.get(generating.reason, "may not be used")
        problem = problem or _unfit(file_type, scan)
        found[version.id] = _usable(version, model, file_type, problem, trial=generating.reason == "trial")
    return found


def _unfit(file_type: str | None, scan: str | None) -> str | None:
    if file_type is None:
        return "has no file to generate with"
    return None if scan == "clean" else "has a file that did not pass its scan"


def _usable(
    version: ModelVersion, model: Model, file_type: str | None, problem: str | None, *, trial: bool
) -> Usable:
    info = base_models.current().find(version.base_model)
    return Usable(
        version_id=version.id,
        model_id=model.id,
        name=model.name,
        version=version.name,
        type=model.type,
        base_model=version.base_model,
        air=str(
            air.of_version(
                ecosystem=info.air_ecosystem if info else "other",
                model_type=model.type,
                model_id=model.id,
                version_id=version.id,
                file_type=file_type,
            )
        ),
        trained_words=tuple(version.trained_words),
        strength=USUAL_STRENGTH if version.strength is None else version.strength,
        least=STRENGTH[0] if version.min_strength is None else version.min_strength,
        most=STRENGTH[1] if version.max_strength is None else version.max_strength,
        clip_skip=version.clip_skip,
        safe_only=bool(model.sfw_only or model.poi or model.minor or (info and info.forbidden_levels)),
        trial=trial,
        problem=problem,
    )


async def stack(session: AsyncSession, actor: Actor, recipe: Recipe) -> Stack:
    """The models of a recipe. Raises Invalid (`bad_resources`) naming each that cannot be used and why."""
    wanted = [recipe.checkpoint, *(one.version_id for one in recipe.resources)]
    if recipe.vae is not None:
        wanted.append(recipe.vae)
    wanted += [one.version_id for one in recipe.controls]
    known = await usable(session, actor, wanted)
    problems = [
        f"{known[one].label} {known[one].problem}." for one in wanted if one in known and known[one].problem
    ]
    problems += [f"Version {one} is not here." for one in wanted if one not in known]
    if problems:
        raise _refused(problems)
    checkpoint = known[recipe.checkpoint]
    family = families.of_base_model(checkpoint.base_model)
    if checkpoint.type != "Checkpoint" or family is None:
        raise _refused([f"{checkpoint.label} is not a checkpoint that pictures can be made with here."])
    networks = []
    for one in recipe.resources:
        resource = known[one.version_id]
        problems += _misfit(resource, checkpoint)
        strength = resource.strength if one.strength is None else one.strength
        if not resource.least <= strength <= resource.most:
            problems.append(
                f"{resource.label} takes a strength from {resource.least:g} to {resource.most:g}, not {strength:g}."
            )
        networks.append((resource, strength))
    if len({one.version_id for one, _ in networks}) < len(networks):
        problems.append("A resource stands in the recipe twice.")
    vae = known[recipe.vae] if recipe.vae is not None else None
    if vae is not None and vae.type != "VAE":
        problems.append(f"{vae.label} is not a VAE.")
    nets = tuple(known[one.version_id] for one in recipe.controls)
    problems += [told for net in nets for told in _misfit(net, checkpoint, frozenset({CONTROL}))]
    if problems:
        raise _refused(problems)
    return Stack(checkpoint, family, tuple(networks), vae, nets)


def _misfit(resource: Usable, checkpoint: Usable, types: frozenset[str] = NETWORKS) -> list[str]:
    if resource.type not in types and CONTROL in types:
        return [f"{resource.label} is a {resource.type} and no ControlNet."]
    if resource.type not in types:
        return [f"{resource.label} is a {resource.type}, which cannot be laid over a checkpoint."]
    if not fits(resource.base_model, checkpoint.base_model):
        return [f"{resource.label} is made for {resource.base_model}, not for {checkpoint.base_model}."]
    return []


def fits(resource: str, checkpoint: str) -> bool:
    """Whether an addition made for one base model works over a checkpoint of another: one descends from the other."""
    registry = base_models.current()
    one, other = registry.find(resource), registry.find(checkpoint)
    if one is None or other is None:
        return resource == checkpoint
    mine, theirs = registry.line(one.ecosystem.key), registry.line(other.ecosystem.key)
    return one.ecosystem.key in theirs or other.ecosystem.key in mine


def compatible_base_models(checkpoint: str) -> tuple[str, ...]:
    """The base models whose additions work over a checkpoint of this one: what the picker filters by."""
    return tuple(name for name in base_models.current().names() if fits(name, checkpoint))


def made_with(ecosystem: str) -> tuple[str, ...]:
    """The base models that pictures are made with as this family's are."""
    names = base_models.current().names()
    return tuple(
        name for name in names if (family := families.of_base_model(name)) and family.ecosystem == ecosystem
    )


async def by_hashes(session: AsyncSession, hashes: Sequence[str]) -> Mapping[str, int]:
    """Version ids by file hash, upper case, of any kind but CRC-32: what a picture's metadata names.

    The newest public version when a hash is of several.
    """
    wanted = sorted({text.strip().upper() for text in hashes if text})[:200]
    if not wanted:
        return {}
    rows = await session.execute(
        select(FileHash.value, func.max(FileHash.version_id))
        .join(ModelVersion, ModelVersion.id == FileHash.version_id)
        .where(FileHash.value.in_(wanted), FileHash.kind != "CRC32", ModelVersion.published_at.is_not(None))
        .group_by(FileHash.value)
    )
    return {row[0]: row[1] for row in rows}


def _refused(problems: Sequence[str]) -> Invalid:
    told = " ".join(problems)
    return Invalid(told, code="bad_resources", fields={"resources": told})
