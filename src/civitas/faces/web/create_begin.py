"""What the generator's form holds at first: empty, with a model, from a preset, a picture, or something made before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.studio import families, made, presets, remixing, stacking
from civitas.domains.studio.remixing import Missing
from civitas.faces.http.state import state_of
from civitas.faces.web import create_form
from civitas.faces.web.forms import Entered
from civitas.kit.errors import NotFound
from civitas.kit.ids import row_id

OURS: Final = "Tessera"
# How much of a picture changes in what is like it, and how many of these are made unless another number is chosen.
NEAR: Final = "0.4"
SEVERAL: Final = "4"


@dataclass(frozen=True, slots=True)
class Begun:
    """The form that a visit begins with, and what of it could not be had."""

    form: Entered
    missing: tuple[Missing, ...] = ()


async def begin(request: Request, session: AsyncSession, visitor: Actor) -> Begun:
    """What the form holds at first, by what the address says."""
    asked = request.query_params
    fields: dict[str, Any]
    if asked.get("form"):
        # The form as it stands, come anew because another checkpoint has other settings.
        given = {name: tuple(asked.getlist(name)[:60]) for name in asked}
        return Begun(Entered(given))
    if visitor.signed_in and (preset := row_id(asked.get("preset", ""))) is not None:
        found = await presets.get(session, visitor, preset_id=preset)
        return Begun(create_form.filled(found.settings))
    if visitor.signed_in and (source := asked.get("from")):
        one = await made.one(session, visitor, source)
        return Begun(_varied(create_form.filled(one.recipe), asked))
    if asked.get("control_image") and visitor.signed_in:
        fields = {"controlImage": asked["control_image"][:200]}
        return Begun(create_form.filled(await _with_usual(request, session, visitor, fields)))
    if asked.get("source") and visitor.signed_in:
        fields = {"workflow": "img2img", "sourceImage": asked["source"][:200]}
        fields |= {"maskImage": asked["mask"][:200]} if asked.get("mask") else {}
        return Begun(create_form.filled(await _with_usual(request, session, visitor, fields)))
    fields = {}
    missing: tuple[Missing, ...] = ()
    if (image := row_id(asked.get("remix", ""))) is not None:
        remix = await _remix(session, visitor, image)
        fields, missing = {**remix.fields, "remixOf": image}, tuple(remix.missing)
    if (version := row_id(asked.get("version", ""))) is not None:
        fields |= await _with(request, session, visitor, version)
    fields = await _with_usual(request, session, visitor, fields)
    if prompt := asked.get("prompt"):
        fields["prompt"] = prompt[:6_000]
    return Begun(create_form.filled(fields), missing)


async def _with_usual(
    request: Request, session: AsyncSession, visitor: Actor, fields: dict[str, Any]
) -> dict[str, Any]:
    if "checkpoint" not in fields and (usual := await _usual_checkpoint(request, session, visitor)):
        return fields | {"checkpoint": usual}
    return fields


def _varied(form: Entered, asked: Mapping[str, str]) -> Entered:
    """The same again: with a seed of its own, beginning from one of its pictures, or near to it."""
    values = dict(form.values)
    values.pop("seed", None)
    if near := asked.get("near"):
        # Enough that every one differs, not so much that the picture is lost.
        values |= {"source_image": (near[:200],), "workflow": ("img2img",), "denoise": (NEAR,)}
        values.pop("mask_image", None)
        values["quantity"] = (SEVERAL,)
    if (seed := asked.get("seed", "")).isdecimal() and len(seed) < 11:
        values |= {"seed": (seed,), "quantity": ("1",)}
    if source := asked.get("source"):
        values |= {"source_image": (source[:200],), "workflow": ("img2img",)}
    return replace(form, values=values)


async def _remix(session: AsyncSession, visitor: Actor, image_id: int) -> remixing.Remix:
    from civitas.domains.gallery import queries

    meta = await queries.meta_of(session, visitor, image_id=image_id)
    if meta is None:
        raise NotFound("This picture is not here, or its recipe is not shown.", code="image_not_found")
    linked = await queries.versions_of(session, image_id=image_id)
    return await remixing.from_meta(session, visitor, meta, linked=linked)


async def _with(request: Request, session: AsyncSession, visitor: Actor, version_id: int) -> dict[str, Any]:
    """Fields for a model that somebody came from: itself, or laid over a checkpoint that it fits."""
    known = (await stacking.usable(session, visitor, [version_id])).get(version_id)
    if known is None:
        return {}
    if known.type == "Checkpoint":
        return {"checkpoint": version_id}
    if known.type == "VAE":
        return {"vae": version_id}
    if known.type == stacking.CONTROL:
        return await _with_control(request, session, visitor, known)
    found: dict[str, Any] = {"resources": [{"versionId": version_id, "strength": known.strength}]}
    if known.trained_words:
        found["prompt"] = ", ".join(known.trained_words[:3])
    fitting = stacking.compatible_base_models(known.base_model)
    if usual := await _usual_checkpoint(request, session, visitor, fitting):
        found["checkpoint"] = usual
    return found


async def _with_control(
    request: Request, session: AsyncSession, visitor: Actor, known: stacking.Usable
) -> dict[str, Any]:
    found: dict[str, Any] = {"controls": [{"versionId": known.version_id, "prepared": False}]}
    fitting = stacking.compatible_base_models(known.base_model)
    if usual := await _usual_checkpoint(request, session, visitor, fitting):
        found["checkpoint"] = usual
    return found


async def _usual_checkpoint(
    request: Request, session: AsyncSession, visitor: Actor, fitting: Sequence[str] | None = None
) -> int | None:
    """What somebody used last where it fits, or else the checkpoint that is downloaded most."""
    offered = [name for key in families.families() for name in stacking.made_with(key)]
    wanted = [name for name in offered if fitting is None or name in fitting]
    if not wanted:
        return None
    if visitor.signed_in and fitting is None:
        last = (await made.page(session, visitor, take=1)).items
        used = last[0].recipe.get("checkpoint") if last else None
        if isinstance(used, int) and used in await stacking.usable(session, visitor, [used]):
            return used
    # The model that comes with Civitas runs on any machine, so it is what a new site begins with.
    for names in ([name for name in wanted if name == OURS], wanted):
        if names and (version := await _most_downloaded(request, visitor, names)):
            return version
    return None


async def _most_downloaded(request: Request, visitor: Actor, names: Sequence[str]) -> int | None:
    found = await reading.models(
        state_of(request).reads,
        visitor,
        Filters(types=("Checkpoint",), base_models=tuple(names), mask=visitor.mask),
        sort=Sort.MOST_DOWNLOADED,
        limit=1,
    )
    for document in found.objects(""):
        for version in document["modelVersions"]:
            if version["baseModel"] in names:
                return int(version["id"])
    return None
