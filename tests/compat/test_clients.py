"""Clients as published, unchanged, against the live site: what they print, what they keep, and what they sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.compat import seeding as seed
from tests.compat.clients import CIVITAI_DOWNLOADER, CIVITAI_PY, CIVITDL, COMFY_CLI, PythonClient
from tests.compat.conftest import Install
from tests.compat.server import STORAGE_HOST
from tests.compat.world import Watch, World

MAIN_FILE = "paper-boats_v2.safetensors"
PAGE = f"https://civitai.com/models/{seed.MAIN}?modelVersionId={seed.MAIN_V2}"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def only(folder: Path, pattern: str) -> Path:
    found = [path for path in folder.rglob(pattern) if path.is_file()]
    assert len(found) == 1, (pattern, found, list(folder.rglob("*")))
    return found[0]


def assert_storage_got_no_credentials(seen: Watch) -> None:
    """Links carry their own permission: clients bring no key to another host (WIRE rule 4)."""
    asked = seen.to("/storage/", STORAGE_HOST)
    assert asked
    assert all("authorization" not in request.headers for request in asked)


# civitai 1.0.0: plain indexing, so a missing key is a KeyError in somebody's program.

LIBRARY = """
import inspect, json, sys
from civitai import creators, images, models, tags

def told(thing):
    names = [n for n, v in inspect.getmembers(type(thing)) if isinstance(v, property)]
    return {n: getattr(thing, n) for n in names}

main, version, sha = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
page = models.get(limit=2, page=1, types="TextualInversion", sort="Newest", period="AllTime", nsfw=False,
                  primaryFileOnly=True, allowNoCredit=True, allowDerivatives=True, rating=0)
