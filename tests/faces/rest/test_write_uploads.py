"""Uploads over the API: what goes wrong on the way is told, nothing is lost, and nothing that was not cleared is served."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.factories.http import Client
from tests.flows import story
from tests.flows.story import API, ok
from tests.infra.imaging import drawing
from tests.infra.scanners import corpus

from civitas.domains.blobs import tasks as blob_tasks
from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.scanners.scanner import FileScanner
from civitas.infra.scanners.settings import ScannerSettings
from civitas.kit import clock

MIB = 2**20


def fails(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The fault with this status and code."""
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    assert found["code"] == code, found
    assert found["error"] == found["message"] and len(found["error"]) > 10
    return found


async def state(client: Client, upload_id: str) -> Any:
    return ok(await client.get(f"{API}/uploads/{upload_id}"))


@pytest.mark.parametrize(
    ("plan", "status", "code"),
    [
        ({"size": 0}, 400, "validation_failed"), ({"size": -5}, 400, "validation_failed"),
        ({"size": 2**63}, 400, "validation_failed"), ({"size": "many"}, 400, "validation_failed"),
        ({"size": 1.5}, 400, "validation_failed"), ({"size": 60 * 2**30}, 413, "file_too_large"),
        ({"size": 51 * MIB, "purpose": "image"}, 413, "file_too_large"), ({"filename": ""}, 400, "validation_failed"),
        ({"filename": "a" * 256}, 400, "validation_failed"), ({"filename": "../.."}, 400, "upload_plan"),
        ({"filename": "..."}, 400, "upload_plan"), ({"filename": "\u202e\u200b"}, 400, "upload_plan"),
        ({"purpose": "weapon"}, 400, "validation_failed"), ({"sha256": "0" * 63}, 400, "validation_failed"),
        ({"filename": None}, 400, "validation_failed"),
    ],
)  # fmt: skip
async def test_plans_that_cannot_be(client: Client, plan: dict[str, Any], status: int, code: str) -> None:
    await story.new_program(client)
    body = {"filename": "a.safetensors", "size": 9} | plan
    fails(await client.post(f"{API}/uploads", json=body), status, code)
    assert ok(await client.get(f"{API}/uploads")) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\models\\x.safetensors", "x.safetensors"), ("a\x00b.bin", "a b.bin"),
        ("n\u202ecod.exe", "n cod.exe"), ("e\u0301.bin", "é.bin"), ("a\r\nSet-Cookie: x.bin", "a Set-Cookie: x.bin"),
        ("模型.safetensors", "模型.safetensors"), ("CON.bin", "CON.bin"), ('quo"te=;.bin', 'quo"te=;.bin'),
    ],
)  # fmt: skip
async def test_names_are_cleaned_and_never_paths(client: Client, given: str, kept: str) -> None:
    await story.new_program(client)
    begun = await story.announce(client, b"x", given)
    assert begun["filename"] == kept
    assert all(name not in begun["parts"][0]["url"] for name in ("..", "passwd", "Set-Cookie"))


async def test_a_name_of_any_shape_is_one_plain_header(client: Client) -> None:
    await story.new_program(client)
    model_id, version_id = await story.published(client)
    name = 'a"=\u202e; filename*=x/模型\u00e9.safetensors'
    await story.file(client, version_id, filename=name)
    (file,) = [
        f
        for v in ok(await client.get(f"{API}/me/models/{model_id}"))["modelVersions"]
        for f in v["files"]
        if not f["primary"]
    ]
    answer = await client.get(f"/api/download/models/{version_id}?fileId={file['id']}")
    assert answer.status_code == 307, answer.text
    bytes_there = await client.get(answer.headers["location"])
    disposition = bytes_there.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="') and disposition.count("=") == 1
    assert disposition.isascii() and disposition.count('"') == 2


