"""Downloading: which file is meant, whether it may be had, that it was counted, and what one had before."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import policy
from civitas.domains.catalog.policy import DownloadFacts
from civitas.domains.catalog.tables import Download, Model, ModelFile, ModelVersion
from civitas.domains.catalog.types import ScanStatus, Visibility
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock, paging
from civitas.kit.errors import NotFound
from civitas.kit.paging import Page
from civitas.kit.sql import statements

SQL = statements("civitas.domains.catalog", "reads.sql")

_WEIGHTS: Final = frozenset({"Model", "Pruned Model"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which file of a version is asked for; None leaves it open. Compared without case."""

    type: str | None = None
    format: str | None = None
    size: str | None = None
    fp: str | None = None
    quant_type: str | None = None
    file_id: int | None = None


@dataclass(frozen=True, slots=True)
class OfferedFile:
    """A file of a version with what the choice and the link need; `size` in bytes."""

    id: int
    name: str
    type: str
    format: str
    size_class: str | None
    precision: str | None
    quantisation: str | None
    visibility: str
    scan_status: str
    removed_at: datetime | None
    is_primary: bool
    size: int
    storage_key: str | None
    sha256: bytes | None
    content_type: str | None

    @property
    def removed(self) -> bool:
        """Whether the file or its bytes are gone."""
        return self.removed_at is not None or self.storage_key is None

    def matches(self, wanted: Wanted) -> bool:
        """Whether the file is one of those asked for."""
        pairs = (
            (wanted.type, self.type),
            (wanted.format, self.format),
            (wanted.size, self.size_class),
            (wanted.fp, self.precision),
            (wanted.quant_type, self.quantisation),
        )
        return all(
            asked is None or (has is not None and asked.casefold() == has.casefold()) for asked, has in pairs
        ) and (wanted.file_id is None or wanted.file_id == self.id)


@dataclass(frozen=True, slots=True)
class Offer:
    """The file that a download is about: allowed, and not yet counted."""

    file: OfferedFile
    version_id: int
    owner_id: int
    storage_key: str
    sha256: str | None


def choose(
    files: Sequence[OfferedFile], wanted: Wanted, preferences: Mapping[str, Any], *, all_files: bool = False
) -> OfferedFile | None:
    """The file that fits best; None when none is what was asked for.

    Without a type, weights are meant, and the viewer's preferences decide between variants; then the primary
    file wins. Files that may be had come before those that may not, unless `all_files`, for their owner.
    """
    fitting = [f for f in files if f.matches(wanted)]
    if not all_files:
        fitting = [f for f in fitting if f.visibility != Visibility.PRIVATE]
    if wanted.type is None and wanted.file_id is None:
        fitting = [f for f in fitting if f.type in _WEIGHTS] or fitting

    def fits(file: OfferedFile) -> tuple[bool, bool, int, bool, int]:
        variant = {
            "format": file.format,
            "size": file.size_class,
            "fp": file.precision,
            "quant_type": file.quantisation,
        }
        liked = sum(has is not None and preferences.get(name) == has for name, has in variant.items())
        may = all_files or file.scan_status == ScanStatus.CLEAN
        return (not file.removed, may, liked, file.is_primary, -file.id)

    return max(fitting, key=fits, default=None)


