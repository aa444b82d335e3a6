"""Who may see, change and download what; every face shares it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, any_, or_

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog.access_types import Permission
from civitas.domains.catalog.tables import Model, ModelFile, ModelVersion
from civitas.domains.catalog.types import (
    Availability,
    Mode,
    ScanStatus,
    Status,
    UsageControl,
    Visibility,
)
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Gone, NotFound, Unauthorised

_EDITABLE_BY_OWNER = frozenset(
    {Status.DRAFT, Status.TRAINING, Status.PUBLISHED, Status.SCHEDULED, Status.UNPUBLISHED,
     Status.GATHER_INTEREST, Status.UNPUBLISHED_VIOLATION}
)  # fmt: skip

# What staff can take from view although it is not public yet.
TAKEABLE = frozenset({Status.DRAFT, Status.TRAINING, Status.SCHEDULED, Status.UNPUBLISHED})


def owns(actor: Actor, model: Model) -> bool:
    """Whether the actor is the model's creator."""
    return actor.signed_in and model.person_id == actor.id


def edits_along(actor: Actor, model: Model) -> bool:
    """Whether the actor works on the model with its creator."""
    return actor.signed_in and actor.id in (model.editor_ids or ())


def can_manage(actor: Actor, model: Model) -> bool:
    """Choose who works on it, delete it, hand it over: its creator and moderators, not its collaborators."""
    return owns(actor, model) or (actor.signed_in and actor.is_moderator)


def sees_own(actor: Actor) -> bool:
    """Whether the actor is shown what only owners or staff are: a key needs `MODELS_READ` for that."""
    return actor.signed_in and Scope.MODELS_READ in actor.scopes


def can_edit(actor: Actor, model: Model) -> bool:
    """The creator, collaborators and moderators, as long as it is not deleted (only moderators then)."""
    if actor.signed_in and actor.is_moderator:
        return True
    return (owns(actor, model) or edits_along(actor, model)) and model.status in _EDITABLE_BY_OWNER


def can_publish(actor: Actor, model: Model) -> bool:
    """As `can_edit`; what staff unpublished or barred, only staff publish again."""
    if not can_edit(actor, model):
        return False
    barred = model.cannot_publish or model.status == Status.UNPUBLISHED_VIOLATION
    return actor.is_moderator or not barred


def can_moderate(actor: Actor) -> bool:
    """Take down, unpublish with a reason code, lock properties, bar from publishing."""
    return actor.signed_in and actor.is_moderator


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Models the actor may open: published, not private, of a level they asked for; one's own; all for staff."""
    if sees_own(actor) and actor.is_moderator:
        return Model.status != Status.DELETED
    shown = and_(
        Model.status == Status.PUBLISHED,
        Model.availability != Availability.PRIVATE,
        or_(Model.nsfw_level == 0, Model.nsfw_level.op("&")(actor.mask) != 0),
    )
    if not sees_own(actor):
        return shown
    return or_(shown, and_(_works_on(actor), Model.status != Status.DELETED))


def _works_on(actor: Actor) -> ColumnElement[bool]:
    return or_(Model.person_id == actor.id, any_(Model.editor_ids) == actor.id)


def versions_visible_to(actor: Actor) -> ColumnElement[bool]:
    """Versions the actor may open, for a statement that joins `Model`: add `visible_to` for the model itself."""
    if sees_own(actor) and actor.is_moderator:
        return and_(ModelVersion.status != Status.DELETED, Model.status != Status.DELETED)
    shown = and_(
        ModelVersion.status == Status.PUBLISHED,
        ModelVersion.availability != Availability.PRIVATE,
        visible_to(actor),
    )
    if not sees_own(actor):
        return shown
    own = and_(
        _works_on(actor),
        ModelVersion.status != Status.DELETED,
        Model.status != Status.DELETED,
    )
    return or_(shown, own)


def files_visible_to(actor: Actor) -> ColumnElement[bool]:
    """Files the actor may know of, for a statement that joins `ModelVersion` and `Model`."""
    there = and_(ModelFile.removed_at.is_(None), versions_visible_to(actor))
    if sees_own(actor) and actor.is_moderator:
        return there
    public = and_(
        ModelFile.visibility == Visibility.PUBLIC,
        Model.mode.is_(None),
        ModelVersion.usage_control == UsageControl.DOWNLOAD,
    )
    if not sees_own(actor):
        return and_(there, public)
    return and_(there, or_(public, _works_on(actor)))