found = models.get(query="paper", tag="compat", username="paper_maker")
pictures = images.get(limit=2, modelVersionId=version, nsfw=False, sort="Newest", period="AllTime")
labels = tags.get(limit=2, page=1, query="sh")
people = creators.get(limit=1, page=1)
one = models.get_model(main)
print(json.dumps({
    "page": told(page), "models": [told(m) for m in page.items], "found": [m.id for m in found.items],
    "versions": [told(v) for m in page.items for v in m.modelVersions],
    "one": told(one), "tree": [told(v) for v in one.modelVersions],
    "version": told(models.get_by_modelVersion(version)), "hash": told(models.get_by_hash(sha)),
    "images": told(pictures), "pictures": [told(i) for i in pictures.items],
    "tags": told(labels), "labels": [told(t) for t in labels.items],
    "creators": told(people), "people": [told(c) for c in people.items],
}))
"""


def test_civitai_py_reads_every_property_it_knows(world: World, install: Install, tmp_path: Path) -> None:
    client = install(CIVITAI_PY)
    digest = world.file(MAIN_FILE)["sha256"]
    with world.watching() as seen:
        done = world.run(
            client.program("python"), "-c", LIBRARY, str(seed.MAIN), str(seed.MAIN_V2), digest, home=tmp_path
        )
    assert done.returncode == 0, done.stdout
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["found"] == [seed.MAIN] or set(told["found"]) >= {seed.MAIN}
    assert len(told["models"]) == 2 and told["page"]["nextCursor"] and told["page"]["nextPage"]
    assert (told["page"]["currentPage"], told["page"]["pageSize"]) == (1, 2)
    assert told["one"]["creator_username"] == "paper_maker" and "paper" in told["one"]["tags"]
    assert all(type(told["one"][name]) is int for name in ("downloadCount", "favoriteCount", "ratingCount"))
    assert [version["id"] for version in told["tree"]] == [seed.MAIN_V2, seed.MAIN_V1]
    assert told["version"]["id"] == told["hash"]["id"] == seed.MAIN_V2
    assert told["version"]["modelId"] == seed.MAIN and told["version"]["trainedWords"] == [
        "paper boat",
        "folded",
    ]
    assert told["version"]["files"] and told["version"]["images"]
    assert told["version"]["downloadUrl"] == f"https://civitai.com/api/download/models/{seed.MAIN_V2}"
    assert len(told["pictures"]) == 2
    for picture in told["pictures"]:
        assert picture["nsfw"] is False and picture["nsfwLevel"] == "None"
        assert picture["username"] == "paper_maker" and picture["prompt"].startswith("a paper boat")
    for name in ("tags", "creators"):
        numbers = ("totalItems", "currentPage", "pageSize", "totalPages")
        assert all(type(told[name][number]) is int for number in numbers), told[name]
    assert told["labels"][0]["name"] == "shelf" and told["labels"][0]["modelCount"] == seed.SHELF
    assert type(told["people"][0]["username"]) is str
    sent = [request.params for request in seen.to("/api/v1/models")]
    assert any(p.get("nsfw") == "False" and p.get("primaryFileOnly") == "True" for p in sent)
    assert all(request.status == 200 for request in seen.requests)


# civitai-downloader 1.3.5: a browser's name, the file name out of the Location.


def _download(world: World, client: PythonClient, home: Path, url: str, token: str) -> str:
    # The package's command only opens a window in a browser; this is its command-line half.
    command = [client.program("python"), "-m", "civitai_downloader.downloader"]
    return world.run(*command, "--url", url, "--output_path", home, "--token", token, home=home).stdout


def test_civitai_downloader_saves_under_the_name_in_the_location(
    world: World, install: Install, tmp_path: Path
) -> None:
    client = install(CIVITAI_DOWNLOADER)
    url = f"https://civitai.com/api/download/models/{seed.MAIN_V2}"
    with world.watching() as seen:
        said = _download(world, client, tmp_path, url, world.key())
    assert "Download completed" in said, said
    assert sha256(tmp_path / MAIN_FILE) == world.file(MAIN_FILE)["sha256"]
    (first,) = seen.to("/api/download/")
    assert (
        first.status == 307
        and "Chrome/" in first.agent
        and first.headers["authorization"].startswith("Bearer ")
    )
    assert_storage_got_no_credentials(seen)


def test_civitai_downloader_gets_a_plain_name_of_a_file_with_an_odd_one(
    world: World, install: Install, tmp_path: Path
) -> None:
    client = install(CIVITAI_DOWNLOADER)
    url = f"https://civitai.com/api/download/models/{seed.MAIN_V2}?type=VAE"
    said = _download(world, client, tmp_path, url, world.key())
    assert "Download completed" in said, said
    kept = only(tmp_path, "*.safetensors")
    assert kept.name.isascii() and "=" not in kept.name
    assert sha256(kept) == world.file(seed.UNICODE_NAME)["sha256"]


def test_civitai_downloader_hears_of_refusals(world: World, install: Install, tmp_path: Path) -> None:
    client = install(CIVITAI_DOWNLOADER)
    base = "https://civitai.com/api/download/models"
    assert "File not found" in _download(world, client, tmp_path, f"{base}/999999999", world.key())
    with world.watching() as seen:
        said = _download(world, client, tmp_path, f"{base}/{seed.MEMBERS_VERSION}", "not-a-key")
    assert "ERROR" in said
    assert [request.status for request in seen.requests] == [401]
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob("*login*"))


# civitdl 2.2.0: metadata, pictures, weights, hashes.


# Nought would mean its defaults: three times, three seconds apart.
ONCE = ("--retry-count", "1", "--pause-time", "0.01")


def _civitdl(world: World, client: PythonClient, home: Path, source: str, *more: str) -> str:
    options = [
        "-k",
        world.key(),
        "--strict-mode",
        "1",
        "--cache-mode",
        "0",
        "--verbose",
        *ONCE,
        *more,
    ]
    return world.run(client.program("civitdl"), source, home / "kept", *options, home=home).stdout


def test_civitdl_downloads_a_version_with_pictures_and_hashes(
    world: World, install: Install, tmp_path: Path
) -> None:
    client = install(CIVITDL)
    with world.watching() as seen:
        said = _civitdl(world, client, tmp_path, PAGE, "--with-prompt")
    assert "Download completed" in said, said
    root = tmp_path / "kept"
    weights = only(root, "*.safetensors")
    assert sha256(weights) == world.file(MAIN_FILE)["sha256"]
    assert weights.name == f"paper-boats_v2-mid_{seed.MAIN}-vid_{seed.MAIN_V2}.safetensors"
    hashes = only(root, "*.csv").read_text()
    assert f"SHA256, {world.file(MAIN_FILE)['sha256'].upper()}" in hashes
    assert all(f"{kind}, " in hashes for kind in ("AutoV2", "AutoV3", "BLAKE3", "CRC32"))
    described = json.loads(only(root, f"model_dict-mid_{seed.MAIN}-vid_{seed.MAIN_V2}.json").read_text())
    assert described["id"] == seed.MAIN and described["name"] == "Paper Boats"
    # Two pictures for everybody; they were uploaded under one name and must not fall over each other here.
    pictures = list(root.rglob("*.jpeg"))
    assert len(pictures) == 2, pictures
    assert all(path.read_bytes().startswith(b"\xff\xd8\xff") for path in pictures)
    assert len(seen.to("/img/")) == 2 and all("authorization" not in r.headers for r in seen.to("/img/"))
    assert all("authorization" not in request.headers for request in seen.to("/api/v1/"))
    (download,) = seen.to("/api/download/")
    assert download.headers["authorization"].startswith("Bearer ")
    assert_storage_got_no_credentials(seen)


def test_civitdl_takes_the_newest_version_of_a_model_number(
    world: World, install: Install, tmp_path: Path
) -> None:
    said = _civitdl(world, install(CIVITDL), tmp_path, str(seed.MAIN))
    assert "Download completed" in said, said
    assert only(tmp_path / "kept", "*.safetensors").name.endswith(f"-vid_{seed.MAIN_V2}.safetensors")


def test_civitdl_tells_a_deadline_and_a_missing_key(world: World, install: Install, tmp_path: Path) -> None:
    client = install(CIVITDL)
    said = _civitdl(world, client, tmp_path, str(seed.EARLY))
    assert "early access" in said.lower() and "Deadline: 2" in said, said
    command = [
        client.program("civitdl"),
        str(seed.MEMBERS),
        tmp_path / "kept",
        "-k",
        "not-a-key",
        *ONCE,
    ]
    said = world.run(*command, home=tmp_path).stdout
    assert "requires a valid API Key" in said, said
    assert not list(tmp_path.rglob("*.safetensors"))


# comfy-cli 1.23.0: its model download.


def _comfy(world: World, client: PythonClient, home: Path, url: str, *more: str) -> tuple[int, str]:
    workspace = home / "ComfyUI"
    workspace.mkdir(exist_ok=True)
    done = world.run(
        client.program("comfy"), "--skip-prompt", f"--workspace={workspace}", "model", "download", "--url", url,
        "--set-civitai-api-token", world.key(), *more,
        home=home, DO_NOT_TRACK="1",
    )  # fmt: skip
    return done.returncode, done.stdout


def test_comfy_cli_downloads_from_the_page_of_a_model(world: World, install: Install, tmp_path: Path) -> None:
    client = install(COMFY_CLI)
    with world.watching() as seen:
        code, said = _comfy(
            world, client, tmp_path, PAGE, "--relative-path", "models/x", "--filename", "f.safetensors"
        )
    assert code == 0, said
    assert sha256(tmp_path / "ComfyUI/models/x/f.safetensors") == world.file(MAIN_FILE)["sha256"]
    (model,) = seen.to(f"/api/v1/models/{seed.MAIN}")
    assert model.headers["authorization"].startswith("Bearer ")
    (download,) = seen.to("/api/download/")
    assert download.headers["content-type"] == "application/json" and download.status == 307
    assert_storage_got_no_credentials(seen)


def test_comfy_cli_sorts_a_lora_into_its_folder_from_an_api_address(
    world: World, install: Install, tmp_path: Path
) -> None:
    client = install(COMFY_CLI)
    url = f"https://civitai.com/api/v1/model-versions/{seed.MAIN_V2}"
    code, said = _comfy(world, client, tmp_path, url, "--filename", MAIN_FILE)
    assert code == 0, said
    kept = tmp_path / "ComfyUI/models/loras/SD1.5" / MAIN_FILE
    assert sha256(kept) == world.file(MAIN_FILE)["sha256"]


def test_comfy_cli_fails_plainly_where_it_may_not(world: World, install: Install, tmp_path: Path) -> None:
    client = install(COMFY_CLI)
    for version in (seed.EARLY_VERSION, seed.ARCHIVED_VERSION, 999_999_999):
        url = f"https://civitai.com/api/download/models/{version}"
        code, said = _comfy(
            world, client, tmp_path, url, "--relative-path", "m", "--filename", "no.safetensors"
        )
        assert code != 0, said
        assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.safetensors"))


Program = Callable[[str], str]
BIG_URL = f"https://civitai.com/api/download/models/{seed.BIG_VERSION}"
BIG_FILE = "paper-harbour.safetensors"


# Programs of the system that guides tell people to download with.


def test_curl_saves_under_the_name_it_is_told_and_resumes(
    world: World, program: Program, tmp_path: Path
) -> None:
    curl = program("curl")
    done = world.run(curl, "-fsSLOJ", f"{BIG_URL}?token={world.key()}", home=tmp_path)
    assert done.returncode == 0, done.stdout
    kept = tmp_path / BIG_FILE
    assert sha256(kept) == world.file(BIG_FILE)["sha256"]
    half = kept.read_bytes()[:5_000_001]
    kept.write_bytes(half)
    with world.watching() as seen:
        done = world.run(curl, "-fsSL", "-C", "-", "-o", kept, BIG_URL, home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert sha256(kept) == world.file(BIG_FILE)["sha256"]
    (part,) = seen.to("/storage/")
    assert part.status == 206 and part.headers["range"] == "bytes=5000001-"


def test_wget_saves_under_the_name_it_is_told(world: World, program: Program, tmp_path: Path) -> None:
    url = f"https://civitai.com/api/download/models/{seed.MAIN_V2}?type=Model&format=SafeTensor"
    trust = f"--ca-certificate={world.bundle}"
    done = world.run(program("wget"), "-q", trust, "--content-disposition", url, home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert sha256(tmp_path / MAIN_FILE) == world.file(MAIN_FILE)["sha256"]


def test_aria2_takes_a_file_in_parallel_pieces(world: World, program: Program, tmp_path: Path) -> None:
    with world.watching() as seen:
        done = world.run(
            program("aria2c"), f"--ca-certificate={world.bundle}", "-x8", "-s8", "-k1M", "--console-log-level=warn",
            # Slow enough that the file is not over before it is parted.
            "--max-overall-download-limit=8M",
            f"--header=Authorization: Bearer {world.key()}", "-d", tmp_path, BIG_URL,
            home=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert sha256(tmp_path / BIG_FILE) == world.file(BIG_FILE)["sha256"]
    pieces = [request for request in seen.to("/storage/") if request.status == 206]
    assert len(pieces) >= 4
    # It takes its header along to the other host: a stray key must not break the storage (WIRE rule 4).
    assert any("authorization" in request.headers for request in pieces)