async def offer(reads: ReadPool, actor: Actor, version_id: int, wanted: Wanted) -> Offer:
    """Find the file and check that the actor may have it; one statement.

    Raises NotFound (`version_not_found`, `file_not_found`) and whatever `policy.require_download` raises.
    """
    rows = await reads.fetch(SQL["download_facts"], {"id": version_id, "viewer": actor.id})
    if not rows:
        raise NotFound(f"Model version {version_id} was not found.", code="version_not_found")
    owner, status, mode, availability, published, *of_version = rows[0][:11]
    files = [OfferedFile(*row[11:26]) for row in rows if row[11] is not None]
    mine = policy.sees_own(actor) and (actor.is_moderator or actor.id == owner)
    preferences = rows[0][26] if isinstance(rows[0][26], dict) else {}
    file = choose(files, wanted, preferences, all_files=mine)
    facts = DownloadFacts(
        owner_id=owner,
        model_status=status,
        model_mode=mode,
        model_availability=availability,
        version_status=of_version[0],
        version_availability=of_version[1],
        usage_control=of_version[2],
        require_auth=of_version[3],
        early_access_ends_at=of_version[4],
        visibility=file.visibility if file else Visibility.PUBLIC,
        scan_status=file.scan_status if file else ScanStatus.CLEAN,
        removed=file is not None and file.removed and not mine and status == "Published",
        was_public=published is not None and of_version[5] is not None,
        paid=rows[0][27],
        permissions=rows[0][28],
    )
    policy.require_download(actor, facts)
    if file is None or file.storage_key is None:
        raise NotFound(
            "No file of this version is what you asked for (not found); leave the parameters away for its "
            "primary file.",
            code="file_not_found",
        )
    digest = file.sha256.hex() if file.sha256 else None
    return Offer(file, version_id, owner, file.storage_key, digest)


def caller_of(actor: Actor, address: str, secret: bytes, day: date) -> str:
    """By what a download is counted once: the person, or a digest of the address that holds for one day."""
    if actor.id is not None:
        return f"p:{actor.id}"
    text = f"downloads {day.isoformat()} {address}".encode()
    return f"a:{hmac.digest(secret, text, hashlib.sha256).hex()[:32]}"


async def record(session: AsyncSession, actor: Actor, offered: Offer, *, address: str, secret: bytes) -> bool:
    """Count the download, once per person (or address), version and day; whether it was the first.

    What owners take of their own is kept in their history and not counted.
    """
    day = clock.now().date()
    own = actor.id == offered.owner_id
    made = await session.execute(
        insert(Download)
        .values(
            caller=caller_of(actor, address, secret, day),
            version_id=offered.version_id,
            file_id=offered.file.id,
            person_id=actor.id,
            day=day,
            folded=own,
        )
        .on_conflict_do_nothing(constraint="uq_downloads_caller_version_id_day")
        .returning(Download.id)
    )
    return made.scalar() is not None and not own


async def history(
    session: AsyncSession, actor: Actor, *, cursor: str | None = None, limit: int = 50
) -> Page[dict[str, Any]]:
    """What the actor downloaded, the latest first, without what they hid. Raises Unauthorised, Forbidden."""
    person = actor.require(Scope.USER_READ)
    asked = (
        select(
            Download.id, Download.created_at, Model.id, Model.name, Model.type, ModelVersion.id,
            ModelVersion.name, ModelVersion.base_model, Download.file_id, ModelFile.name,
        )
        .join(ModelVersion, ModelVersion.id == Download.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .outerjoin(ModelFile, ModelFile.id == Download.file_id)
        .where(Download.person_id == person, ~Download.hidden)
        .order_by(Download.id.desc())
        .limit(limit + 1)
    )  # fmt: skip
    if cursor:
        asked = asked.where(Download.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(asked)).all()
    items = [
        {
            "id": row[0],
            "downloadedAt": clock.rfc3339(row[1]),
            "modelId": row[2],
            "modelName": row[3],
            "type": row[4],
            "modelVersionId": row[5],
            "versionName": row[6],
            "baseModel": row[7],
            "fileId": row[8],
            "fileName": row[9],
        }
        for row in rows[:limit]
    ]
    return Page(items, paging.encode(rows[limit - 1][0]) if len(rows) > limit else None)


async def hide(session: AsyncSession, actor: Actor, *, version_id: int | None = None) -> int:
    """Take a version, or everything, out of the actor's history; how many entries went.

    The counts of the models stay. Raises Unauthorised, Forbidden.
    """
    person = actor.require(Scope.USER_WRITE)
    change = update(Download).where(Download.person_id == person, ~Download.hidden).values(hidden=True)
    if version_id is not None:
        change = change.where(Download.version_id == version_id)
    done = await session.execute(change.returning(Download.id))
    return len(done.all())
