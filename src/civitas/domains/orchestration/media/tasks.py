"""Media in the background: fetching what steps refer to, examining what agents made, sweeping."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

import httpx
from sqlalchemy import select

from civitas.contracts import maturity, pictures
from civitas.contracts.site import SiteInfo
from civitas.domains.orchestration import advancing, blobs, fetching
from civitas.domains.orchestration.fetching import Origin
from civitas.domains.orchestration.media import blocking, keeping, rating, uploading
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.media.messages import ExamineBlob, FetchMedia, HearRating, RateBlob
from civitas.domains.orchestration.media_tables import MediaBlob, MediaFetch
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.orchestration.types import Level
from civitas.infra.media.arrived import Arrived
from civitas.infra.media.intake import Intake
from civitas.infra.media.settings import MediaSettings
from civitas.infra.outbound.guard import MediaClient
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.outbox import defer
from civitas.infra.queue.registry import every, handles
from civitas.infra.storage.store import Store
from civitas.kit.errors import (
    Fault,
    Invalid,
    Limited,
    NotFound,
    TooLarge,
    Unavailable,
    Unprocessable,
    Unsupported,
)

ATTEMPTS: Final = 4
MIB: Final = 2**20
_PAGE: Final = 1_000
_NOT_FOUND: Final = "There is no such picture, or it may not be used."


@handles(FetchMedia, queue="media", attempts=ATTEMPTS, timeout_s=900)
async def fetch_media(message: FetchMedia, context: TaskContext) -> None:
    """Read what is wanted, bring it in, record it; then its workflow goes on."""
    async with context.reading() as session:
        row = (
            await session.execute(
                select(MediaFetch.source, MediaFetch.workflow_id, Workflow.person_id)
                .join(Workflow, Workflow.id == MediaFetch.workflow_id)
                .where(MediaFetch.id == message.fetch_id, MediaFetch.ended_at.is_(None))
            )
        ).first()
    if row is None:
        return
    key, trouble = blobs.new_key(), None
    try:
        arrived = await _bring_in(context, row.source, row.person_id, key)
    except (TimeoutError, httpx.HTTPError, Unavailable, Limited) as error:
        if context.attempt + 1 < ATTEMPTS:
            raise
        trouble = error.message if isinstance(error, Fault) else "It did not arrive in time."
    except Fault as fault:
        trouble = fault.message
    if trouble is None:
        try:
            async with context.unit() as session:
                made = await uploading.record(
                    session, person_id=row.person_id, arrived=arrived, workflow_id=row.workflow_id
                )
                await fetching.fetched(session, fetch_id=message.fetch_id, blob_id=made.id)
                await advancing.advance(session, row.workflow_id)
            return
        except Fault as fault:
            await context.port(Store).delete(key)
            trouble = fault.message
    async with context.unit() as session:
        await fetching.failed(session, fetch_id=message.fetch_id, trouble=trouble)
        await advancing.advance(session, row.workflow_id)


async def _bring_in(context: TaskContext, source: str, person_id: int, key: str) -> Arrived:
    """Take the bytes in, wherever they come from. Raises the faults of `Intake.take` and of the guard."""
    intake = context.port(Intake)
    origin, name = fetching.origin_of(source)
    if origin is Origin.DATA:
        body, claimed = _decoded(name)
        return await intake.take(_once(body), key=key, claimed=claimed)
    if origin is Origin.PICTURE:
        async with context.reading() as session:
            found = await pictures.find(session, int(name), person_id)
        if found is None:
            raise NotFound(_NOT_FOUND, code="picture_not_found")
        arrived = await intake.take(intake.store.chunks(found.storage_key), key=key)
        return _rated(arrived, found.level)
    if _is_ours(context, source):
        return await _copied(context, source, key)
    return await _from_address(context, source, key)


def _is_ours(context: TaskContext, source: str) -> bool:
    return urlsplit(source).netloc.lower() == urlsplit(context.port(SiteInfo).base_url).netloc.lower()


async def _copied(context: TaskContext, source: str, key: str) -> Arrived:
    """Bytes of our own: a signed link to somebody's blob, or an open picture. Nothing leaves the house for it."""
    intake, links, parts = context.port(Intake), context.port(MediaLinks), urlsplit(source)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    own = fetching.OWN_PATH.fullmatch(parts.path)
    if own is not None:
        blob_id = own[1]
        if "/content/" in parts.path:
            blob_id = links.open_content(blob_id).blob_id
        else:
            links.open_blob(blob_id, sig=query.get("sig", ""), exp=query.get("exp", ""))
        async with context.reading() as session:
            facts = (await blobs.links(session, [blob_id])).get(blob_id)
        if facts is None or not facts.available or facts.storage_key is None:
            raise NotFound("There is no such blob; it may have expired.", code="blob_not_found")
        if not facts.examined:
            raise Unavailable("It is being examined; it may be used after that.", code="blob_examined_first")
        arrived = await intake.take(intake.store.chunks(facts.storage_key), key=key)
        return _rated(arrived, None if facts.level is Level.UNRATED else facts.level.value)
    if parts.path.startswith("/media/"):
        try:
            return await intake.take(intake.store.chunks(parts.path[1:]), key=key)
        except ValueError:
            raise NotFound(_NOT_FOUND, code="picture_not_found") from None
    raise Invalid("This address of our own leads to no media.", code="media_not_fetched")


