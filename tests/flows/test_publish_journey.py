"""Upload, scan, publish, search, identify, download: the whole way over HTTP, by browser and by key."""

from __future__ import annotations

import hashlib

import pytest
from tests.factories.http import Client
from tests.flows import story
from tests.flows.story import API, ok

from civitas.infra.scanners.report import Verdict
from civitas.infra.scanners.scanner import PresetScanner


@pytest.mark.parametrize("way", ["browser", "program"])
async def test_a_model_goes_from_upload_to_a_strangers_disk(client: Client, way: str) -> None:
    content = story.weights()
    maker = await story.person(client, f"maker_{way}")
    await story.become(client, maker, by_key=way == "program")
    model_id, version_id = await story.ready(
        client, content=content, name="Glass Orchard", tags=["glass", "plants"]
    )
    own = ok(await client.get(f"{API}/me/models/{model_id}"))
    assert own["missing"] == [] and own["status"] == "Draft"
    client.sign_out()
    for hidden in (f"{API}/models/{model_id}", f"/api/download/models/{version_id}"):
        assert (await client.get(hidden)).status_code == 404
    await story.become(client, maker, by_key=way == "program")
    ok(await client.post(f"{API}/models/{model_id}/publish"))
    await client.run_tasks()
    await story.a_minute_later(client)
    client.sign_out()

    for query in ("query=glass+orch", "query=%23plants", f"username=maker_{way}", "types=LORA&tag=glass",
                  "baseModels=SDXL+1.0", f"ids={model_id}", "query=glass+orchad"):  # fmt: skip
        listed = ok(await client.get(f"{API}/models?{query}"))
        assert [model["id"] for model in listed["items"]] == [model_id], query
    shown = ok(await client.get(f"{API}/models/{model_id}"))
    (version,) = shown["modelVersions"]
    (file,) = version["files"]
    assert file["pickleScanResult"] == "Success" and file["scannedAt"]
    assert version["images"][0]["width"] == 64

    digest = hashlib.sha256(content).hexdigest()
    for value in {digest, *(value.lower() for value in file["hashes"].values())}:
        assert ok(await client.get(f"{API}/model-versions/by-hash/{value}"))["id"] == version_id
    named = ok(await client.post(f"{API}/model-versions/by-hash/ids", json=[digest, "0" * 64]))
    assert named == [{"modelVersionId": version_id, "modelId": shown["id"], "hash": digest.upper()}]
    picture = await client.get(version["images"][0]["url"])
    assert picture.status_code == 200 and picture.headers["content-type"] == "image/jpeg"
    assert await story.download(client, version_id) == content
    header = ok(await client.get(f"{API}/model-files/{file['id']}/tensor-metadata"))
    assert header["metadata"]["ss_network_dim"] == "4" and header["tensorCount"] == 1


