"""What happened in the catalogue. Whatever alters what the public sees also states `ModelChanged`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """Something of a model, its versions, files, tags or pictures changed: its documents are out of date."""

    model_id: int


@dataclass(frozen=True, slots=True)
class ModelPublished:
    """A model is public; `first` when it never was before."""

    model_id: int
    person_id: int
    first: bool


@dataclass(frozen=True, slots=True)
class ModelUnpublished:
    """A model was taken from view by its owner, or by staff with a reason code (FEATURES B36)."""

    model_id: int
    person_id: int
    by: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class ModelDeleted:
    """A model was deleted; a tombstone stays."""

    model_id: int
    person_id: int
    by: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class ModelRestored:
    """A deletion or unpublishing was undone; `status` is the one it has again."""

    model_id: int
    person_id: int
    by: int
    status: str


@dataclass(frozen=True, slots=True)
class ModelModeChanged:
    """A model was archived, taken down, or put back (`mode` None)."""

    model_id: int
    person_id: int
    by: int
    mode: str | None


@dataclass(frozen=True, slots=True)
class ModelTransferred:
    """A model has another owner."""

    model_id: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class ModelForked:
    """A new draft was made from a version of somebody's model."""

    model_id: int
    person_id: int
    source_version_id: int
    source_model_id: int
    source_person_id: int


@dataclass(frozen=True, slots=True)
class ModelTagged:
    """A model's tags changed."""

    model_id: int
    added: list[str]
    removed: list[str]


@dataclass(frozen=True, slots=True)
class ModelEngaged:
    """A person favours, hides, follows or mutes a model, or no longer (`on` False)."""

    model_id: int
    person_id: int
    kind: str
    on: bool


@dataclass(frozen=True, slots=True)
class DraftAging:
    """A draft nobody has touched for long will be removed (FEATURES B4)."""

    model_id: int
    person_id: int
    removed_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduleFailed:
    """A model or version was due to be published but lacks something; it is a draft again."""

    model_id: int
    version_id: int | None
    person_id: int
    missing: list[str]


@dataclass(frozen=True, slots=True)
class ReviewRequested:
    """The owner of a model that staff unpublished asks them to look again."""

    model_id: int
    person_id: int


@dataclass(frozen=True, slots=True)
class PreviewRulesChanged:
    """Which pictures a model may show changed: whoever owns the pictures should hand them in again."""

    model_id: int


@dataclass(frozen=True, slots=True)
class VersionPublished:
    """A version is public; `first` when it never was before."""

    version_id: int
    model_id: int
    person_id: int
    first: bool


@dataclass(frozen=True, slots=True)
class VersionChanged:
    """A version's own fields changed."""

    version_id: int
    model_id: int


@dataclass(frozen=True, slots=True)
class VersionUnpublished:
    """A version was taken from view."""

    version_id: int
    model_id: int
    by: int


@dataclass(frozen=True, slots=True)
class VersionDeleted:
    """A version was deleted; its hashes still answer."""

    version_id: int
    model_id: int
    by: int


@dataclass(frozen=True, slots=True)
class FileAttached:
    """A file was added to a version; it is not scanned yet."""

    file_id: int
    version_id: int
    model_id: int


@dataclass(frozen=True, slots=True)
class FileRemoved:
    """A file was taken away from a version."""

    file_id: int
    version_id: int
    model_id: int


@dataclass(frozen=True, slots=True)
class FileScanned:
    """The safety scan of a file ended; only `clean` lets others download it."""

    file_id: int
    version_id: int
    model_id: int
    person_id: int
    verdict: str


@dataclass(frozen=True, slots=True)
class LineageChanged:
    """What a version was made from, or is recommended with, changed."""

    version_id: int
    model_id: int


@dataclass(frozen=True, slots=True)
class AccessBought:
    """Somebody bought access to a version; `permissions` are the bits bought, `amount` is in quarters of a Buzz."""

    payment_id: int
    version_id: int
    model_id: int
    person_id: int
    seller_id: int
    permissions: int
    amount: int


@dataclass(frozen=True, slots=True)
class DonationMade:
    """Somebody gave towards a version's goal; `amount` is in quarters of a Buzz."""

    payment_id: int
    version_id: int
    model_id: int
    person_id: int
    seller_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class DonationGoalReached:
    """Purchases and donations came to what the creator asked for."""

    version_id: int
    model_id: int
    person_id: int
    goal: int


@dataclass(frozen=True, slots=True)
class EarlyAccessEnded:
    """A version is open to everybody: its time was over, its goal reached, its creator wished it, or it was withdrawn."""

    version_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class AccessRefunded:
    """What somebody paid for a version that was withdrawn is back in their wallet; `amount` is in quarters."""

    payment_id: int
    version_id: int
    person_id: int
    seller_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class AccessGiven:
    """A creator gave somebody access for nothing, or took it back (`permissions` 0)."""

    version_id: int
    model_id: int
    person_id: int
    permissions: int


@dataclass(frozen=True, slots=True)
class LicenceFeeChanged:
    """A version's fee for generated images changed: hundredths of a Buzz for so many images, None for no fee."""

    version_id: int
    model_id: int
    person_id: int
    hundredths: int | None
    images: int
