"""The frame of a creator's pages: the model in hand, the steps, and what publishing still needs, each with its link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import queries
from civitas.domains.catalog.queries import EditModel, EditVersion
from civitas.domains.catalog.requirements import Requirement
from civitas.domains.catalog.types import Status
from civitas.faces.http.state import state_of
from civitas.faces.web.form_values import snake
from civitas.faces.web.forms import Entered
from civitas.faces.web.props import Step
from civitas.faces.web.templating import render
from civitas.faces.web.visits import member_visit
from civitas.kit.errors import Fault, NotFound
from civitas.kit.ids import row_id

Place = Literal["about", "version", "access", "origins", "files", "pictures", "review", "manage", "history"]
LONGEST_TEXT: Final = 120_000
# Tells the parts of the page around a list that what they count may have changed.
CHANGED: Final = {"HX-Trigger-After-Settle": "publish-changed"}
_VERSIONED: Final = frozenset({"version", "access", "origins", "files", "pictures"})


async def creator_visit(request: Request) -> Actor:
    """A member who may write; one who has not finished setting up the account is sent to do so."""
    member = await member_visit(request)
    require_voice(member)
    return member


Creator = Annotated[Actor, Depends(creator_visit)]


def href(place: Place, model_id: int | None, version_id: int | None = None) -> str:
    """The address of a step; without a model that of the beginning, without a version that of a new one."""
    if model_id is None:
        return "/models/create"
    if place == "about":
        return f"/models/{model_id}/edit"
    if place not in _VERSIONED:
        return f"/models/{model_id}/{place}"
    if version_id is None:
        return f"/models/{model_id}/versions/new"
    return f"/models/{model_id}/versions/{version_id}/{'edit' if place == 'version' else place}"


@dataclass(frozen=True, slots=True)
class Todo:
    """One line of the checklist; `href` leads to where it is done."""

    code: str
    text: str
    done: bool
    href: str
    version_id: int | None


@dataclass(frozen=True, slots=True)
class VersionTab:
    """Another version of the model, at the same step."""

    id: int
    name: str
    status: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page of a creator shows around its own content. `editing` is None before there is a draft."""

    place: Place
    steps: tuple[Step, ...]
    editing: EditModel | None = None
    version: EditVersion | None = None
    versions: tuple[VersionTab, ...] = ()
    todos: tuple[Todo, ...] = ()

    @property
    def model_id(self) -> int | None:
        """The model's id, if there is one yet."""
        return self.editing.row.id if self.editing else None

    @property
    def version_id(self) -> int | None:
        """The version's id, if the page is about one."""
        return self.version.row.id if self.version else None

    @property
    def public(self) -> bool:
        """Whether others see the model already, so that nothing is saved before its creator says so."""
        return self.editing is not None and self.editing.row.status == Status.PUBLISHED

    @property
    def left(self) -> int:
        """How many lines of the checklist are open."""
        return sum(not todo.done for todo in self.todos)

    @property
    def here(self) -> tuple[Todo, ...]:
        """What is open of the model and, on the pages of a version, of that one only."""
        wanted = (None, self.version_id) if self.version else {todo.version_id for todo in self.todos}
        return tuple(todo for todo in self.todos if not todo.done and todo.version_id in wanted)[:8]

    def to(self, place: Place) -> str:
        """The address of another step for the same version."""
        return href(place, self.model_id, self.version_id)


def beginning() -> Frame:
    """The frame before there is a model."""
    return Frame("about", _steps("about", None, None))


