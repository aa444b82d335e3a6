"""Starting from somebody's model: what comes along, under which permissions, and the button."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.catalog import forking, showing
from civitas.domains.catalog.showing import Frame
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.cards import model_href
from civitas.faces.web.forms import Entered
from civitas.faces.web.publish_frame import Creator
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Conflict, Forbidden, Invalid, Limited
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ForkPage:
    """The model that one starts from."""

    source: Frame
    source_href: str
    versions: tuple[tuple[str, str], ...]
    chosen: str
    allowed: bool
    carries_licence: bool
    form: Entered


@router.get("/models/{model_id:int}/fork")
async def show(
    request: Request,
    creator: Creator,
    model_id: int,
    version: Annotated[int | None, Query(alias="modelVersionId")] = None,
) -> Response:
    """What a fork is and takes over."""
    return await _page(request, creator, model_id, version, Entered())


@router.post("/models/{model_id:int}/fork")
async def fork(request: Request, creator: Creator, model_id: int) -> Response:
    """Begin the draft and open it."""
    form = await forms.read(request)
    given = form.get("version")
    version = row_id(given)
    try:
        async with state_of(request).database.unit() as session:
            model = await forking.fork(
                session, creator, model_id=model_id, version_id=version, name=form.get("name") or None
            )
            made = model.id
    except (Invalid, Conflict, Forbidden, Limited) as fault:
        return await _page(
            request, creator, model_id, version, form.failed(fault), status=forms.status_of(fault)
        )
    text = "Your draft is begun. It names the model it came from; the files are yours to add."
    return redirect(request, publish_frame.href("about", made), text=text)


async def _page(
    request: Request, creator: Any, model_id: int, version: int | None, form: Entered, *, status: int = 200
) -> Response:
    source = await showing.frame(state_of(request).reads, creator, model_id=model_id)
    document = source.document or {}
    listed = tuple((str(one["id"]), one["name"]) for one in document.get("modelVersions", ()))
    own = source.owner.id == creator.id
    page = ForkPage(
        source=source,
        source_href=model_href(source.id, source.name),
        versions=listed,
        chosen=form.get("version") or str(version or ""),
        allowed=own or bool(document.get("allowDerivatives", True)),
        carries_licence=not own and not document.get("allowDifferentLicense", True),
        form=form,
    )
    return render(request, "publish/fork.html", page, status=status)
