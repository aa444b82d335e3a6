"""The lines of the generator's form for the models that were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.studio import picking, stacking
from civitas.domains.studio.stacking import Usable
from civitas.faces.http.units import Reading
from civitas.faces.web import pictures
from civitas.faces.web.props import Picture
from civitas.faces.web.templating import fragment, render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.kit.errors import NotFound

router = APIRouter(include_in_schema=False)

KINDS: Final = frozenset({"checkpoint", "network", "vae", "control"})
THUMB: Final = (160, 320)


@dataclass(frozen=True, slots=True)
class Picked:
    """A version that was chosen, with its picture and strength as the form has it."""

    usable: Usable
    picture: Picture | None
    strength: str


@dataclass(frozen=True, slots=True)
class ChosenRow:
    """One line of the form for a version just chosen."""

    kind: str
    picked: Picked


@router.get("/create/chosen")
async def chosen(
    request: Request, visitor: Visitor, session: Reading, version: int, kind: str = "network"
) -> Response:
    """The line of the form for a version: with its strength, its trigger words, a way to take it out."""
    found = await picked(request, session, visitor, [version], {})
    if kind not in KINDS or version not in found:
        raise NotFound("This version is not here, or is not public.", code="version_not_found")
    row = ChosenRow(kind, found[version])
    if request.headers.get("hx-request") == "true":
        return fragment(request, "create/chosen.html", "chosen", row)
    return render(request, "create/chosen.html", row)


async def picked(
    request: Request,
    session: AsyncSession,
    actor: Actor,
    version_ids: Sequence[int],
    strengths: Mapping[int, str],
) -> dict[int, Picked]:
    """These versions as the form shows them, by id; unknown ones are left out."""
    known = await stacking.usable(session, actor, version_ids)
    shots = await picking.shots(session, actor, list(known))
    eyes = eyes_of(actor)
    return {
        version_id: Picked(
            one,
            pictures.of_shot(shots[version_id], eyes, alt="", widths=THUMB) if version_id in shots else None,
            strengths.get(version_id) or f"{one.strength:g}",
        )
        for version_id, one in known.items()
    }