async def load(
    session: AsyncSession, actor: Actor, *, model_id: int, place: Place, version_id: int | None = None
) -> Frame:
    """The frame of one's model at a step. Without `version_id` the first version stands for the links.

    Raises NotFound for others' models, and for versions that are not the model's.
    """
    editing = await queries.model_for_editing(session, actor, model_id=model_id)
    version = next((found for found in editing.versions if found.row.id == version_id), None)
    if version is None and version_id is not None:
        raise NotFound("This version was not found.", code="version_not_found")
    first = editing.versions[0] if editing.versions else None
    # A version that is only being begun has no files and pictures yet, whatever the others have.
    shown = version or (first if place not in _VERSIONED else None)
    at: Place = place if place in _VERSIONED else "version"
    tabs = tuple(
        VersionTab(
            other.row.id, other.row.name, other.row.status,
            href(at, model_id, other.row.id), version is not None and other.row.id == version_id,
        )
        for other in editing.versions
    )  # fmt: skip
    return Frame(
        place=place,
        steps=_steps(place, editing, shown),
        editing=editing,
        version=version,
        versions=tabs,
        todos=tuple(_todo(item, model_id) for item in editing.checklist.items),
    )


async def load_for(
    request: Request, actor: Actor, *, model_id: int, place: Place, version_id: int | None = None
) -> Frame:
    """As `load`, in a transaction of its own that reads only."""
    async with state_of(request).database.reading() as session:
        return await load(session, actor, model_id=model_id, place=place, version_id=version_id)


def _steps(place: Place, editing: EditModel | None, version: EditVersion | None) -> tuple[Step, ...]:
    model_id = editing.row.id if editing else None
    version_id = version.row.id if version else None
    undone = {(item.version_id, item.code) for item in (editing.checklist.missing if editing else ())}
    about = editing is not None and not {(None, "name"), (None, "tags")} & undone
    files = version is not None and not any(
        (version_id, code) in undone for code in ("no-files", "scan-pending", "scan-failed")
    )
    pictures = version is not None and (version_id, "no-posts") not in undone
    public = editing is not None and editing.row.status in (Status.PUBLISHED, Status.SCHEDULED)
    made: list[tuple[Place, str, bool]] = [
        ("about", "About", about),
        ("version", "Version", version is not None),
        ("access", "Access", version is not None),
        ("files", "Files", files),
        ("pictures", "Pictures", pictures),
        ("review", "Publish", public),
    ]
    at = "version" if place == "origins" else place
    return tuple(
        Step(
            label,
            "current" if name == at else "done" if done else "next",
            href(name, model_id, version_id) if _reachable(name, editing, version) else None,
        )
        for name, label, done in made
    )


def _reachable(place: Place, editing: EditModel | None, version: EditVersion | None) -> bool:
    if editing is None:
        return False
    return version is not None or place in ("about", "version", "review")


def _todo(item: Requirement, model_id: int) -> Todo:
    place: Place = "about"
    if item.code in ("no-files", "scan-pending", "scan-failed"):
        place = "files"
    elif item.code == "no-posts":
        place = "pictures"
    elif item.code in ("base-model", "no-versions"):
        place = "version"
    return Todo(item.code, item.text, item.done, href(place, model_id, item.version_id), item.version_id)


@dataclass(frozen=True, slots=True)
class Saved:
    """What saving while somebody writes led to; `draft` and `seen` go back into the form."""

    draft: int | None
    seen: str
    problem: str | None = None
    quiet: bool = False


def saved_answer(request: Request, saved: Saved, here: str | None = None) -> Response:
    """The line beside the form; `here` is where the page is to be found from now on, once there is a draft."""
    headers = {"HX-Replace-Url": here} if here else {}
    return render(request, "publish/saved.html", {"saved": saved}, headers=headers)


def draft_of(form: Entered) -> int | None:
    """The draft that was saved while the form of a new thing was being filled in."""
    given = form.get("draft")
    return row_id(given)


def fault_in_short(fault: Fault) -> str:
    """What is wrong, in one line: the first wrong field with its name, or the whole sentence."""
    told: dict[str, str] = fault.details.get("fields") or {}
    for name, text in told.items():
        return f"{snake(name).replace('_', ' ').capitalize()}: {text}"
    return fault.message
