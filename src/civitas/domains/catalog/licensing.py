"""The licence of a model: its tier and flags, what base models take away, and the record of changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import base_models, editing
from civitas.domains.catalog.licences import (
    Commercial,
    Effective,
    Permissions,
    Tier,
    effective,
    permissions_of,
)
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import Status
from civitas.kit.errors import Invalid

FLAGS = ("allow_no_credit", "allow_commercial_use", "allow_derivatives", "allow_different_license")


def permissions(model: Model) -> Permissions:
    """The flags that the creator chose."""
    return Permissions(
        allow_no_credit=model.allow_no_credit,
        commercial=tuple(Commercial(use) for use in model.allow_commercial_use),
        allow_derivatives=model.allow_derivatives,
        allow_different_licence=model.allow_different_license,
    )


def as_columns(flags: Permissions) -> dict[str, Any]:
    """Flags as columns of a model; only the furthest commercial use is stored, it holds the others."""
    return {
        "allow_no_credit": flags.allow_no_credit,
        "allow_commercial_use": [flags.highest.value],
        "allow_derivatives": flags.allow_derivatives,
        "allow_different_license": flags.allow_different_licence,
    }


def from_form(given: dict[str, Any], present: Permissions) -> tuple[dict[str, Any], bool]:
    """Take the licence fields out of `given`; the columns they mean, and whether any was there.

    A tier other than Custom decides all flags; flags beside it must not contradict it
    (Invalid, `licence_contradiction`).
    """
    tier: Tier | None = given.pop("license_tier", None)
    flags = {name: given.pop(name) for name in FLAGS if name in given}
    chosen = Permissions(
        allow_no_credit=flags.get("allow_no_credit", present.allow_no_credit),
        commercial=tuple(
            Commercial(use.value) for use in flags.get("allow_commercial_use", ())
        ) if "allow_commercial_use" in flags else present.commercial,
        allow_derivatives=flags.get("allow_derivatives", present.allow_derivatives),
        allow_different_licence=flags.get("allow_different_license", present.allow_different_licence),
    )  # fmt: skip
    if tier is None or tier is Tier.CUSTOM:
        return as_columns(chosen), bool(flags)
    meant = permissions_of(tier)
    for name, value in as_columns(chosen).items():
        if name in flags and value != as_columns(meant)[name]:
            raise Invalid(
                f"The {tier} licence decides this permission itself; choose Custom to set it apart.",
                code="licence_contradiction",
                fields={_camel(name): f"contradicts licenseTier {tier}"},
            )
    return as_columns(meant), True


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def effective_of(flags: Permissions, names: Iterable[str]) -> Effective:
    """What is left of the flags under the licences of all these base models, with every reason."""
    registry = base_models.current()
    forbidden, monetise, reasons = 0, True, list[str]()
    for name in dict.fromkeys(names):
        found = registry.find(name)
        if found is None:
            continue
        after = effective(flags, found.licence)
        flags = after.permissions
        forbidden |= found.forbidden_levels
        monetise = monetise and after.may_monetise
        reasons += [reason for reason in after.reasons if reason not in reasons]
    return Effective(flags, forbidden, monetise, tuple(reasons))


async def base_models_of(session: AsyncSession, model_id: int) -> Sequence[str]:
    """The base models of the model's versions that are not deleted."""
    found = await session.scalars(
        select(ModelVersion.base_model)
        .where(ModelVersion.model_id == model_id, ModelVersion.status != Status.DELETED)
        .distinct()
    )
    return found.all()


async def enforce(session: AsyncSession, actor: Actor, model: Model) -> Effective:
    """Bring the stored flags within what the base models allow, noting the change.

    Called when something becomes public. Raises Invalid (`licence_forbids_mature`) for a model marked as mature
    whose base model's licence forbids that.
    """
    found = effective_of(permissions(model), await base_models_of(session, model.id))
    if model.nsfw and found.forbidden_levels:
        raise Invalid(
            " ".join(reason for reason in found.reasons if "mature" in reason)
            or "The licence of this base model does not allow mature content.",
            code="licence_forbids_mature",
            fields={"nsfw": "not allowed by the licence of the base model"},
        )
    record(session, actor, model, editing.assign(model, as_columns(found.permissions)), forced=True)
    return found


def record(
    session: AsyncSession, actor: Actor, model: Model, before: dict[str, Any], *, forced: bool = False
) -> None:
    """Write a licence change into the model's history: each flag before and after."""
    names = [name for name in (*FLAGS, "license_text") if name in before]
    if names:
        changes = {name: {"before": before[name], "after": getattr(model, name)} for name in names}
        editing.note(session, actor, model, "licence_changed", changes=changes, forced=forced)
