"""What a model must have before it is public, as a list that the wizard shows and publishing enforces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import base_models, licensing, policy
from civitas.domains.catalog.tables import Model, ModelFile, ModelTag, ModelVersion, VersionPreview
from civitas.domains.catalog.types import ScanStatus, Status, Visibility
from civitas.kit.errors import Invalid, NotFound

# Versions in these statuses become public with their model, or are public already.
GOING = frozenset({Status.DRAFT, Status.TRAINING, Status.SCHEDULED, Status.PUBLISHED})


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the list: a stable code, a sentence for people, and the version it is about, if any."""

    code: str
    text: str
    done: bool
    version_id: int | None = None


@dataclass(frozen=True, slots=True)
class Checklist:
    """All requirements.

    `ready_versions` have all of theirs; `going` are those of them that are public or will be with the model.
    """

    items: tuple[Requirement, ...]
    ready_versions: tuple[int, ...]
    going: tuple[int, ...] = ()

    @property
    def missing(self) -> tuple[Requirement, ...]:
        """What is not done."""
        return tuple(item for item in self.items if not item.done)

    @property
    def ready(self) -> bool:
        """Whether the model can be published: it lacks nothing itself and one version lacks nothing."""
        return bool(self.going) and self.model_ready

    @property
    def model_ready(self) -> bool:
        """Whether the model itself lacks nothing, its versions apart."""
        return all(item.done for item in self.items if item.version_id is None)

    def version_ready(self, version_id: int) -> bool:
        """Whether this version can be published as far as it itself goes."""
        return version_id in self.ready_versions

    def refusal(self, version_id: int | None = None) -> Invalid:
        """The error that says what is missing, of the model or of one version."""
        lacking = [item for item in self.missing if version_id in (None, item.version_id)]
        return Invalid(
            "This cannot be published yet: " + " ".join(item.text for item in lacking[:5]),
            code="not_ready",
            details={
                "missing": [
                    {"code": item.code, "text": item.text, "versionId": item.version_id} for item in lacking
                ]
            },
        )


@dataclass(frozen=True, slots=True)
class _State:
    id: int
    name: str
    base_model: str
    status: str
    files: int
    clean: int
    pending: int
    pictures: int


async def missing_for_publishing(session: AsyncSession, actor: Actor, *, model_id: int) -> Checklist:
    """The list for one's own model; NotFound for others'. Three statements, whatever the model holds."""
    model = await session.scalar(
        select(Model).where(Model.id == model_id).execution_options(populate_existing=True)
    )
    if model is None or not policy.can_edit(actor, model):
        raise NotFound("This model was not found.", code="model_not_found")
    return await checklist(session, model)


async def checklist(session: AsyncSession, model: Model) -> Checklist:
    """The list for a model that the caller holds."""
    await session.flush()
    tagged = bool(await session.scalar(select(exists().where(ModelTag.model_id == model.id))))
    states = await _states(session, model.id)
    items = [
        Requirement("name", "Give the model a name.", bool(model.name.strip())),
        Requirement("tags", "Choose a category or at least one tag.", tagged or bool(model.category)),
        Requirement("no-versions", "Add at least one version.", bool(states)),
    ]
    if model.cannot_publish:
        items.append(Requirement("barred", "The moderators do not allow this model to be published.", False))
    items += _licence(model, states)
    ready: list[int] = []
    for state in states:
        own = list(_version(state))
        items += own
        if all(item.done for item in own):
            ready.append(state.id)
    going = [state.id for state in states if state.id in ready and state.status in GOING]
    return Checklist(tuple(items), tuple(ready), tuple(going))


def _licence(model: Model, states: Sequence[_State]) -> list[Requirement]:
    found = licensing.effective_of(licensing.permissions(model), [state.base_model for state in states])
    if not (model.nsfw and found.forbidden_levels):
        return []
    reason = next((text for text in found.reasons if "mature" in text), "")
    return [
        Requirement(
            "licence-forbids-mature",
            reason or "The licence of this base model does not allow mature content.",
            False,
        )
    ]


def _version(state: _State) -> list[Requirement]:
    named = f"version “{state.name}”"
    if state.files == 0:
        file = Requirement("no-files", f"Upload a file for {named}.", False, state.id)
    elif state.clean:
        file = Requirement("no-files", f"A checked file for {named}.", True, state.id)
    elif state.pending:
        file = Requirement(
            "scan-pending",
            f"The main file of {named} is still being checked; wait a moment.",
            False,
            state.id,
        )
    else:
        file = Requirement(
            "scan-failed", f"The main file of {named} did not pass its safety check; replace it.", False, state.id
        )  # fmt: skip
    return [
        file,
        Requirement(
            "no-posts",
            f"Add a picture to {named} that its licence and your settings allow.",
            state.pictures > 0,
            state.id,
        ),
        Requirement(
            "base-model",
            f"Choose a base model for {named} from the list.",
            base_models.current().find(state.base_model) is not None,
            state.id,
        ),
    ]


async def _states(session: AsyncSession, model_id: int) -> list[_State]:
    main = ModelFile.is_primary & (ModelFile.visibility == Visibility.PUBLIC)
    files = (
        select(
            ModelFile.version_id,
            func.count().label("files"),
            func.sum(case((main & (ModelFile.scan_status == ScanStatus.CLEAN), 1), else_=0)).label("clean"),
            func.sum(case((main & (ModelFile.scan_status == ScanStatus.PENDING), 1), else_=0)).label(
                "pending"
            ),
        )
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .where(ModelVersion.model_id == model_id, ModelFile.removed_at.is_(None))
        .group_by(ModelFile.version_id)
        .subquery()
    )
    pictures = (
        select(VersionPreview.version_id, func.count().label("pictures"))
        .join(ModelVersion, ModelVersion.id == VersionPreview.version_id)
        .where(ModelVersion.model_id == model_id)
        .group_by(VersionPreview.version_id)
        .subquery()
    )
    rows = await session.execute(
        select(
            ModelVersion.id,
            ModelVersion.name,
            ModelVersion.base_model,
            ModelVersion.status,
            func.coalesce(files.c.files, 0),
            func.coalesce(files.c.clean, 0),
            func.coalesce(files.c.pending, 0),
            func.coalesce(pictures.c.pictures, 0),
        )
        .outerjoin(files, files.c.version_id == ModelVersion.id)
        .outerjoin(pictures, pictures.c.version_id == ModelVersion.id)
        .where(ModelVersion.model_id == model_id, ModelVersion.status != Status.DELETED)
        .order_by(ModelVersion.position, ModelVersion.id)
    )
    return [_State(*row) for row in rows]
