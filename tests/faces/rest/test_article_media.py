"""Pictures and files of articles over the API: who may add them, who is shown and given what."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import func, select
from tests.factories.accounts import make_person
from tests.factories.http import HTML, Client
from tests.flows import story

from civitas.domains.blobs.tables import BlobReference
from civitas.domains.community.articles import attachments
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.scanners.report import Verdict
from civitas.infra.scanners.scanner import PresetScanner
from civitas.kit import clock


async def _writer(client: Client) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, "ana", created_at=clock.now() - timedelta(days=9))
    await client.use_key(person)
    return person


async def _article(client: Client, **fields: object) -> str:
    made = await client.post("/api/v1/articles", json={"title": "On light", "content": "It bends."} | fields)
    assert made.status_code == 201, made.text
    return f"/api/v1/articles/{made.json()['id']}"


async def test_a_picture_that_is_sent_for_an_article_shows_in_it_alone(client: Client) -> None:
    person = await _writer(client)
    where = await _article(client, level=4)
    upload = await story.upload(client, story.drawing(), "kite.png", purpose="image")
    added = await client.post(f"{where}/images", json={"uploadId": upload})
    assert added.status_code == 201, added.text
    number = added.json()["id"]
    assert added.json()["nsfwLevel"] == 4, "as mature as the article is meant to be"
    await client.run_tasks()
    (listed,) = (await client.get(f"{where}/images")).json()
    assert (listed["id"], listed["status"]) == (number, "ready")
    await client.patch(
        where, json={"content": f"![A kite](/images/{number})", "coverImageId": number, "level": 1}
    )
    published = (await client.post(f"{where}/publish")).json()
    assert published["nsfwLevel"] == 4, "an article is as mature as its pictures"
    async with client.house.database.unit() as session:
        album = await session.scalar(select(Image.post_id).where(Image.id == number))
        assert await session.scalar(select(Post.album).where(Post.id == album))
    refused = await client.post(f"/api/v1/posts/{album}/publish")
    assert refused.status_code == 409 and refused.json()["code"] == "album_post"
    await story.become(client, None)
    assert (await client.get(where)).status_code == 404, "who asked for nothing mature does not read it"
    assert (await client.get("/api/v1/images")).json()["items"] == []
    await client.use_key(person)
    await client.patch(f"/api/v1/images/{number}", json={"nsfwLevel": 1})
    await client.run_tasks()
    await story.become(client, None)
    found = (await client.get(where)).json()
    assert 'alt="A kite"' in found["content"] and found["coverImage"]["id"] == number
    assert (await client.get("/api/v1/images")).json()["items"] == [], "nor does it stand in any feed"


async def test_nobody_adds_to_what_is_not_theirs(client: Client) -> None:
    await _writer(client)
    where = await _article(client)
    async with client.house.database.unit() as session:
        other = await make_person(session, "ben", created_at=clock.now() - timedelta(days=9))
    await client.use_key(other)
    picture = await story.upload(client, story.drawing(), "kite.png", purpose="image")
    notes = await story.upload(client, b"words", "notes.txt", purpose="attachment")
    for path, upload in (("images", picture), ("files", notes)):
        assert (await client.post(f"{where}/{path}", json={"uploadId": upload})).status_code == 404
        assert (await client.get(f"{where}/{path}")).status_code == 404


async def test_a_file_is_given_out_once_it_is_clean_and_while_one_may_read(client: Client) -> None:
    person = await _writer(client)
    where = await _article(client)
    upload = await story.upload(client, b"light, water", "notes.txt", purpose="attachment")
    added = (await client.post(f"{where}/files", json={"uploadId": upload})).json()
    assert (added["name"], added["size"], added["scanStatus"]) == ("notes.txt", 12, "pending")
    path = "/" + added["url"].split("/", 3)[3]
    await client.post(f"{where}/publish")
    await story.become(client, None)
    assert (await client.get(path)).status_code == 404, "not before its scan"
    await client.run_tasks()
    assert [one["name"] for one in (await client.get(where)).json()["attachments"]] == ["notes.txt"]
    link = await client.get(path)
    assert link.status_code == 303 and "no-store" in link.headers["cache-control"]
    given = await client.get(link.headers["location"])
    assert given.content == b"light, water"
    assert given.headers["content-disposition"].startswith("attachment")
    assert "notes.txt" in (await client.get(where.replace("/api/v1", "") + "/on-light", headers=HTML)).text
    await client.use_key(person)
    await client.post(f"{where}/unpublish")
    await story.become(client, None)
    assert (await client.get(path)).status_code == 404, "not while the article is not public"
    await client.use_key(person)
    assert (await client.get(path)).status_code == 303
    await client.delete(where)
    await client.run_tasks()
    async with client.house.database.reading() as session:
        held = await session.scalar(
            select(func.count()).select_from(BlobReference).where(BlobReference.kind == attachments.REFERENCE)
        )
    assert held == 0, "its bytes go with the article"


async def test_what_a_scan_finds_is_nobodys(client: Client) -> None:
    await _writer(client)
    where = await _article(client)
    scanner = client.house.scanner
    assert isinstance(scanner, PresetScanner)
    scanner.verdicts |= {"bad.zip": Verdict.DANGEROUS, "odd.json": Verdict.SUSPICIOUS}
    paths = {}
    for name in ("bad.zip", "odd.json"):
        upload = await story.upload(client, json.dumps(name).encode(), name, purpose="attachment")
        paths[name] = (await client.post(f"{where}/files", json={"uploadId": upload})).json()
    await client.post(f"{where}/publish")
    await client.run_tasks()
    told = {one["name"]: one["scanStatus"] for one in (await client.get(f"{where}/files")).json()}
    assert told == {"bad.zip": "dangerous", "odd.json": "suspicious"}
    local = {name: "/" + one["url"].split("/", 3)[3] for name, one in paths.items()}
    assert (await client.get(local["bad.zip"])).status_code == 409, "not even its writer"
    assert (await client.get(local["odd.json"])).status_code == 303
    await story.become(client, None)
    assert (await client.get(where)).json()["attachments"] == []
    for path in local.values():
        assert (await client.get(path)).status_code == 404


async def test_kinds_and_numbers_are_bounded(client: Client) -> None:
    await _writer(client)
    where = await _article(client)
    program = await story.upload(client, b"print()", "run.py", purpose="attachment")
    refused = await client.post(f"{where}/files", json={"uploadId": program})
    assert refused.status_code == 400 and refused.json()["code"] == "attachment_type"
    picture = await story.upload(client, story.drawing(), "kite.png", purpose="image")
    assert (await client.post(f"{where}/files", json={"uploadId": picture})).status_code in (400, 409)
    for number in range(attachments.MOST):
        upload = await story.upload(client, f"{number}".encode(), f"{number}.txt", purpose="attachment")
        assert (await client.post(f"{where}/files", json={"uploadId": upload})).status_code == 201
    upload = await story.upload(client, b"more", "more.txt", purpose="attachment")
    full = await client.post(f"{where}/files", json={"uploadId": upload})
    assert full.status_code == 409 and full.json()["code"] == "too_many_attachments"
    kept = (await client.get(f"{where}/files")).json()
    assert (await client.delete(f"{where}/files/{kept[0]['id']}")).status_code == 204
    assert (await client.post(f"{where}/files", json={"uploadId": upload})).status_code == 201
    large = await client.post(
        "/api/v1/uploads", json={"filename": "big.zip", "size": 200 * 2**20, "purpose": "attachment"}
    )
    assert large.status_code == 413, large.text