async def test_parts_of_the_wrong_number_size_or_sum(client: Client) -> None:
    await story.new_program(client)
    body = bytes(range(256)) * 64 * 1024 + b"tail"
    begun = await story.announce(client, body)
    url = f"{API}/uploads/{begun['id']}"
    assert begun["partCount"] == 2
    for numbers in ([0], [-1], [10_001], [2**63], ["x"], [1] * 101):
        fails(await client.post(f"{url}/parts", json={"numbers": numbers}), 400, "validation_failed")
    fails(await client.post(f"{url}/parts", json={"numbers": [3]}), 400, "part_number")
    for wrong in ("no base64!", base64.b64encode(b"short").decode()):
        refused = await client.post(f"{url}/parts", json={"parts": [{"number": 1, "checksum": wrong}]})
        fails(refused, 400, "part_checksum")
    first, last = begun["parts"]
    fails(await client.put(last["url"], content=b"to"), 400, "part_size")
    fails(await client.put(last["url"], content=b"tails"), 400, "part_size")
    sums = {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"other").digest()).decode()}
    fails(await client.put(last["url"], content=b"tail", headers=sums), 400, "part_checksum")
    sums = {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"tail").digest()).decode()}
    ok(await client.put(last["url"], content=b"tail", headers=sums))
    ok(await client.put(last["url"], content=b"tail"))
    fails(await client.put(last["url"], content=b"liat"), 409, "part_exists")
    fails(await client.post(f"{url}/complete"), 400, "parts_missing")
    done = ok(await client.put(first["url"], content=body[: first["size"]]))
    assert done is None
    for parts in (
        [{"number": 1, "etag": "x"}, {"number": 2, "etag": "y"}],
        [{"number": 1, "etag": "x"}],
        [{"number": 3, "etag": "x"}],
        [{"number": 1, "etag": "x"}] * 2,
    ):
        refused = await client.post(f"{url}/complete", json={"parts": parts})
        assert refused.status_code == 400 and refused.json()["code"].startswith("part"), refused.text
    assert (await state(client, begun["id"]))["status"] == "open"
    ok(await client.post(f"{url}/complete"), 202)
    await client.run_tasks()
    assert (await state(client, begun["id"]))["status"] == "done"


async def test_links_hold_for_what_they_say_and_a_while(client: Client) -> None:
    await story.new_program(client)
    begun = await story.announce(client, b"123456789")
    url = begun["parts"][0]["url"]
    other = await story.announce(client, b"123456789")
    for wrong in (url.replace("/storage/", "/storage/x"), url[:-2] + "zz", url.split("?")[0], url + "&size=1",
                  url.replace(begun["id"].replace("-", ""), other["id"].replace("-", ""))):  # fmt: skip
        refused = await client.put(wrong, content=b"123456789")
        assert refused.status_code in {400, 403, 404}, refused.text
        assert refused.json()["error"]
    refused = await client.get(url)
    assert refused.status_code in {400, 403}
    with clock.held_at(clock.now() + timedelta(hours=7)):
        late = await client.put(url, content=b"123456789")
        assert late.status_code in {400, 403, 410} and late.json()["error"]
    ok(await client.put(url, content=b"123456789"))


@pytest.mark.parametrize(
    ("announced", "code"), [({"sha256": "ab" * 32}, "sha256_mismatch"), ({}, None)], ids=["another", "right"]
)
async def test_the_promised_sum_must_agree(
    client: Client, announced: dict[str, Any], code: str | None
) -> None:
    await story.new_program(client)
    data = story.weights()
    begun = await story.announce(client, data, **({"sha256": hashlib.sha256(data).hexdigest()} | announced))
    await story.send_parts(client, begun, data)
    ok(await client.post(f"{API}/uploads/{begun['id']}/complete"), 202)
    await client.run_tasks()
    found = await state(client, begun["id"])
    assert (found["error"] or {}).get("code") == code
    assert found["status"] == ("failed" if code else "done")
    if code:
        model = await story.draft(client)
        version = await story.version(client, model["id"])
        url = f"{API}/model-versions/{version['id']}/files"
        fails(await client.post(url, json={"uploadId": begun["id"]}), 409, "upload_state")
        assert not [body for _, body in client.store.objects.values() if body == data]


async def test_an_upload_is_used_for_what_it_was_announced_for_and_once(client: Client) -> None:
    await story.new_program(client)
    model = await story.draft(client)
    version = await story.version(client, model["id"])
    files, images = (f"{API}/model-versions/{version['id']}/{kind}" for kind in ("files", "images"))
    open_one = await story.announce(client, b"x" * 9)
    fails(await client.post(files, json={"uploadId": open_one["id"]}), 409, "upload_state")
    picture = await story.upload(client, story.drawing(), "a.png", purpose="image")
    fails(await client.post(files, json={"uploadId": picture}), 409, "upload_purpose")
    data = story.weights()
    weights = await story.upload(client, data)
    fails(await client.post(images, json={"uploadId": weights}), 409, "upload_purpose")
    first = ok(await client.post(files, json={"uploadId": weights}), 201)
    again = ok(await client.post(files, json={"uploadId": weights}), 201)
    assert first["id"] == again["id"]
    fails(
        await client.post(files, json={"uploadId": "00000000-0000-0000-0000-000000000000"}),
        404,
        "upload_not_found",
    )
    fails(await client.post(files, json={}), 400, "bad_sha256")
    both = await client.post(files, json={"uploadId": weights, "sha256": hashlib.sha256(data).hexdigest()})
    assert both.status_code in {201, 400}
    fails(await client.delete(f"{API}/uploads/{weights}"), 409, "upload_state")
    ok(await client.delete(f"{API}/uploads/{open_one['id']}"))
    again_aborted = ok(await client.delete(f"{API}/uploads/{open_one['id']}"))
    assert again_aborted["status"] == "aborted"
    fails(await client.post(f"{API}/uploads/{open_one['id']}/complete"), 409, "upload_state")
    fails(
        await client.post(f"{API}/uploads/{open_one['id']}/parts", json={"numbers": [1]}), 409, "upload_state"
    )
    await client.run_tasks()
    gone = await client.put(open_one["parts"][0]["url"], content=b"x" * 9)
    assert gone.status_code == 404, gone.text


