"""Media that steps refer to: what is ours is found here, what is foreign is brought in before jobs are made.

A step may name a blob's id, one of our links to it, a picture of the catalogue (AIR), an https address, a `data:` URL or
plain base64. Everything becomes a blob of the workflow's owner, judged like any upload.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import SYSTEM_ID
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.media.messages import FetchMedia
from civitas.domains.orchestration.media_tables import MediaFetch
from civitas.domains.orchestration.messages import GoOn
from civitas.domains.orchestration.tables import Workflow
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.errors import Fault, Invalid

MOST_FETCHES: Final = 1_000
# When one looks again whether media of another workflow have been examined.
AGAIN: Final = timedelta(seconds=5)
LONGEST_URL: Final = 8_192
OWN_PATH: Final = re.compile(r"/v2/consumer/blobs/(?:content/)?([^/]{1,2048})")
_AIR: Final = re.compile(r"(?:urn:)?air:[a-z0-9_-]+:image:civitai:([0-9]{1,18})(?:@[^:]*)?", re.IGNORECASE)
_DATA: Final = re.compile(r"data:[a-z0-9.+/-]*(;[a-z0-9=_.+\"-]+)*,", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")


class Origin(Enum):
    """Where media comes from, by how it is named."""

    BLOB = "blob"
    PICTURE = "picture"
    DATA = "data"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Brought:
    """What media became: the blob's id by what the step says. `waiting` while some of it is on its way."""

    blobs: Mapping[str, str] = field(default_factory=dict)
    waiting: bool = False


def origin_of(value: str) -> tuple[Origin, str]:
    """How media is named, and the part that names it. Raises Invalid (`bad_media`) for what names none."""
    if blobs.is_id(value):
        return Origin.BLOB, value
    if (air := _AIR.fullmatch(value)) is not None:
        return Origin.PICTURE, air[1]
    if _DATA.match(value) or _BASE64.fullmatch(value):
        return Origin.DATA, value
    if len(value) <= LONGEST_URL and value.lower().startswith(("https://", "http://")):
        try:
            path = urlsplit(value).path
        except ValueError:
            path = ""
        own = OWN_PATH.fullmatch(path)
        if own is not None and blobs.is_id(own[1]):
            return Origin.BLOB, own[1]
        return Origin.ADDRESS, value
    raise Invalid(
        f"{value[:60]!r} names no media: give a blob's id, an https address, a data: URL or an image's AIR.",
        code="bad_media",
    )


async def bring(session: AsyncSession, *, workflow: Workflow, values: Collection[str]) -> Brought:
    """The blobs that `values` stand for, as far as they are here; what is foreign is fetched in the background.

    Called again after each fetch (`advancing.advance`) until nothing is waited for. Changes no state of the workflow.
    Raises Invalid (`bad_media`, `blob_not_found`, `blob_blocked`, `media_not_fetched`): the step cannot be run.
    """
    named = {value: origin_of(value) for value in set(values)}
    found = await blobs.links(session, [name for origin, name in named.values() if origin is Origin.BLOB])
    here: dict[str, str] = {}
    foreign: list[str] = []
    unexamined = False
    for value, (origin, name) in named.items():
        facts = found.get(name) if origin is Origin.BLOB else None
        if facts is not None and workflow.person_id in (facts.person_id, SYSTEM_ID):
            here[value] = _usable(facts).id
            unexamined |= not facts.examined
        elif value == name and origin is Origin.BLOB:
            raise _unknown(name)
        else:
            foreign.append(value)
    await blobs.used(session, here.values())
    waiting = await _fetched(session, workflow, foreign, here) if foreign else False
    if unexamined:
        # The look at it wakes its own workflow; others look again by themselves.
        await defer(session, GoOn(workflow.id), after=AGAIN, once=f"go-on:{workflow.id}")
    return Brought(here, waiting or unexamined)


async def fetched(session: AsyncSession, *, fetch_id: int, blob_id: str) -> None:
    """Foreign media is here."""
    await session.execute(
        update(MediaFetch)
        .where(MediaFetch.id == fetch_id)
        .values(blob_id=blob_id, source="", ended_at=clock.now())
    )


async def failed(session: AsyncSession, *, fetch_id: int, trouble: str) -> None:
    """Foreign media will not come; `trouble` says why."""
    await session.execute(
        update(MediaFetch)
        .where(MediaFetch.id == fetch_id)
        .values(trouble=trouble[:500], source="", ended_at=clock.now())
    )


def _usable(facts: blobs.BlobFacts) -> blobs.BlobFacts:
    if facts.blocked_reason is not None:
        raise Invalid(f"The blob {facts.id} was blocked and cannot be used.", code="blob_blocked")
    if facts.available_at is None:
        raise Invalid(f"The blob {facts.id} has no bytes yet.", code="blob_not_found")
    return facts


def _unknown(blob_id: str) -> Fault:
    return Invalid(f"There is no blob {blob_id}; it may have expired.", code="blob_not_found")


async def _fetched(
    session: AsyncSession, workflow: Workflow, foreign: Collection[str], here: dict[str, str]
) -> bool:
    digests = {hashlib.sha256(value.encode()).digest(): value for value in foreign}
    known = {
        row.digest: row
        for row in await session.scalars(
            select(MediaFetch).where(
                MediaFetch.workflow_id == workflow.id, MediaFetch.digest.in_(digests.keys())
            )
        )
    }
    waiting = False
    for digest, value in digests.items():
        row = known.get(digest)
        if row is None:
            await _begin(session, workflow, digest, value)
            waiting = True
        elif row.trouble is not None:
            raise Invalid(row.trouble, code="media_not_fetched")
        elif row.blob_id is not None:
            here[value] = row.blob_id
        else:
            waiting = True
    return waiting


async def _begin(session: AsyncSession, workflow: Workflow, digest: bytes, value: str) -> None:
    count = await session.scalar(
        select(func.count()).select_from(MediaFetch).where(MediaFetch.workflow_id == workflow.id)
    )
    if (count or 0) >= MOST_FETCHES:
        raise Invalid(
            f"A workflow may refer to {MOST_FETCHES:,} foreign media; use blobs instead.",
            code="too_much_media",
        )
    made = await session.scalar(
        insert(MediaFetch)
        .values(workflow_id=workflow.id, digest=digest, source=value, created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(MediaFetch.id)
    )
    if made is not None:
        await defer(session, FetchMedia(made))
