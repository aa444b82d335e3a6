"""Blobs over HTTP: in with a key or a link, out by links; what lies about itself, what is somebody else's."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.faces.orchestrator.contract import kept
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.bytes import picture
from tests.factories.http import Client
from tests.factories.orchestration import make_job

from civitas.domains.orchestration.media import archives
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.kit import clock

API = "/v2/consumer/blobs"


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@pytest.fixture
async def ana(client: Client) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, "ana_blob")
        await give_buzz(session, person, 100)
    await client.use_key(person)
    return person


async def upload(client: Client, body: bytes = b"", **headers: str) -> Any:
    answer = await client.post(
        API, content=body or picture(), headers={"content-type": "image/png", **headers}
    )
    assert answer.status_code == 201, answer.text
    return kept(answer)


async def test_bytes_go_in_with_a_key_and_out_by_a_link(client: Client, ana: int) -> None:
    made = await upload(client)
    assert made["type"] == "image" and made["available"] is True and made["width"] > 0
    client.sign_out()
    sent = await client.get(path_of(made["url"]))
    assert sent.status_code == 308 and "/content/" in sent.headers["location"]
    content = path_of(sent.headers["location"])
    whole = await client.get(content)
    assert whole.content == picture() and whole.headers["content-type"] == "image/png"
    assert (
        whole.headers["content-disposition"].startswith("inline")
        and "sandbox" in whole.headers["content-security-policy"]
    )
    part = await client.get(content, headers={"range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, picture()[:8])
    head = await client.head(content)
    assert head.headers["content-length"] == str(len(picture())) and head.content == b""
    saved = await client.get(path_of(made["url"]) + "&download=true&filename=../../a%22b.png")
    told = (await client.get(path_of(saved.headers["location"]))).headers["content-disposition"]
    assert told.startswith("attachment") and ".." not in told and told.count('"') == 2


async def test_a_link_takes_one_blob_without_a_key(client: Client, ana: int) -> None:
    told = kept(await client.get(f"{API}/upload"))
    client.sign_out()
    first = await client.put(path_of(told["uploadUrl"]), content=picture())
    assert first.status_code == 201
    again = await client.post(path_of(told["uploadUrl"]), content=picture())
    assert again.status_code == 409 and kept(again)["code"] == "upload_used"
    assert (await client.get(f"{API}/upload")).status_code == 401
    assert (await client.post(API, content=picture())).status_code == 401


async def test_own_blobs_by_key(client: Client, ana: int) -> None:
    made = await upload(client)
    assert (await client.get(f"{API}/{made['id']}")).status_code == 308
    assert (await client.get(f"{API}/{made['id']}.png")).status_code == 308
    assert (await client.head(f"{API}/{made['id']}")).status_code == 204
    fresh = kept(await client.post(f"{API}/{made['id']}/refresh"))
    assert fresh["id"] == made["id"] and fresh["url"]
    # Nobody rated it.
    assert kept(await client.get(f"{API}/{made['id']}", params={"nsfwLevel": "pg"}))["code"] == "too_mature"
    async with client.house.database.unit() as session:
        eve = await make_person(session, "eve_blob")
    client.sign_out()
    await client.use_key(eve)
    for method, path in (("GET", ""), ("HEAD", ""), ("POST", "/refresh")):
        assert (await client.request(method, f"{API}/{made['id']}{path}")).status_code == 404
    assert kept(await client.get(f"{API}/nothing"))["code"] == "blob_not_found"


@pytest.mark.parametrize(
    ("body", "said", "status"),
    [
        (b"", "image/png", 400),
        (b"<script>alert(1)</script>" * 50, "text/html", 415),
        (b"<script>alert(1)</script>" * 50, "image/png", 415),
        (picture(), "video/mp4", 422),
        (picture()[:20], "image/png", 422),
    ],
)
async def test_bytes_that_lie_are_not_kept(
    client: Client, ana: int, body: bytes, said: str, status: int
) -> None:
    answer = await client.post(API, content=body, headers={"content-type": said})
    assert answer.status_code == status, answer.text
    kept(answer)
    assert [one async for one in client.store.list_prefix("orchestration")] == []


async def test_what_is_too_large_is_refused_unread(client: Client, ana: int) -> None:
    answer = await client.post(API, content=b"x", headers={"content-length": str(2**40)})
    assert answer.status_code == 413 and kept(answer)["code"] == "blob_too_large"


@pytest.mark.parametrize("path", ["content/x", "archive/x", "blocked/x", "abc?sig=x&exp=1", "?sig=forged"])
async def test_forged_links_open_nothing(client: Client, path: str) -> None:
    url = f"{API}{path}" if path.startswith("?") else f"{API}/{path}"
    answer = await client.request("POST" if path.startswith("?") else "GET", url)
    assert answer.status_code == 403 and answer.json()["code"] == "bad_signature"


async def test_a_stand_in_has_the_size_of_what_it_stands_for(client: Client) -> None:
    url = client.house.context().port(MediaLinks).at("").blocked_url(640, 480)
    answer = await client.get(url)
    assert answer.status_code == 403 and b'width="640" height="480"' in answer.content


async def test_an_uploaded_blob_goes_into_a_step(client: Client, ana: int) -> None:
    made = await upload(client)
    for image in (made["id"], made["url"]):
        answer = await client.post(
            "/v2/consumer/workflows", json={"steps": [{"$type": "convertImage", "input": {
                "image": image, "output": {"format": "webp"},
            }}]},
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        (step,) = kept(answer)["steps"]
        assert len(step["jobs"]) == 1 and step["output"]["blob"]["available"] is False


async def test_previews_of_work_under_way_are_streamed_until_it_ends(client: Client, ana: int) -> None:
    key = "orchestration/previews/x/1.jpeg"
    await client.store.put(key, b"a picture", "image/jpeg")
    async with client.house.database.unit() as session:
        job = await make_job(session, person=ana, preview=key, status="succeeded", completed_at=clock.now())
        bare = await make_job(session, person=ana, status="succeeded", completed_at=clock.now())
    links = client.house.context().port(MediaLinks).at("")
    answer = await client.get(links.preview_url(job))
    assert answer.status_code == 200 and "x-mixed-replace" in answer.headers["content-type"]
    assert b"Content-Type: image/jpeg\r\nContent-Length: 9\r\n\r\na picture" in answer.content
    assert (await client.get(links.preview_url(bare))).status_code == 404
    assert (await client.get(links.preview_url("job_none"))).status_code == 404
    assert (await client.get("/v2/consumer/streaming-blobs/forged")).status_code == 403


async def test_archives_are_put_together_while_they_are_sent(client: Client, ana: int) -> None:
    made = await upload(client)
    async with client.house.database.unit() as session:
        archive = await archives.make(
            session, person_id=ana, entries=[{"blobId": made["id"], "fileName": "a.png"}]
        )
    url = client.house.context().port(MediaLinks).at("").archive_url(archive.id, archive.expires_at)
    client.sign_out()
    answer = await client.get(url)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.read("a.png") == picture()
    assert answer.headers["content-disposition"] == 'attachment; filename="archive.zip"'


async def test_nobody_gets_a_link_to_somebody_elses_blob_by_naming_it(client: Client, ana: int) -> None:
    """What outputs keep in a blob's place cannot be brought along, wherever it is hidden."""
    theirs = await upload(client)
    async with client.house.database.unit() as session:
        eve = await make_person(session, "eve_marks")
        await give_buzz(session, eve, 100)
    client.sign_out()
    await client.use_key(eve)
    mark = {"$blob": theirs["id"]}
    echo = {"$type": "echo", "input": {"message": {"$ref": "$arguments", "path": "x"}}}
    graph = {
        "$type": "comfy",
        "input": {"comfyWorkflow": {"1": {"class_type": "Load", "inputs": {"image": mark}}}},
    }
    bodies: list[dict[str, Any]] = [
        {"steps": [echo], "arguments": {"x": mark}},
        {
            "steps": [echo],
            "arguments": {"x": [{"deep": {"$archive": {"id": "x", "expires": "2999-01-01T00:00:00Z"}}}]},
        },
        {"steps": [graph]},
        {"steps": [{"$type": "echo", "input": {"message": "x"}, "metadata": {"a": mark}}]},
        {"steps": [{"$type": "echo", "input": {"message": "x"}}], "metadata": {"a": mark}},
    ]
    for body in bodies:
        answer = await client.post("/v2/consumer/workflows", json=body)
        assert answer.status_code == 400 and "ours" in answer.text, body
        kept(answer)
    made = (
        await client.post(
            "/v2/consumer/workflows", json={"steps": [graph | {"input": {"comfyWorkflow": {}}}]}
        )
    ).json()
    path = f"/v2/consumer/workflows/{made['id']}"
    for operations in (
        [{"op": "add", "path": "/metadata/a", "value": mark}],
        [
            {"op": "add", "path": "/metadata/a", "value": {}},
            {"op": "add", "path": "/metadata/a/$blob", "value": theirs["id"]},
        ],
    ):
        for where in (path, f"{path}/steps/0"):
            answer = await client.patch(
                where, json=operations, headers={"content-type": "application/json-patch+json"}
            )
            assert answer.status_code == 400, (where, answer.text)
    answer = await client.put(path, json={"metadata": {"a": mark}})
    assert answer.status_code == 400
    by_id = {"$type": "convertImage", "input": {"image": theirs["id"], "output": {"format": "png"}}}
    found = (await client.post("/v2/consumer/workflows", json={"steps": [by_id]})).json()
    assert found["status"] == "failed" and found["steps"][0]["reason"] == "invalid_input", found