@dataclass(frozen=True, slots=True)
class DownloadFacts:
    """What decides whether somebody may download a file; filled from rows of either lane."""

    owner_id: int
    model_status: str
    model_mode: str | None
    model_availability: str
    version_status: str
    version_availability: str
    usage_control: str
    require_auth: bool
    early_access_ends_at: datetime | None
    visibility: str
    scan_status: str
    removed: bool
    # False when the model was never public: then its existence is not told.
    was_public: bool = True
    # Whether it is paid for as long as it lives, and what this viewer bought or was given (`Permission`).
    paid: bool = False
    permissions: int = 0

    @classmethod
    def of(cls, model: Model, version: ModelVersion, file: ModelFile) -> DownloadFacts:
        """The facts of three rows."""
        return cls(
            owner_id=model.person_id,
            model_status=model.status,
            model_mode=model.mode,
            model_availability=model.availability,
            version_status=version.status,
            version_availability=version.availability,
            usage_control=version.usage_control,
            require_auth=version.require_auth,
            early_access_ends_at=version.early_access_ends_at,
            visibility=file.visibility,
            scan_status=file.scan_status,
            removed=file.removed_at is not None or file.blob_id is None,
            was_public=model.published_at is not None and version.published_at is not None,
        )


def require_download(actor: Actor, facts: DownloadFacts) -> None:
    """Return if the actor may download the file.

    The owner and moderators may as long as the bytes are kept. Others: NotFound for what is not public, Gone
    (`deleted`, `archived`, `taken_down`, `file_removed`), Unauthorised (`sign_in_needed`), Forbidden
    (`downloads_disabled`, `early_access` with `deadline` and `paid_access` for those who did not buy it,
    `file_not_scanned`, `file_unsafe`).
    """
    if facts.removed:
        if facts.was_public:
            raise Gone("This file was removed by its creator.", code="file_removed")
        raise _not_found()
    if sees_own(actor) and (actor.is_moderator or actor.id == facts.owner_id):
        return
    _require_public(facts)
    if facts.require_auth and not actor.signed_in:
        raise Unauthorised("The creator asks you to sign in before you download this.", code="sign_in_needed")
    if facts.usage_control != UsageControl.DOWNLOAD:
        raise Forbidden("The creator of this asset has disabled downloads.", code="downloads_disabled")
    _require_open(facts)
    _require_clean(facts.scan_status)


def _require_public(facts: DownloadFacts) -> None:
    if Status.DELETED in (facts.model_status, facts.version_status):
        if facts.was_public:
            raise Gone("This model was deleted.", code="deleted")
        raise _not_found()
    private = Availability.PRIVATE in (facts.model_availability, facts.version_availability)
    if facts.model_status != Status.PUBLISHED or facts.version_status != Status.PUBLISHED or private:
        raise _not_found()
    if facts.model_mode == Mode.ARCHIVED:
        raise Gone("This model is archived; its files cannot be downloaded any more.", code="archived")
    if facts.model_mode == Mode.TAKEN_DOWN:
        raise Gone("This model was taken down; its files cannot be downloaded any more.", code="taken_down")
    if facts.visibility != Visibility.PUBLIC:
        raise _not_found()


def _require_open(facts: DownloadFacts) -> None:
    if facts.permissions & Permission.DOWNLOAD:
        return
    if facts.paid:
        raise Forbidden(
            "This version is paid for: buy access on its page to download it.",
            code="paid_access",
            details={"deadline": None},
        )
    ends = facts.early_access_ends_at
    if ends is not None and ends > clock.now():
        raise Forbidden(
            f"This version is in early access until {ends:%Y-%m-%d %H:%M} UTC.",
            code="early_access",
            details={"deadline": clock.rfc3339(ends)},
        )


def _require_clean(status: str) -> None:
    if status == ScanStatus.CLEAN:
        return
    if status == ScanStatus.PENDING:
        raise Forbidden(
            "This file is still being scanned; try again in a few minutes.", code="file_not_scanned"
        )
    if status == ScanStatus.ERROR:
        raise Forbidden(
            "The safety scan of this file could not finish, so it is held back for now.",
            code="file_not_scanned",
        )
    raise Forbidden("The safety scan found something in this file; it is held back.", code="file_unsafe")


def _not_found() -> NotFound:
    return NotFound("This file was not found.", code="file_not_found")
