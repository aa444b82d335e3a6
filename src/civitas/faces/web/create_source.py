"""Pictures for the generator by ordinary forms: one to begin from, with a mask, and one to be made larger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.media import uploading
from civitas.domains.orchestration.media.reading import own
from civitas.domains.studio import again
from civitas.faces.http.media_links import links_of
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.infra.media.intake import Intake
from civitas.kit import money
from civitas.kit.errors import Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PIECE: Final = 256 * 1024
LARGEST: Final = 50 * 2**20


@dataclass(frozen=True, slots=True)
class SourcePage:
    """The form that sends a picture and, if wanted, a mask."""

    form: Entered


@dataclass(frozen=True, slots=True)
class LargerPage:
    """A picture that is to be larger, and what that costs."""

    blob_id: str
    url: str
    width: int
    height: int
    of: str
    choices: tuple[tuple[str, str], ...]
    served: bool
    problem: str | None


@router.get("/create/source")
async def show(request: Request, member: Member) -> Response:
    """Choose a picture to begin from, without script."""
    return render(request, "create/send.html", SourcePage(Entered()))


@router.post("/create/source")
async def send(request: Request, member: Member) -> Response:
    """Keep what was chosen, and go on in the generator with it."""
    form = await forms.read(request)
    try:
        source, mask = form.files.get("picture"), form.files.get("mask")
        if source is None or not source.size:
            raise Invalid("Choose a picture first.", code="no_file", fields={"picture": "Choose a picture."})
        if form.get("what") == "control":
            return redirect(
                request, f"/create?{urlencode({'control_image': await keep(request, member, source)})}"
            )
        asked = {"source": await keep(request, member, source)}
        if mask is not None and mask.size:
            asked["mask"] = await keep(request, member, mask)
    except Fault as fault:
        page = SourcePage(form.failed(fault))
        return render(request, "create/send.html", page, status=forms.status_of(fault))
    return redirect(request, f"/create?{urlencode(asked)}")


@router.get("/create/larger")
async def larger(
    request: Request,
    member: Member,
    session: Reading,
    blob: Annotated[str, Query(max_length=64)],
    of: Annotated[str, Query(alias="from", max_length=64)] = "",
) -> Response:
    """How large it can be made, and what that costs."""
    return await _larger(request, session, member, blob, of)


@router.post("/create/larger")
async def enlarge(request: Request, member: Member) -> Response:
    """Make it larger; it comes into the feed."""
    form = await forms.read(request)
    blob, of = form.get("blob")[:64], form.get("from")[:64]
    doublings = {"1": 1, "2": 2}.get(form.get("doublings"), 1)
    database = state_of(request).database
    try:
        async with database.unit() as session:
            made = await again.enlarge(session, member, blob_id=blob, doublings=doublings, of=of or None)
    except Fault as fault:
        async with database.reading() as session:
            return await _larger(request, session, member, blob, of, fault)
    return redirect(request, f"/create#made-{made}", text="It is made larger.")


async def _larger(
    request: Request, session: AsyncSession, member: Actor, blob: str, of: str, fault: Fault | None = None
) -> Response:
    facts = await own(session, member, blob_id=blob)
    choices, served = [], True
    width, height = facts.width or 0, facts.height or 0
    for doublings in again.DOUBLINGS:
        found = await again.enlarging_cost(session, member, blob_id=facts.id, doublings=doublings)
        times = 2**doublings
        size = f"{width * times} × {height * times}"
        short = " (not enough of it)" if found.insufficient else ""
        choices.append((str(doublings), f"{size} for {money.shown(found.cost.total)} Buzz{short}"))
        served = all(step.served for step in found.steps)
    page = LargerPage(
        facts.id,
        links_of(request).blob_url(facts.id)[0],
        width or 512,
        height or 512,
        of,
        tuple(choices),
        served,
        fault.message if fault else None,
    )
    status = forms.status_of(fault) if fault else 200
    return render(request, "create/larger.html", page, status=status)


async def keep(request: Request, member: Actor, file: UploadFile) -> str:
    """The picture as a blob of the member's. Raises the faults of `Intake.take` and of the quota."""
    state, key, person = state_of(request), blobs.new_key(), member.require()
    async with state.database.reading() as session:
        room = await uploading.admit(session, person_id=person)
    intake: Intake = request.app.state.intake
    most = LARGEST if room is None else min(LARGEST, room)
    arrived = await intake.take(_pieces(file), key=key, most=most)
    try:
        if arrived.kind != "image":
            raise Invalid(
                "That is no picture.",
                code="no_picture",
                fields={"picture": "A PNG, JPEG, WebP or AVIF, please."},
            )
        async with state.database.unit() as session:
            return (await uploading.record(session, person_id=person, arrived=arrived)).id
    except BaseException:
        await state.store.delete(key)
        raise


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE):
        yield piece