async def test_abandoned_uploads_are_swept_with_their_parts(client: Client) -> None:
    await story.new_program(client)
    begun = await story.announce(client, b"y" * 9)
    await story.send_parts(client, begun, b"y" * 9)
    with clock.held_at(clock.now() + timedelta(hours=73)):
        await blob_tasks.sweep_uploads(client.context)
        await client.run_tasks()
    assert (await state(client, begun["id"]))["status"] == "aborted"
    assert (await client.put(begun["parts"][0]["url"], content=b"y" * 9)).status_code == 404


async def test_a_person_has_two_hundred_open_uploads_at_most(client: Client) -> None:
    await story.new_program(client)
    for _ in range(200):
        await story.announce(client, b"x")
    found = fails(
        await client.post(f"{API}/uploads", json={"filename": "a", "size": 1}), 429, "too_many_uploads"
    )
    assert found["retryAfter"] == 60


HOSTILE_FILES = {
    "pickle with code.ckpt": (corpus.torch_zip(corpus.OS_SYSTEM), "dangerous"),
    "truncated.safetensors": (corpus.safetensors()[:-4], None),
    "lying.safetensors": (
        corpus.safetensors({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}), None
    ),
    "endless header.safetensors": ((2**63 - 1).to_bytes(8, "little") + b"{}", None),
    "bomb.zip": (corpus.bomb(), "dangerous"),
    "pickle inside.safetensors": (corpus.safetensors() + corpus.archive({"x.pkl": corpus.OS_SYSTEM}), "dangerous"),
}  # fmt: skip


async def test_hostile_files_stay_with_their_owner_and_are_explained(client: Client) -> None:
    client.house.scanner = FileScanner(ScannerSettings())
    await story.new_program(client)
    model = await story.draft(client)
    version = await story.version(client, model["id"])
    good = await story.file(client, version["id"])
    for name, (data, _) in HOSTILE_FILES.items():
        kind = {"type": "Archive", "format": "Other"} if name.endswith(".zip") else {}
        await story.file(client, version["id"], data, name, **kind)
    await story.picture(client, version["id"])
    ok(await client.post(f"{API}/models/{model['id']}/publish"))
    await client.run_tasks()
    own = ok(await client.get(f"{API}/me/models/{model['id']}"))["modelVersions"][0]["files"]
    client.sign_out()
    for file in own:
        answer = await client.get(f"/api/download/models/{version['id']}?fileId={file['id']}")
        if file["id"] == good["id"]:
            assert file["scanStatus"] == "clean" and answer.status_code == 307
            continue
        (wanted,) = [verdict for name, (_, verdict) in HOSTILE_FILES.items() if name == file["name"]]
        assert file["scanStatus"] in ({wanted} if wanted else {"suspicious", "dangerous", "error"}), file
        assert file["scanMessage"]
        assert answer.status_code == 403, answer.text
        header = await client.get(f"{API}/model-files/{file['id']}/tensor-metadata")
        assert header.status_code in {200, 404}


HOSTILE_PICTURES = {
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "100 megapixels": drawing.png(10_000, 10_000),
    "polyglot": drawing.encoded(drawing.slope(200, 200), "PNG") + corpus.archive({"a.html": b"<script>"}),
    "cut": drawing.encoded(drawing.slope(200, 200), "PNG")[:-60],
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
}


async def test_hostile_pictures_are_refused_and_explained(client: Client) -> None:
    client.house.imaging = imaging = PillowImaging(client.house.settings.imaging)
    await story.new_program(client)
    model = await story.draft(client)
    version = await story.version(client, model["id"])
    made = {name: await story.picture(client, version["id"], data) for name, data in HOSTILE_PICTURES.items()}
    good = await story.picture(client, version["id"], story.drawing(700, 500))
    await imaging.aclose()
    url = f"{API}/model-versions/{version['id']}/images"
    shown = {image["id"]: image for image in ok(await client.get(url))}
    for image in made.values():
        found = shown[image["id"]]
        assert found["status"] == "failed" and found["failure"] and found["url"] is None
    fine = shown[good["id"]]
    assert fine["status"] == "ready" and (fine["width"], fine["height"]) == (700, 500)
    for extension, kind in (("jpeg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF")):
        picture = await client.get(
            fine["url"].replace("width=450", "width=320").replace(".jpeg", f".{extension}")
        )
        assert picture.headers["content-type"] == f"image/{extension}"
        with Image.open(BytesIO(picture.content)) as decoded:
            assert decoded.format == kind and decoded.width == 320
    assert not [key for key in client.store.objects if key.startswith("media/") and "svg" in key]
