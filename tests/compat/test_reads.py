"""The Site API as clients that are not installed here read it (WIRE section 1, rules 10 to 17)."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from tests.compat import seeding as seed
from tests.compat.server import BUSY_HOST, BUSY_READS
from tests.compat.test_downloads import BROWSERS, bearer
from tests.compat.world import World

MAIN_FILE = "paper-boats_v2.safetensors"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def read(site: httpx.Client, path: str, **params: Any) -> Any:
    answer = site.get(path, params=params or None)
    assert answer.status_code == 200, (path, params, answer.text)
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json()


def ids(found: dict[str, Any]) -> list[int]:
    return [item["id"] for item in found["items"]]


SHELF = list(range(4400, 4400 + seed.SHELF))


# Lists and their pages.


@pytest.mark.parametrize("sort", ["Newest", "Oldest", "Most Downloaded", "Highest Rated"])
def test_stability_matrix_walks_a_list_by_its_cursors(site: httpx.Client, sort: str) -> None:
    params = {"limit": 2, "tag": "shelf", "sort": sort, "period": "AllTime", "nsfw": "false", "cursor": ""}
    seen: list[int] = []
    for _ in range(10):
        page = read(site, "/api/v1/models", **params)
        seen += ids(page)
        cursor = page["metadata"]["nextCursor"]
        if cursor is None:
            break
        assert type(cursor) is str
        params["cursor"] = cursor
    assert sorted(seen) == SHELF


def test_following_next_page_keeps_every_filter(site: httpx.Client) -> None:
    address: str | None = (
        "/api/v1/models?limit=2&types=TextualInversion&types=LORA&baseModels=SD 1.5&baseModels=SDXL 1.0"
        "&tag=shelf&nsfw=False&primaryFileOnly=True&token="
    )
    seen: list[int] = []
    while address:
        page = read(site, address)
        seen += ids(page)
        address = page["metadata"]["nextPage"]
        if address:
            assert address.startswith("https://civitai.com/api/v1/models?")
            pairs = parse_qsl(urlsplit(address).query, keep_blank_values=True)
            assert [value for name, value in pairs if name == "types"] == ["TextualInversion", "LORA"]
            assert [value for name, value in pairs if name == "baseModels"] == ["SD 1.5", "SDXL 1.0"]
            assert ("tag", "shelf") in pairs and ("primaryFileOnly", "True") in pairs
    assert sorted(seen) == SHELF


def test_a_key_in_the_query_is_not_handed_on(world: World, site: httpx.Client) -> None:
    page = read(site, "/api/v1/models", limit=1, token=world.key())
    assert page["metadata"]["nextPage"] and world.key() not in json.dumps(page)


@pytest.mark.parametrize("yes", ["True", "true", "TRUE", "1"])
@pytest.mark.parametrize("no", ["False", "false", "0"])
def test_booleans_in_every_spelling(site: httpx.Client, yes: str, no: str) -> None:
    found = read(
        site, "/api/v1/models", tag="shelf", primaryFileOnly=yes, allowNoCredit=yes, nsfw=no, limit=100
    )
    assert sorted(ids(found)) == SHELF


@pytest.mark.parametrize(
    "query",
    [
        "types=LORA&types=Checkpoint", "types=LORA,Checkpoint", "types[]=LORA&types[]=Checkpoint",
        "types%5B%5D=LORA,Checkpoint", "ids=4384,4385", "ids=4384&ids=4385", "tag=paper&types=LORA,Checkpoint",
        "query=paper&types=LORA&types=Checkpoint", "query=paper&ids=4384,4385&baseModels=SD%201.5",
        "baseModels=SD%201.5&types=LORA,Checkpoint&username=paper_maker",
    ],
)  # fmt: skip
def test_lists_in_every_spelling(site: httpx.Client, query: str) -> None:
    assert sorted(ids(read(site, f"/api/v1/models?{query}"))) == [seed.MAIN, seed.BIG]


def test_page_numbers_work_and_end_where_cursors_begin(site: httpx.Client) -> None:
    pages = [read(site, "/api/v1/models", tag="shelf", limit=2, page=page) for page in (1, 2, 3)]
    assert sorted(number for page in pages for number in ids(page)) == SHELF
    assert [page["metadata"]["currentPage"] for page in pages] == [1, 2, 3]
    deep = site.get("/api/v1/models", params={"limit": 100, "page": 11})
    assert deep.status_code == 429
    assert "cursors" in deep.json()["error"] and int(deep.headers["retry-after"]) > 0
    both = site.get("/api/v1/models", params={"query": "paper", "page": 2})
    assert both.status_code == 400


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/images", "/api/v1/tags", "/api/v1/creators"])
def test_typed_clients_find_whole_numbers_in_every_lists_metadata(site: httpx.Client, path: str) -> None:
    """Stability Matrix reads them into plain integers, for which a null is an error."""
    for params in ({"limit": 1}, {"limit": 100}, {"limit": 1, "page": 2}):
        found = read(site, path, **params)
        metadata, shown = found["metadata"], len(found["items"])
        numbers = ("totalItems", "currentPage", "pageSize", "totalPages")
        assert all(type(metadata[name]) is int for name in numbers), metadata
        more = metadata["nextPage"] is not None
        assert metadata["totalItems"] >= shown + more
        assert metadata["totalPages"] >= metadata["currentPage"] + more


@pytest.mark.parametrize("path", ["/api/v1/tags", "/api/v1/creators"])
def test_old_lists_have_all_their_numbers(site: httpx.Client, path: str) -> None:
    first = read(site, path, limit=1)
    metadata = first["metadata"]
    assert all(
        type(metadata[name]) is int for name in ("totalItems", "currentPage", "pageSize", "totalPages")
    )
    assert metadata["nextPage"].startswith(f"https://civitai.com{path}?") and metadata["prevPage"] is None
    second = read(site, metadata["nextPage"])
    assert second["items"] != first["items"] and second["metadata"]["prevPage"]
    name = "username" if path.endswith("creators") else "name"
    for item in (*first["items"], *second["items"]):
        assert type(item[name]) is str and type(item["modelCount"]) is int
        assert item["link"].startswith("https://civitai.com/api/v1/models?")
        assert read(site, item["link"])["items"]


# Documents.


def test_names_that_look_like_numbers_stay_texts(site: httpx.Client) -> None:
    model = read(site, f"/api/v1/models/{SHELF[0]}")
    assert model["creator"]["username"] == "20070123"
    assert sorted(ids(read(site, "/api/v1/models", username="20070123"))) == SHELF
    assert "20070123" in [item["username"] for item in read(site, "/api/v1/creators", query="2007")["items"]]


def test_moments_and_types_are_those_that_typed_clients_expect(site: httpx.Client) -> None:
    model = read(site, f"/api/v1/models/{seed.MAIN}")
    assert type(model["nsfw"]) is bool and type(model["nsfwLevel"]) is int
    for version in model["modelVersions"]:
        assert MOMENT.fullmatch(version["createdAt"]) and MOMENT.fullmatch(version["publishedAt"])
        assert type(version["stats"]["downloadCount"]) is int and version["downloadUrl"]
        for file in version["files"]:
            assert type(file["sizeKB"]) is float and file["sizeKB"] > 0
            assert set(file["metadata"]) >= {"format", "size", "fp"}
            assert file["hashes"] and all(value == value.upper() for value in file["hashes"].values())
            assert MOMENT.fullmatch(file["scannedAt"])
        assert sum(file["primary"] for file in version["files"]) == 1
        primary = next(file for file in version["files"] if file["primary"])
        assert primary["downloadUrl"] == version["downloadUrl"]
        for image in version["images"]:
            assert type(image["nsfwLevel"]) is int and "/width=" in image["url"]
    alone = read(site, f"/api/v1/model-versions/{seed.MAIN_V2}")
    inside = model["modelVersions"][0]
    assert {key: alone[key] for key in inside} == inside
    assert alone["model"]["name"] == "Paper Boats" and alone["model"]["type"] == "LORA"


def test_archived_and_deleted_models_still_tell_what_they_were(site: httpx.Client) -> None:
    archived = read(site, f"/api/v1/models/{seed.ARCHIVED}")
    assert archived["mode"] == "Archived" and archived["modelVersions"][0]["files"] == []
    deleted = site.get(f"/api/v1/models/{seed.DELETED}")
    assert deleted.status_code == 200 and deleted.json()["status"] == "Deleted"
    listed = ids(read(site, "/api/v1/models", limit=100))
    assert seed.DELETED not in listed


def test_the_old_picture_list_has_its_own_types(site: httpx.Client) -> None:
    found = read(
        site, "/api/v1/images", modelId=seed.MAIN, limit=100, nsfw="None", sort="Newest", period="AllTime"
    )
    assert found["items"]
    for image in found["items"]:
        assert type(image["nsfw"]) is bool and image["nsfwLevel"] in ("None", "Soft", "Mature", "X")
        assert type(image["browsingLevel"]) is int and type(image["postId"]) is int
        assert all(type(value) is int for value in image["stats"].values())
        assert MOMENT.fullmatch(image["createdAt"])


def test_lora_manager_asks_for_many_models_and_for_one_picture(world: World, site: httpx.Client) -> None:
    with world.browser("civitai.red", headers=bearer(world) | {"Content-Type": "application/json"}) as red:
        many = read(red, "/api/v1/models", ids=f"{seed.MAIN},{SHELF[0]},999999999", nsfw="true")
        assert sorted(ids(many)) == [seed.MAIN, SHELF[0]]
        assert all(type(model["allowCommercialUse"]) is list for model in many["items"])
        image = read(red, f"/api/v1/model-versions/{seed.MAIN_V2}")["images"][0]
        (found,) = read(red, "/api/v1/images", imageId=image["id"], nsfw="X", withMeta="true")["items"]
        assert found["id"] == image["id"] and found["meta"]["prompt"].startswith("a paper boat")
        assert found["url"].startswith("https://civitai.red/") and red.get(found["url"]).status_code == 200


# Hashes.


def test_a_file_is_found_by_every_hash_in_any_case(world: World, site: httpx.Client) -> None:
    primary = read(site, f"/api/v1/model-versions/{seed.MAIN_V2}")["files"][0]
    assert set(primary["hashes"]) >= {"AutoV2", "AutoV3", "SHA256", "BLAKE3", "CRC32"}
    for value in primary["hashes"].values():
        for spelled in (value, value.lower(), value.capitalize()):
            assert read(site, f"/api/v1/model-versions/by-hash/{spelled}")["id"] == seed.MAIN_V2
    wanted = [primary["hashes"]["SHA256"].lower(), "0" * 64, world.file("shelf_0.safetensors")["sha256"]]
    answer = site.post("/api/v1/model-versions/by-hash", json=wanted)
    assert [version["id"] for version in answer.json()] == [seed.MAIN_V2, 140001]
    found = site.post("/api/v1/model-versions/by-hash/ids", json=wanted)
    assert found.status_code == 200
    assert {(one["hash"], one["modelVersionId"]) for one in found.json()} == {
        (wanted[0].upper(), seed.MAIN_V2),
        (wanted[2].upper(), 140001),
    }


def test_a_hash_that_nobody_has_is_told_in_json(site: httpx.Client) -> None:
    missing = site.get(f"/api/v1/model-versions/by-hash/{'A' * 64}")
    assert missing.status_code == 404 and "not found" in missing.json()["error"].lower()
    wrong = site.get("/api/v1/model-versions/by-hash/xyz")
    assert wrong.status_code == 400 and wrong.json()["error"]


# Levels.


def test_strangers_see_what_is_safe_whatever_they_ask(world: World, site: httpx.Client) -> None:
    for nsfw in ("true", "True", "X", "1"):
        assert seed.MATURE not in ids(read(site, "/api/v1/models", nsfw=nsfw, limit=100))
        pictures = read(site, "/api/v1/images", modelVersionId=seed.MATURE_VERSION, nsfw=nsfw)
        assert pictures["items"] == []
    assert len(read(site, f"/api/v1/model-versions/{seed.MAIN_V2}")["images"]) == 2
    with world.browser(headers=bearer(world, "adult")) as adult:
        assert seed.MATURE in ids(read(adult, "/api/v1/models", nsfw="true", limit=100))
        assert seed.MATURE not in ids(read(adult, "/api/v1/models", nsfw="false", limit=100))
        model = read(adult, f"/api/v1/models/{seed.MATURE}", nsfw="true")
        assert model["nsfw"] is True and model["modelVersions"][0]["images"][0]["nsfwLevel"] == 8
        pictures = read(adult, "/api/v1/images", modelVersionId=seed.MATURE_VERSION, nsfw="X")
        assert pictures["items"][0]["nsfw"] is True and pictures["items"][0]["nsfwLevel"] == "X"


# Errors.


@pytest.mark.parametrize("name", ["types", "sort", "period"])
def test_a_wrong_word_is_answered_with_the_right_ones(site: httpx.Client, name: str) -> None:
    answer = site.get("/api/v1/models", params={name: "Nonsense"})
    assert answer.status_code == 400
    issue = answer.json()["error"]["issues"][0]
    assert issue["code"] == "invalid_enum_value" and issue["path"] == [name] and len(issue["options"]) > 2


def test_the_api_never_answers_with_a_page(site: httpx.Client) -> None:
    browser = {"User-Agent": BROWSERS[0], "Accept": "text/html,application/xhtml+xml"}
    asked = [
        ("GET", "/api/v1/nothing-here"), ("GET", "/api/nothing"), ("GET", "/api"), ("GET", "/api/v1/models/abc"),
        ("GET", "/api/v1/models/999999999"), ("GET", "/api/v1/model-versions/999999999"), ("DELETE", "/api/v1/models"),
        ("PUT", "/api/v1/tags"), ("GET", "/api/v1/models?limit=1000"), ("GET", "/api/v1/models?cursor=made-up"),
        ("GET", f"/api/v1/models?query={'x' * 5000}"), ("GET", "/api/v1/models?tag=%00"), ("GET", "/api/v1/models/%FF"),
        ("GET", "/api/v1/me"), ("GET", "/api/download/models/"), ("GET", "/storage/none"), ("GET", "/img/none/1.jpeg"),
    ]  # fmt: skip
    for method, path in asked:
        answer = site.request(method, path, headers=browser)
        assert answer.headers["content-type"].startswith("application/json"), (
            method,
            path,
            answer.text[:200],
        )
        if answer.status_code >= 400:
            assert answer.json()["error"], (method, path)
            assert answer.status_code < 500, (method, path, answer.text)


def test_too_large_a_body_is_told_in_json(site: httpx.Client) -> None:
    answer = site.post("/api/v1/model-versions/by-hash", content=b"[" + b'"0",' * 6_000_000 + b'"0"]')
    assert answer.status_code == 413 and answer.json()["error"]
    assert answer.headers["content-type"].startswith("application/json")
    many = site.post("/api/v1/model-versions/by-hash", json=["0" * 64] * 101)
    assert many.status_code == 400 and many.json()["error"]


def test_too_many_reads_are_told_when_to_come_back(world: World) -> None:
    with world.browser(BUSY_HOST, headers=bearer(world, "hasty")) as busy:
        answers = [busy.get("/api/v1/tags") for _ in range(BUSY_READS + 2)]
    last = answers[-1]
    assert last.status_code == 429 and int(last.headers["retry-after"]) > 0
    assert last.headers["content-type"].startswith("application/json") and last.json()["error"]


# Counting.


def test_a_person_counts_once_a_day(world: World, site: httpx.Client) -> None:
    path, version = f"/api/v1/model-versions/{SHELF[-1] - 4400 + 140001}", SHELF[-1] - 4400 + 140001
    before = read(site, path)["stats"]["downloadCount"]
    with world.browser(headers=bearer(world, "counter")) as person:
        for _ in range(3):
            assert person.get(f"/api/download/models/{version}").status_code == 307
            assert person.head(f"/api/download/models/{version}").status_code == 200
        history = read(person, "/api/v1/me/downloads")["items"]
    assert [item["modelVersionId"] for item in history] == [version]
    # The background process folds counts every minute.
    deadline = time.monotonic() + 100
    while (now := read(site, path)["stats"]["downloadCount"]) == before and time.monotonic() < deadline:
        time.sleep(1)
    assert now == before + 1