def _rated(arrived: Arrived, level: str | None) -> Arrived:
    """With the level that was known of it before, where nobody rated it now."""
    return arrived if arrived.level is not None or level is None else replace(arrived, level=level)


async def _from_address(context: TaskContext, source: str, key: str) -> Arrived:
    settings, intake = context.port(MediaSettings), context.port(Intake)
    headers = {"accept-encoding": "identity", "user-agent": "Civitas-Media/1"}
    host = urlsplit(source).hostname or "The host"
    async with asyncio.timeout(settings.fetch_timeout_s):
        async with context.port(MediaClient).stream(source, headers=headers) as answer:
            status = answer.status_code
            if status in (408, 425, 429) or status >= 500:
                raise Unavailable(f"{host} does not serve it right now ({status}).", code="host_unavailable")
            if not answer.is_success:
                raise Invalid(f"{host} does not give it out ({status}).", code="media_not_fetched")
            if answer.headers.get("content-encoding", "identity").lower() != "identity":
                raise Unsupported(f"{host} sends it packed, which is not taken.", code="media_packed")
            length = answer.headers.get("content-length", "")
            if length.isdigit() and int(length) > settings.max_upload_mb * MIB:
                raise TooLarge(
                    f"A blob may have {settings.max_upload_mb:,} MiB at most here.", code="blob_too_large"
                )
            # What the server says of its type is often wrong and never needed.
            return await intake.take(answer.aiter_raw(), key=key)


def _decoded(source: str) -> tuple[bytes, str | None]:
    """The bytes of a `data:` URL (RFC 2397) or of plain base64, and the type said. Raises Invalid (`bad_media`)."""
    head, body, claimed, encoded = "", source, None, True
    if source[:5].lower() == "data:":
        head, _, body = source.partition(",")
        claimed, encoded = head[5:].partition(";")[0], head.lower().endswith(";base64")
    try:
        plain = unquote_to_bytes(body)
        return (base64.b64decode(plain, validate=True) if encoded else plain), claimed
    except (binascii.Error, ValueError):
        raise Invalid("This data: URL cannot be read: its base64 is broken.", code="bad_media") from None


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


@handles(ExamineBlob, queue="media", attempts=ATTEMPTS, timeout_s=300)
async def examine_blob(message: ExamineBlob, context: TaskContext) -> None:
    """Decode and rate what an agent made. What cannot be decoded is kept as plain bytes, which nothing shows inline."""
    async with context.reading() as session:
        blob = await session.get(MediaBlob, message.blob_id)
    if blob is None or blob.storage_key is None or blob.size is None:
        return
    try:
        found = await context.port(Intake).look_at(blob.storage_key, blob.size)
    except (Unsupported, Unprocessable):
        async with context.unit() as session:
            await blobs.examined(session, blob_id=blob.id, phash=None, level=None, media_type=blobs.UNKNOWN)
        return
    except NotFound:
        return
    async with context.unit() as session:
        rule = await rating.by_rule(session, blob)
        level = maturity.stricter(rule.level, found.level)
        blocked = found.blocked or rule.blocked
        waits = False
        if found.kind == blob.kind == "image" and blocked is None:
            waits = await rating.classifiers(session)
        await blobs.examined(
            session,
            blob_id=blob.id,
            # A picture that came as a video is not shown as either.
            media_type=found.media_type if found.kind == blob.kind else blobs.UNKNOWN,
            phash=blocking.signed(found.phash) if found.phash is not None else None,
            level=Level(level) if level is not None and not waits else None,
            blocked=blocked,
        )
        if waits:
            await defer(session, RateBlob(blob.id))


@handles(RateBlob, queue="media", attempts=ATTEMPTS)
async def rate_blob(message: RateBlob, context: TaskContext) -> None:
    """Let an agent that rates pictures look at an output."""
    async with context.unit() as session:
        await rating.ask(session, blob_id=message.blob_id)


@handles(HearRating, queue="media", attempts=ATTEMPTS)
async def hear_rating(message: HearRating, context: TaskContext) -> None:
    """Record what an agent saw."""
    async with context.unit() as session:
        await rating.answered(session, workflow_id=message.workflow_id)


@every("30m")
async def sweep_blobs(context: TaskContext) -> None:
    """Blobs whose thirty days are over, then their bytes; archives that can be had no longer."""
    store = context.port(Store)
    while True:
        async with context.unit() as session:
            count, keys = await keeping.expire(session)
        await store.delete_many(keys)
        if count < keeping.BATCH:
            break
    while True:
        async with context.unit() as session:
            if await keeping.forget_archives(session) < keeping.BATCH:
                return


@every("1d")
async def sweep_strays(context: TaskContext) -> None:
    """Bytes of which no row knows: left by a crash between the store and the database, or by previews of ended jobs."""
    store = context.port(Store)
    async with aclosing(_old_keys(store)) as pages:
        async for keys in pages:
            previews = [key for key in keys if key.startswith(f"{blobs.FOLDER}/previews/")]
            others = [key for key in keys if not key.startswith(f"{blobs.FOLDER}/previews/")]
            async with context.reading() as session:
                gone = await keeping.strays(session, others) + await keeping.stray_previews(session, previews)
            await store.delete_many(gone)


async def _old_keys(store: Store) -> AsyncGenerator[list[str], None]:
    page: list[str] = []
    async for found in store.list_prefix(blobs.FOLDER):
        if keeping.old_enough(found.modified):
            page.append(found.key)
        if len(page) >= _PAGE:
            yield page
            page = []
    if page:
        yield page
