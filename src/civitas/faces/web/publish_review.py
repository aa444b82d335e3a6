"""The last step: what is there, what is missing and where to add it, and then publishing, now or at a time."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import licensing, policy, publishing
from civitas.domains.catalog.documents import image_path
from civitas.domains.catalog.licences import Line, Tier, explain, tier_of
from civitas.domains.catalog.queries import EditVersion
from civitas.domains.catalog.types import Status
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.cards import model_href
from civitas.faces.web.form_values import local_moment
from civitas.faces.web.forms import Entered
from civitas.faces.web.publish_frame import Creator, Frame, Todo
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class VersionReview:
    """A version on the last page."""

    found: EditVersion
    ready: bool
    todos: tuple[Todo, ...]
    pictures: tuple[str, ...]
    files_href: str


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """Everything at a glance; `may_publish` is false for what the moderators took from view."""

    frame: Frame
    form: Entered
    todos: tuple[Todo, ...]
    versions: tuple[VersionReview, ...]
    may_publish: bool
    tier: Tier
    licence: tuple[Line, ...]
    reasons: tuple[str, ...]
    page_href: str

    @property
    def ready(self) -> bool:
        """Whether publishing would succeed now."""
        return self.frame.editing is not None and self.frame.editing.checklist.ready

    @property
    def later(self) -> tuple[VersionReview, ...]:
        """Versions that stay drafts when the others become public."""
        return tuple(version for version in self.versions if not version.ready)


@router.get("/models/{model_id:int}/review")
async def show(request: Request, creator: Creator, model_id: int) -> Response:
    """The checklist, what will be public, and the button."""
    return await _page(request, creator, model_id, Entered())


@router.post("/models/{model_id:int}/publish")
async def publish(request: Request, creator: Creator, model_id: int) -> Response:
    """Make the model public with every version that is ready: now, or at the time of the field `at`."""
    form = await forms.read(request)
    try:
        at = local_moment(form.get("at"), form.get("offset")) if form.get("when") == "later" else None
        async with state_of(request).database.unit() as session:
            model = await publishing.publish(session, creator, model_id=model_id, publish_at=at)
            href = model_href(model.id, model.name)
    except Fault as fault:
        failed = form.failed(fault, publishAt="at")
        return await _page(request, creator, model_id, failed, status=forms.status_of(fault))
    if at is not None:
        text = f"It will be public on {at:%-d %B %Y at %H:%M} UTC."
        return redirect(request, f"/models/{model_id}/review", text=text)
    return redirect(request, href, text="It is public. Here is how everybody sees it.")


@router.post("/models/{model_id:int}/versions/{number:int}/publish")
async def publish_version(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """Make one more version of a public model public, now or later."""
    form = await forms.read(request)
    try:
        at = local_moment(form.get("at"), form.get("offset")) if form.get("when") == "later" else None
        async with state_of(request).database.unit() as session:
            frame = await publish_frame.load(
                session, creator, model_id=model_id, place="review", version_id=number
            )
            await publishing.publish_version(session, creator, version_id=number, publish_at=at)
            name = frame.editing.row.name if frame.editing else ""
    except Fault as fault:
        failed = form.failed(fault, publishAt="at")
        return await _page(request, creator, model_id, failed, status=forms.status_of(fault))
    if at is not None:
        text = f"The version will be public on {at:%-d %B %Y at %H:%M} UTC."
        return redirect(request, f"/models/{model_id}/review", text=text)
    return redirect(request, model_href(model_id, name, number), text="The version is public.")


async def _page(
    request: Request, creator: Actor, model_id: int, form: Entered, *, status: int = 200
) -> Response:
    frame = await publish_frame.load_for(request, creator, model_id=model_id, place="review")
    editing = frame.editing
    assert editing is not None
    model = editing.row
    given = licensing.permissions(model)
    effect = licensing.effective_of(given, [version.row.base_model for version in editing.versions])
    page = ReviewPage(
        frame=frame,
        form=form,
        todos=tuple(todo for todo in frame.todos if todo.version_id is None),
        versions=tuple(
            VersionReview(
                found=version,
                ready=editing.checklist.version_ready(version.row.id),
                todos=tuple(todo for todo in frame.todos if todo.version_id == version.row.id),
                pictures=tuple(image_path(one.key, one.name, width=160) for one in version.previews[:6]),
                files_href=publish_frame.href("files", model_id, version.row.id),
            )
            for version in editing.versions
            if version.row.status != Status.DELETED
        ),
        may_publish=policy.can_publish(creator, model),
        tier=tier_of(given),
        licence=explain(effect.permissions),
        reasons=tuple(effect.reasons),
        page_href=model_href(model.id, model.name),
    )
    return render(request, "publish/review.html", page, status=status)
