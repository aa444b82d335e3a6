"""`/models/{id}`: the model's page, its tombstone, what one may wish about it, and the headers of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import JSONResponse, Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import engagement, reading, rebuilding, showing
from civitas.domains.catalog.engagement import Wish
from civitas.domains.catalog.showing import Extras, Frame
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.errors import wants_json
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Unit
from civitas.faces.web import access_view, model_view
from civitas.faces.web.cards import model_href
from civitas.faces.web.model_header import HeaderView, header_of
from civitas.faces.web.pictures import level_name
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit.errors import NotFound
from civitas.kit.ids import row_id

router = APIRouter(include_in_schema=False)

MAX_ID: Final = 2**63 - 1
OTHERS: Final = 8
_NOTHING: Final = Extras({}, {}, (), (), 0)

ModelId = Annotated[int, Path(ge=1, le=MAX_ID)]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of a deleted model: its name, its hashes, and why it went."""

    frame: Frame
    doc: dict[str, Any] | None
    hashes: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """Says that there is something the viewer did not ask to see, and nothing more about it."""

    level: str
    href: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """A button that toggles a wish, alone."""

    model_id: int
    on: bool
    count: int | None = None


@router.get("/models/{model_id:int}")
@router.get("/models/{model_id:int}/{slug}")
async def show(request: Request, actor: Visitor, model_id: ModelId, slug: str = "") -> Response:
    """The page of a model; JSON for callers who ask for that."""
    state = state_of(request)
    if wants_json(request):
        found = await reading.model(state.reads, model_id, mask=actor.mask)
        return JSONResponse(found.objects(base_url(request))[0])
    frame = await showing.frame(state.reads, actor, model_id=model_id)
    if frame.dead:
        return render(request, "model/tombstone.html", _tombstone(frame), status=410)
    if not frame.suits(actor):
        context = Gate(level_name(frame.level), request.url.path)
        return render(request, "model/gate.html", context, headers={"X-Robots-Tag": "noindex"})
    document = await _document(request, actor, frame)
    wanted = _number(request, "modelVersionId")
    version = model_view.version_of(document, wanted)
    reads = state.reads
    extras = await showing.extras(reads, actor, version_id=version["id"]) if version is not None else _NOTHING
    others = await showing.works_of(reads, actor, person_id=frame.owner.id, besides=model_id, limit=OTHERS)
    offered = None
    if version is not None and version["earlyAccessConfig"] is not None:
        async with state.database.reading() as session:
            offered = await access_view.view_of(session, actor, version_id=version["id"])
    context_of_page = model_view.view_of(
        frame,
        document,
        wanted,
        extras,
        others,
        eyes=eyes_of(actor),
        signed_in=actor.signed_in,
        opened=_number(request, "recipe"),
        base=base_url(request),
        offered=offered,
    )
    headers = {} if model_view.listed(frame) else {"X-Robots-Tag": "noindex"}
    return render(request, "model/model.html", context_of_page, headers=headers)


async def _document(request: Request, actor: Actor, frame: Frame) -> dict[str, Any]:
    """The public document; for those who may edit, the one that also holds drafts."""
    if not frame.may_edit:
        return dict(frame.document or {})
    async with state_of(request).database.reading() as session:
        text = await rebuilding.owner_document(session, actor, model_id=frame.id, base="")
    if text is None:
        raise NotFound(f"Model {frame.id} was not found.", code="model_not_found")
    return showing.parsed(text, "", actor.mask)


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return row_id(text)


def _tombstone(frame: Frame) -> Tombstone:
    document = dict(frame.document) if frame.document is not None else None
    rows = [
        (version["name"], file["name"], tuple(sorted(file["hashes"].items())))
        for version in (document or {}).get("modelVersions", ())
        for file in version["files"]
    ]
    return Tombstone(frame, document, tuple(rows))


@router.post("/models/{model_id:int}/favourite", dependencies=[CheckedForm])
async def favourite(
    request: Request, actor: Member, session: Unit, model_id: ModelId, on: Annotated[bool, Form()] = True
) -> Response:
    """Make a model one of one's favourites, or no longer."""
    await _wish(session, actor, model_id, Wish.FAVOURITE, on)
    said = "Added to your favourites." if on else "No longer one of your favourites."
    if request.headers.get("hx-request") == "true":
        count = await _favourites(request, model_id)
        return render(
            request,
            "model/favourite.html",
            Wishes(model_id, on, count),
            headers=toast_header("ok", said),
        )
    return redirect(request, f"/models/{model_id}", text=said)


@router.post("/models/{model_id:int}/hide", dependencies=[CheckedForm])
async def hide(
    request: Request, actor: Member, session: Unit, model_id: ModelId, on: Annotated[bool, Form()] = True
) -> Response:
    """Keep a model out of one's lists, or let it back in."""
    await _wish(session, actor, model_id, Wish.HIDE, on)
    if on:
        return redirect(
            request,
            "/models",
            text="Hidden. It will not appear in your lists.",
            link=f"/models/{model_id}",
            action="Undo on its page",
        )
    return redirect(request, f"/models/{model_id}", text="It appears in your lists again.")


async def _wish(session: Unit, actor: Actor, model_id: int, wish: Wish, on: bool) -> None:
    do = engagement.engage if on else engagement.disengage
    await do(session, actor, model_id=model_id, wish=wish)


async def _favourites(request: Request, model_id: int) -> int | None:
    """The count as it was last folded: the person's own wish is added later, in the background."""
    found = await reading.model(state_of(request).reads, model_id)
    stats: dict[str, int] = found.objects("")[0]["stats"]
    return stats["favoriteCount"]


@router.get("/models/{model_id:int}/files/{file_id:int}")
async def header(request: Request, actor: Visitor, model_id: ModelId, file_id: ModelId) -> Response:
    """What the header of a file says: architecture, training, tags, tensors by the page."""
    reads = state_of(request).reads
    frame = await showing.frame(reads, actor, model_id=model_id)
    if frame.dead or not frame.suits(actor):
        raise NotFound("This file was not found.", code="file_not_found")
    told = await reading.tensor_metadata(reads, file_id)
    versions = {v["id"]: v["name"] for v in (frame.document or {}).get("modelVersions", ())}
    if told["modelVersionId"] not in versions:
        raise NotFound("This file belongs to another model.", code="file_not_found")
    context: HeaderView = header_of(
        told,
        model=frame.name,
        version=versions[told["modelVersionId"]],
        href=model_href(frame.id, frame.name, told["modelVersionId"]),
        here=request.url.path,
        words=request.query_params.get("q", "")[:200],
        page=_number(request, "page") or 1,
    )
    return render(request, "model/header.html", context, block="tensors")