async def test_ranges_of_a_download_come_back_as_asked(client: Client) -> None:
    await story.new_program(client)
    content = story.weights()
    _, version_id = await story.published(client, content=content)
    client.sign_out()
    link = (await client.get(f"/api/download/models/{version_id}")).headers["location"]
    # a stray header must not break a signed link (WIRE rule 4)
    part = await client.get(link, headers={"Range": "bytes=3-9", "Authorization": "Bearer stray"})
    assert part.status_code == 206 and part.content == content[3:10]
    assert part.headers["content-range"] == f"bytes 3-9/{len(content)}"
    assert part.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    beyond = await client.get(link, headers={"Range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(content)}"
    changed = await client.get(link, headers={"Range": "bytes=3-9", "If-Range": '"other"'})
    assert changed.status_code == 200 and changed.content == content


@pytest.mark.parametrize("verdict", [Verdict.SUSPICIOUS, Verdict.DANGEROUS, Verdict.ERROR])
async def test_what_was_not_cleared_is_not_served(client: Client, verdict: Verdict) -> None:
    scanner = client.house.scanner
    assert isinstance(scanner, PresetScanner)
    scanner.verdicts["second.safetensors"] = verdict
    await story.new_program(client)
    model_id, version_id = await story.published(client)
    owner = client.headers["authorization"]
    bad = await story.file(client, version_id, filename="second.safetensors")
    other = await story.version(client, model_id)
    await story.file(client, other["id"], filename="second.safetensors")
    await story.picture(client, other["id"])
    refused = await client.post(f"{API}/model-versions/{other['id']}/publish")
    assert refused.status_code == 400 and refused.json()["code"] == "not_ready"
    # its owner can have it and is told why
    assert (await client.get(f"/api/download/models/{version_id}?fileId={bad['id']}")).status_code == 307
    own = ok(await client.get(f"{API}/me/models/{model_id}"))["modelVersions"]
    (told,) = [f for v in own for f in v["files"] if f["id"] == bad["id"]]
    assert told["scanStatus"] == verdict.value and told["scanMessage"]

    for key in (None, "stranger", "another"):
        client.sign_out()
        if key == "another":
            await story.new_program(client)
        refused = await client.get(f"/api/download/models/{version_id}?fileId={bad['id']}")
        assert refused.status_code == 403 and refused.json()["code"] in {"file_unsafe", "file_not_scanned"}
        assert (await client.head(f"/api/download/models/{version_id}?fileId={bad['id']}")).status_code == 403
        assert (await client.get(f"/api/download/models/{version_id}")).status_code == 307
    listed = ok(await client.get(f"{API}/model-versions/{version_id}"))
    (shown,) = [f for f in listed["files"] if f["id"] == bad["id"]]
    assert shown["pickleScanResult"] in {"Danger", "Error"}
    # nor can another person take it over by its hash
    mine = await story.draft(client)
    into = await story.version(client, mine["id"])
    digest = shown["hashes"]["SHA256"]
    linked = await client.post(f"{API}/model-versions/{into['id']}/files", json={"sha256": digest})
    assert linked.status_code == 404 and linked.json()["code"] == "file_not_found"
    assert client.headers["authorization"] != owner


async def test_parts_may_come_in_any_order_and_again(client: Client) -> None:
    await story.new_program(client)
    body = story.weights() + b"\x00" * (16 * 2**20)
    begun = await story.announce(client, body, "big.bin")
    assert begun["partCount"] == 2 and len(begun["parts"]) == 2
    first, second = begun["parts"]
    pieces = {part["number"]: body[part["offset"] : part["offset"] + part["size"]] for part in begun["parts"]}
    ok(await client.put(second["url"], content=pieces[2]))
    early = await client.post(f"{API}/uploads/{begun['id']}/complete")
    assert early.status_code == 400 and early.json()["code"] == "parts_missing"
    assert [p["number"] for p in ok(await client.get(f"{API}/uploads/{begun['id']}"))["received"]] == [2]
    fresh = ok(await client.post(f"{API}/uploads/{begun['id']}/parts", json={"numbers": [1]}))
    ok(await client.put(fresh[0]["url"], content=pieces[1]))
    ok(await client.put(first["url"], content=pieces[1]))
    for _ in range(2):
        ok(await client.post(f"{API}/uploads/{begun['id']}/complete"), 202)
    await client.run_tasks()
    done = ok(await client.get(f"{API}/uploads/{begun['id']}"))
    assert done["status"] == "done"
    assert done["digests"]["SHA256"] == hashlib.sha256(body).hexdigest().upper()
    again = ok(await client.post(f"{API}/uploads/{begun['id']}/complete"), 202)
    assert again["status"] == "done"
    late = await client.put(first["url"], content=pieces[1])
    assert late.status_code in {404, 409} and late.json()["error"]


async def test_equal_bytes_of_two_people_are_one_object(client: Client) -> None:
    content = story.weights()
    found = []
    for _ in range(2):
        await story.new_program(client)
        found.append(await story.published(client, content=content))
    stored = [key for key, (_, body) in client.store.objects.items() if body == content]
    assert len(stored) == 1
    client.sign_out()
    digest = hashlib.sha256(content).hexdigest()
    assert ok(await client.get(f"{API}/model-versions/by-hash/{digest}"))["id"] == found[0][1]
    for _, version_id in found:
        assert await story.download(client, version_id) == content
