"""The read API as existing clients use it (WIRE rules 10 to 17)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from sqlalchemy import select
from tests.faces.rest.conftest import BASE, Site
from tests.factories.accounts import make_key, make_person
from tests.factories.catalog import make_model, make_published_model

from civitas.domains.accounts.types import ALL_MASK, PG, R
from civitas.domains.catalog import vocabulary
from civitas.domains.catalog.tables import FileHash
from civitas.faces.rest import downloads, fast, images, operations
from civitas.kit import clock


async def get(site: Site, path: str, status: int = 200, **options: Any) -> Any:
    response = await site.client.get(path, **options)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    found = response.json()
    if status >= 400:
        assert "error" in found
    return found


async def test_the_list_has_its_shape_and_next_pages_keep_the_filters(site: Site) -> None:
    made = [(await make_published_model(site.session, name=f"M {i}"))[0] for i in range(5)]
    await site.show(*made)
    seen: list[int] = []
    url = "/api/v1/models?limit=2&types=LORA&types=Checkpoint&nsfw=False&sort=Newest&token="
    pages = 0
    while url:
        found = await get(site, url)
        pages += 1
        seen += [model["id"] for model in found["items"]]
        metadata = found["metadata"]
        assert metadata.keys() >= {
            "nextCursor", "nextPage", "currentPage", "pageSize", "totalItems", "totalPages",
        }  # fmt: skip
        assert metadata["pageSize"] == 2
        url = metadata["nextPage"]
        if url:
            parts = urlsplit(url)
            assert url.startswith(BASE)
            query = parse_qsl(parts.query)
            assert ("types", "LORA") in query and ("types", "Checkpoint") in query
            assert ("nsfw", "False") in query and ("sort", "Newest") in query
    assert pages == 3
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize(
    "query",
    ["types=LORA,Checkpoint", "types[]=LORA", "types=lora", "baseModels=sdxl 1.0", "tag=style&username=NOBODY_X,maker_a",
     "allowCommercialUse=Sell&allowNoCredit=1", "primaryFileOnly=True", "fileFormats=SafeTensor",
     "browsingLevel=1", "nsfw=Soft", "period=Day", "page=1", "rating=0", "query=thing"],
)  # fmt: skip
async def test_parameters_in_every_spelling(site: Site, query: str) -> None:
    person = await make_person(site.session, "maker_a")
    model_id, _ = await make_published_model(site.session, person, name="Thing")
    await site.show(model_id)
    found = await get(site, f"/api/v1/models?{query}")
    assert [model["id"] for model in found["items"]] == [model_id]


@pytest.mark.parametrize(
    "name", ["types", "sort", "period", "checkpointType", "allowCommercialUse", "fileFormats"]
)
async def test_a_wrong_word_is_told_with_the_right_ones(site: Site, name: str) -> None:
    found = await get(site, f"/api/v1/models?{name}=Nonsense", 400)
    issue = found["error"]["issues"][0]
    assert found["error"]["name"] == "ZodError"
    assert issue["code"] == "invalid_enum_value" and issue["path"] == [name]
    assert len(issue["options"]) > 1 and issue["received"] == "Nonsense"
    assert "Nonsense" in found["message"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=-1", 400), ("limit=201", 400), ("limit=abc", 400), ("limit=1e3", 400), ("page=0", 400),
        ("page=11&limit=100", 429), ("query=x&page=1", 400), ("cursor=!!", 400), ("ids=a", 400),
        ("nsfw=perhaps", 400), ("query=" + "a" * 400, 400), ("favorites=true", 401),
        ("ids=" + "9" * 30, 400), ("tag=" + ",".join(map(str, range(200))), 400), ("rating=9", 400),
    ],
)  # fmt: skip
async def test_what_cannot_be_answered_is_told_in_json(site: Site, query: str, status: int) -> None:
    response = await site.client.get(f"/api/v1/models?{query}")
    assert response.status_code == status
    assert response.json()["error"]
    assert response.headers["content-type"] == "application/json"
    if status == 429:
        assert "cursors" in response.json()["error"] and int(response.headers["retry-after"]) > 0


async def test_limit_zero_is_an_empty_page(site: Site) -> None:
    found = await get(site, "/api/v1/models?limit=0")
    assert found["items"] == [] and found["metadata"]["nextCursor"] is None


async def test_strangers_answers_can_be_cached_and_asked_again(site: Site) -> None:
    model_id, _ = await make_published_model(site.session)
    await site.show(model_id)
    first = await site.client.get(f"/api/v1/models/{model_id}")
    assert first.headers["cache-control"] == "public, max-age=300"
    assert "Authorization" in first.headers["vary"]
    tag = first.headers["etag"]
    again = await site.client.get(f"/api/v1/models/{model_id}", headers={"If-None-Match": tag})
    assert again.status_code == 304 and not again.content
    person = await make_person(site.session)
    key = await make_key(site.session, person)
    mine = await site.client.get(f"/api/v1/models/{model_id}?token={key}")
    assert mine.headers["cache-control"].startswith("private")
    assert mine.json() == first.json()


async def test_a_wrong_key_is_told_and_not_ignored(site: Site) -> None:
    found = await get(site, "/api/v1/models", 401, headers={"Authorization": "Bearer nonsense"})
    assert found["code"] == "invalid_token"


@pytest.mark.parametrize(
    "path", ["/api/v1/models/", "/api/v1/model-versions/", "/api/v1/model-versions/mini/"]
)
async def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert "not found" in (await get(site, f"{path}999999", 404))["error"]
    await get(site, f"{path}abc", 400)
    await get(site, f"{path}{'9' * 40}", 400)


async def test_mature_things_need_a_viewer_who_asked_for_them(site: Site) -> None:
    safe, _ = await make_published_model(site.session, level=PG)
    mature, _ = await make_published_model(site.session, level=R, name="Mature")
    await site.show(safe, mature)
    grown = await make_person(
        site.session, show_mature=True, adult_confirmed_at=clock.now(), browsing_level=ALL_MASK
    )
    key = {"Authorization": f"Bearer {await make_key(site.session, grown)}"}

    async def ids(query: str, headers: dict[str, str]) -> set[int]:
        found = await get(site, f"/api/v1/models?{query}", headers=headers)
        return {model["id"] for model in found["items"]}

    for query in ("", "nsfw=true", "browsingLevel=31", "nsfw=X", "query=mature&nsfw=true"):
        assert mature not in await ids(query, {})
    assert await ids("", key) == {safe}
    assert await ids("nsfw=true", key) == {safe, mature}
    found = await get(site, f"/api/v1/models/{mature}?nsfw=true")
    assert found["modelVersions"][0]["images"] == []
    found = await get(site, f"/api/v1/models/{mature}?nsfw=true", headers=key)
    assert len(found["modelVersions"][0]["images"]) == 1


async def test_owners_get_their_drafts_and_others_do_not(site: Site) -> None:
    person = await make_person(site.session)
    draft = await make_model(site.session, person)
    key = {"Authorization": f"Bearer {await make_key(site.session, person)}"}
    assert (await get(site, f"/api/v1/models/{draft}", headers=key))["status"] == "Draft"
    await get(site, f"/api/v1/models/{draft}", 404)
    other = {"Authorization": f"Bearer {await make_key(site.session, await make_person(site.session))}"}
    await get(site, f"/api/v1/models/{draft}", 404, headers=other)


async def test_looking_up_hashes(site: Site) -> None:
    made = [await make_published_model(site.session) for _ in range(3)]
    await site.show(*(model_id for model_id, _ in made))
    rows = (await site.session.execute(select(FileHash.kind, FileHash.value, FileHash.version_id))).all()
    for row in rows:
        for value in (row.value, row.value.lower()):
            found = await get(site, f"/api/v1/model-versions/by-hash/{value}")
            assert found["id"] == row.version_id and found["model"]["name"]
    for wrong in ("abc", "z" * 64, "1" * 63):
        found = await get(site, f"/api/v1/model-versions/by-hash/{wrong}", 400)
        assert found["code"] == "bad_hash"
    assert "not found" in (await get(site, f"/api/v1/model-versions/by-hash/{'0' * 64}", 404))["error"]
    full = [row.value for row in rows if row.kind == "SHA256"]
    asked = [full[2].lower(), "0" * 64, full[0], full[2]]
    response = await site.client.post("/api/v1/model-versions/by-hash", json=asked)
    assert [v["id"] for v in response.json()] == [made[2][1][0], made[0][1][0]]
    response = await site.client.post(
        "/api/v1/model-versions/by-hash/ids", json=[*full, *full, "nonsense", "0" * 64]
    )
    assert sorted(response.json(), key=lambda one: one["modelVersionId"]) == [
        {"modelVersionId": made[i][1][0], "modelId": made[i][0], "hash": value}
        for i, value in enumerate(full)
    ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("by-hash", ["0" * 64] * 101, 400),
        ("by-hash/ids", ["0" * 64] * 10_001, 400),
        ("by-hash", {"a": 1}, 400),
        ("by-hash", [1], 400),
        ("by-hash", ["short"], 400),
        ("by-hash/ids", ["0" * 3_000_000], 413),
    ],
)
async def test_bad_batches(site: Site, path: str, body: Any, status: int) -> None:
    response = await site.client.post(f"/api/v1/model-versions/{path}", json=body)
    assert response.status_code == status and response.json()["error"]


async def test_broken_json_is_told(site: Site) -> None:
    response = await site.client.post("/api/v1/model-versions/by-hash", content=b"[")
    assert response.status_code == 400 and response.json()["error"]["issues"]


async def test_the_short_form(site: Site) -> None:
    model_id, (version_id,) = await make_published_model(site.session, name="Tiny")
    await site.show(model_id)
    found = await get(site, f"/api/v1/model-versions/mini/{version_id}")
    assert found["modelName"] == "Tiny" and found["modelId"] == model_id
    assert found["air"] == f"urn:air:sdxl:lora:civitai:{model_id}@{version_id}"
    assert found["downloadUrls"] == [f"{BASE}/api/download/models/{version_id}"]
    assert found["hashes"]["SHA256"] and found["format"] == "SafeTensor"


async def test_creators_tags_and_users(site: Site) -> None:
    ann, bob = await make_person(site.session, "Ann_1"), await make_person(site.session, "bob_2")
    made = [(await make_published_model(site.session, ann, tags=("Sky",)))[0] for _ in range(2)]
    made += [(await make_published_model(site.session, bob, tags=("sky & sea",)))[0]]
    await site.show(*made)
    await vocabulary.fold(site.session)
    found = await get(site, "/api/v1/creators?limit=1")
    assert found["items"] == [
        {"username": "Ann_1", "modelCount": 2, "link": f"{BASE}/api/v1/models?username=Ann_1", "image": None}
    ]
    assert found["metadata"] == {
        "totalItems": 2, "currentPage": 1, "pageSize": 1, "totalPages": 2,
        "nextPage": f"{BASE}/api/v1/creators?limit=1&page=2", "prevPage": None,
    }  # fmt: skip
    found = await get(site, "/api/v1/creators?query=BOB")
    assert [c["username"] for c in found["items"]] == ["bob_2"]
    found = await get(site, "/api/v1/tags?query=sk")
    assert [t["name"] for t in found["items"]] == ["sky & sea"]
    again = await get(site, found["items"][0]["link"].removeprefix(BASE))
    assert [m["id"] for m in again["items"]] == made[2:]
    assert (await get(site, f"/api/v1/users?ids={ann},{bob}"))["items"][0]["username"] == "Ann_1"
    assert [u["id"] for u in (await get(site, "/api/v1/users?query=bo"))["items"]] == [bob]
    assert [u["id"] for u in (await get(site, "/api/v1/users?username=ANN_1"))["items"]] == [ann]


async def test_me_and_permissions(site: Site) -> None:
    person = await make_person(site.session, "owner_1")
    model_id, (version_id,) = await make_published_model(site.session, person)
    await site.show(model_id)
    await get(site, "/api/v1/me", 401)
    key = {"Authorization": f"Bearer {await make_key(site.session, person)}"}
    found = await get(site, "/api/v1/me", headers=key)
    assert found["username"] == "owner_1" and found["tier"] == "free" and found["subject"]["type"] == "apiKey"
    path = f"/api/v1/permissions/check?entityType=ModelVersion&entityIds={version_id},77&permission=Download"
    assert await get(site, path) == {str(version_id): True, "77": False}
    path = f"/api/v1/permissions/check?entityType=Model&entityId={model_id}"
    assert (await get(site, path))["canEdit"] is False
    assert (await get(site, path, headers=key))["canEdit"] is True


async def test_enums(site: Site) -> None:
    found = await get(site, "/api/v1/enums")
    assert "LORA" in found["ModelType"] and "SDXL 1.0" in found["BaseModel"]
    assert "Highest Rated" in found["ModelSort"] and "Relevance" not in found["ModelSort"]


async def test_suggestions(site: Site) -> None:
    model_id, _ = await make_published_model(site.session, name="Crystal Cave")
    await site.show(model_id)
    found = await get(site, "/api/v1/suggest?query=cry")
    assert found["items"][0]["name"] == "Crystal Cave"


def test_the_document_describes_every_plain_route() -> None:
    described = {
        (method.upper(), path.replace("versionId", "version_id"))
        for path, found in operations.PATHS.items()
        for method in found
    }
    served = {
        (method, route.path)
        for route in [*fast.routes, *images.routes, *downloads.routes]
        for method in route.methods or ()
        if not (method == "HEAD" and route.path.startswith("/api/v1"))
    }
    assert described == served
    assert json.dumps(operations.merge({}))


async def test_both_lanes_answer_alike(site: Site) -> None:
    model_id, (version_id,) = await make_published_model(site.session, name="Two Ways")
    await site.show(model_id)
    value = await site.session.scalar(select(FileHash.value).where(FileHash.kind == "AutoV2"))
    for method, path in (
        ("GET", "/api/v1/models?limit=1"), ("GET", "/api/v1/models?sort=Wrong"), ("GET", "/api/v1/models?page=99"),
        ("GET", f"/api/v1/models/{model_id}"), ("GET", "/api/v1/models/0"), ("GET", "/api/v1/models/x"),
        ("GET", f"/api/v1/model-versions/{version_id}"), ("GET", f"/api/v1/model-versions/mini/{version_id}"),
        ("GET", f"/api/v1/model-versions/by-hash/{value}"), ("GET", "/api/v1/model-versions/by-hash/123456789"),
        ("GET", "/api/v1/model-versions/by-hash/xyz"), ("HEAD", f"/api/v1/models/{model_id}"),
        ("PUT", f"/api/v1/models/{model_id}"), ("GET", "/api/v1/suggest?query=tw"), ("GET", "/api/v1/nothing"),
        ("HEAD", f"/api/download/models/{version_id}"), ("GET", "/api/download/models/0"),
        ("GET", "/api/v1/model-files/0/tensor-metadata"), ("GET", "/api/v1/models?token=wrong"),
        ("POST", "/api/v1/model-versions/by-hash/ids"), ("GET", "/api/v1/model-versions/by-hash/ids"),
    ):  # fmt: skip
        fast_one, slow_one = await site.client.request(method, path), await site.slow.request(method, path)
        assert fast_one.status_code == slow_one.status_code, path
        assert fast_one.content == slow_one.content, path
        assert fast_one.headers == slow_one.headers, path


class BrokenReads:
    """A read pool whose statements fail in a given way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def fetch(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        raise self.error

    async def fetch_planned(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        raise self.error

    async def fetch_bytes(self, query: str, params: Any = None) -> list[list[bytes | None]]:
        raise self.error

    async def fetch_planned_bytes(self, query: str, params: Any = None) -> list[list[bytes | None]]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (psycopg.errors.QueryCanceled(), 503),
        (psycopg.OperationalError(), 503),
        (ValueError("secret words"), 500),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/models/1", "/api/download/models/1"])
async def test_a_failing_database_is_told_in_json(
    site: Site, path: str, error: Exception, status: int
) -> None:
    site.state.reads = BrokenReads(error)
    response = await site.client.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"] and "secret words" not in response.text
