"""Foreign media: brought in before jobs are made, by the guard, or refused with a sentence."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor, make_person
from tests.factories.bytes import packed, picture, wav
from tests.factories.media import afresh, make_blob, make_workflow

from civitas.contracts.site import SiteInfo
from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.accounts.types import Role
from civitas.domains.orchestration import blobs, fetching
from civitas.domains.orchestration.fetching import Origin, origin_of
from civitas.domains.orchestration.media import blocking
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.media.messages import ExamineBlob, FetchMedia
from civitas.domains.orchestration.media.tasks import examine_blob, fetch_media
from civitas.domains.orchestration.media_tables import MediaFetch
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.orchestration.types import Level
from civitas.infra.db.database import BoundDatabase
from civitas.infra.imaging.fake import FakeImaging
from civitas.infra.media.intake import Intake
from civitas.infra.media.rating import PresetRater, Rating
from civitas.infra.media.settings import MediaSettings
from civitas.infra.outbound.guard import MediaClient, OutboundSettings, Resolve
from civitas.infra.queue.context import TaskContext
from civitas.infra.storage.memory import MemoryStore
from civitas.infra.storage.store import Store
from civitas.kit.errors import Invalid, Unavailable

LINKS = MediaLinks.derived(b"a secret for tests only, 32 bytes", "https://hub.example.org")
PNG = picture()


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def working(units: BoundDatabase, resolver: Resolve = loopback, **settings: Any) -> TaskContext:
    store, chosen = MemoryStore(), MediaSettings(max_upload_mb=1, **settings)
    return TaskContext(
        units,
        {
            Store: store,
            MediaSettings: chosen,
            MediaLinks: LINKS,
            SiteInfo: SiteInfo("Hub", "https://hub.example.org"),
            MediaClient: MediaClient(OutboundSettings(frozenset({"media.test"})), resolver, timeout_s=5),
            Intake: Intake(store, FakeImaging(), PresetRater(), chosen),
        },
    )


async def fetched(
    context: TaskContext, session: AsyncSession, workflow: Workflow, value: str
) -> fetching.Brought:
    """Ask, fetch, ask again."""
    first = await fetching.bring(session, workflow=workflow, values=[value])
    assert first.waiting and first.blobs == {}
    fetch_id = await session.scalar(select(func.max(MediaFetch.id)))
    await fetch_media(FetchMedia(fetch_id or 0), replace(context, attempt=3))
    await afresh(session, workflow)
    return await fetching.bring(session, workflow=workflow, values=[value])


class Server:
    """Answers every request with what it was given."""

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.asked, self.port = list(answers), 0, 0

    async def __aenter__(self) -> Server:
        self.server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(self.answers[min(self.asked, len(self.answers)) - 1])
        await writer.drain()
        writer.close()

    def url(self, host: str = "media.test") -> str:
        return f"http://{host}:{self.port}/cat.png"


def ok(body: bytes, *headers: bytes) -> bytes:
    more = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\nconnection: close\r\n\r\n%s" % (more, len(body), body)


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        ("0123456789ABCDEFGHJKMNPQRS", Origin.BLOB),
        ("https://hub.example.org/v2/consumer/blobs/0123456789ABCDEFGHJKMNPQRS?sig=x&exp=1", Origin.BLOB),
        ("https://example.org/a.png", Origin.ADDRESS),
        ("urn:air:other:image:civitai:12", Origin.PICTURE),
        ("data:image/png;base64,AAAA", Origin.DATA),
        ("A" * 64, Origin.DATA),
    ],
)
def test_media_is_named_in_several_ways(value: str, origin: Origin) -> None:
    assert origin_of(value)[0] is origin


@pytest.mark.parametrize(
    "value", ["", "cat", "ftp://example.org/x", "file:///etc/passwd", "javascript:1", "https://" + "x" * 9000]
)
def test_what_names_no_media_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        origin_of(value)
    assert refused.value.code == "bad_media"


async def test_an_address_becomes_a_blob_of_the_owner(units: BoundDatabase, session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    async with Server(ok(PNG, b"content-type: text/html")) as server:
        brought = await fetched(working(units), session, workflow, server.url())
        again = await fetching.bring(session, workflow=workflow, values=[server.url()])
    (blob_id,) = brought.blobs.values()
    assert not brought.waiting and again == brought and server.asked == 1
    facts = (await blobs.links(session, [blob_id]))[blob_id]
    assert (facts.person_id, facts.media_type, facts.width) == (workflow.person_id, "image/png", 64)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "404"),
        (b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "503"),
        (ok(b"<html>"), "not taken"),
        (ok(PNG, b"content-encoding: gzip"), "packed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", "at most"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * (2**20 + 10), "at most"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n", "https"),
        (
            b"HTTP/1.1 302 Found\r\nlocation: https://inside.example/\r\ncontent-length: 0\r\n\r\n",
            "private network",
        ),
        (
            b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "too often",
        ),
        (ok(PNG + packed(a=b"1")), "at once"),
        (ok(PNG[:40]), "cannot be read"),
    ],
)
async def test_what_cannot_be_fetched_ends_with_a_sentence(
    units: BoundDatabase, session: AsyncSession, answer: bytes, told: str
) -> None:
    workflow = await make_workflow(session, await make_person(session))
    context = working(units)
    async with Server(answer) as server:
        with pytest.raises(Invalid, match=told) as refused:
            await fetched(context, session, workflow, server.url())
    assert refused.value.code == "media_not_fetched"
    assert await _keys(context) == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "::ffff:10.0.0.1", "169.254.169.254", "64:ff9b::7f00:1"]
)
async def test_names_that_mean_private_places_are_refused(
    units: BoundDatabase, session: AsyncSession, address: str
) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return [address]

    workflow = await make_workflow(session, await make_person(session))
    with pytest.raises(Invalid, match="private network"):
        await fetched(working(units, resolver), session, workflow, "https://rebinding.example.org/x.png")


async def test_a_slow_sender_is_given_up(units: BoundDatabase, session: AsyncSession) -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    workflow = await make_workflow(session, await make_person(session))
    server = await asyncio.start_server(dripping, "127.0.0.1", 0)
    async with server:
        url = f"http://media.test:{server.sockets[0].getsockname()[1]}/x"
        with pytest.raises(Invalid, match="in time"):
            await fetched(working(units, fetch_timeout_s=0.4), session, workflow, url)


async def test_a_server_that_is_down_is_asked_again(units: BoundDatabase, session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    async with Server(
        b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", ok(PNG)
    ) as server:
        await fetching.bring(session, workflow=workflow, values=[server.url()])
        (fetch_id,) = (await session.scalars(select(MediaFetch.id))).all()
        with pytest.raises(Unavailable):
            await fetch_media(FetchMedia(fetch_id), working(units))
        await fetch_media(FetchMedia(fetch_id), replace(working(units), attempt=1))
        await fetch_media(FetchMedia(fetch_id), replace(working(units), attempt=1))
    await afresh(session, workflow)
    assert (await fetching.bring(session, workflow=workflow, values=[server.url()])).blobs
    assert server.asked == 2


@pytest.mark.parametrize(
    "prefix", ["data:image/png;base64,", "", "data:;base64,", "DATA:image/png;charset=x;base64,"]
)
async def test_data_is_taken_as_it_is(units: BoundDatabase, session: AsyncSession, prefix: str) -> None:
    workflow = await make_workflow(session, await make_person(session))
    value = prefix + base64.b64encode(PNG).decode()
    brought = await fetched(working(units), session, workflow, value)
    assert not brought.waiting and len(brought.blobs) == 1


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("data:image/png;base64,!!!!", "broken"),
        ("data:image/png;base64," + base64.b64encode(wav()).decode(), "audio/wav, and not"),
        ("data:text/html,<script>alert(1)</script>", "not taken"),
        ("data:,", "no bytes"),
    ],
)
async def test_data_that_lies_is_refused(
    units: BoundDatabase, session: AsyncSession, value: str, told: str
) -> None:
    workflow = await make_workflow(session, await make_person(session))
    with pytest.raises(Invalid, match=told):
        await fetched(working(units), session, workflow, value)


async def test_own_blobs_are_there_at_once_and_others_only_by_their_links(
    units: BoundDatabase, session: AsyncSession
) -> None:
    context = working(units)
    workflow = await make_workflow(session, await make_person(session))
    theirs = await make_workflow(session, await make_person(session))
    own, foreign = await make_blob(session, workflow, b"x"), await make_blob(session, theirs, PNG)
    facts = (await blobs.links(session, [foreign]))[foreign]
    await blobs.examined(session, blob_id=foreign, phash=None, level=Level.R)
    await afresh(session, workflow)
    await context.port(Store).put(str(facts.storage_key), PNG, "image/png")
    brought = await fetching.bring(session, workflow=workflow, values=[own])
    assert brought == fetching.Brought({own: own}, False)
    with pytest.raises(Invalid) as refused:
        await fetching.bring(session, workflow=workflow, values=[foreign])
    assert refused.value.code == "blob_not_found"
    url, expires = LINKS.blob_url(foreign)
    for link in (url, LINKS.content_url(foreign, expires=expires)):
        (copy,) = (await fetched(context, session, workflow, link)).blobs.values()
        copied = (await blobs.links(session, [copy]))[copy]
        assert copy != foreign and copied.person_id == workflow.person_id and copied.level is Level.R
    with pytest.raises(Invalid, match="not one of ours"):
        await fetched(context, session, workflow, url.replace("sig=", "sig=A"))


async def test_blocked_and_empty_blobs_cannot_be_used(session: AsyncSession) -> None:
    workflow = await make_workflow(session, await make_person(session))
    bad = await make_blob(session, workflow, b"bad")
    (empty,) = await blobs.reserve_slots(session, workflow=workflow, job_id="j", kinds=[MediaKind.IMAGE])
    staff = await make_actor(session, role=Role.MODERATOR)
    await blocking.block(session, staff, blob_id=bad, reason="no")
    await afresh(session, workflow)
    for blob_id, code in ((bad, "blob_blocked"), (empty, "blob_not_found"), ("Z" * 26, "blob_not_found")):
        with pytest.raises(Invalid) as refused:
            await fetching.bring(session, workflow=workflow, values=[blob_id])
        assert refused.value.code == code


async def test_blocked_pictures_are_not_brought_in(units: BoundDatabase, session: AsyncSession) -> None:
    context = working(units)
    workflow = await make_workflow(session, await make_person(session))
    bad = await make_blob(session, workflow, PNG)
    staff = await make_actor(session, role=Role.MODERATOR)
    await blocking.block(session, staff, blob_id=bad, reason="no")
    value = "data:image/png;base64," + base64.b64encode(PNG).decode()
    with pytest.raises(Invalid, match="blocked"):
        await fetched(context, session, workflow, value)
    assert await _keys(context) == []


async def _keys(context: TaskContext) -> list[str]:
    found: AsyncIterator[Any] = context.port(Store).list_prefix("")
    return [info.key async for info in found]


async def test_a_picture_of_the_gallery_is_used_when_it_may_be(
    units: BoundDatabase, session: AsyncSession
) -> None:
    workflow = await make_workflow(session, await make_person(session))
    with pytest.raises(Invalid, match="no such picture"):
        await fetched(working(units), session, workflow, "urn:air:other:image:civitai:999999")


async def test_what_agents_made_is_examined(units: BoundDatabase, session: AsyncSession) -> None:
    context = working(units)
    rated = context.port(Intake)
    ports = {**context.ports, Intake: replace(rated, rater=PresetRater(Rating("x")))}
    workflow = await make_workflow(session, await make_person(session))
    good, lying = await make_blob(session, workflow, PNG), await make_blob(session, workflow, b"<html>")
    for blob_id, body in ((good, PNG), (lying, b"<html>")):
        key = str((await blobs.links(session, [blob_id]))[blob_id].storage_key)
        await context.port(Store).put(key, body, "image/png")
        await examine_blob(ExamineBlob(blob_id), replace(context, ports=ports))
    await afresh(session, workflow)
    found = await blobs.links(session, [good, lying])
    assert found[good].level is Level.X and found[lying].media_type == blobs.UNKNOWN
    assert found[lying].level is Level.UNRATED
