"""Nothing mature reaches those who did not ask for it, by any GET of the document and any page (FEATURES N1-N3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from tests.faces.rest.every_operation import Operation, Owned, operations
from tests.factories.http import HTML, Client
from tests.flows import story
from tests.flows.story import API, ok

from civitas.domains.accounts.types import ALL_MASK, BLOCKED, PG, PG13, Role, X
from civitas.domains.catalog.tables import FileHash, VersionPreview
from civitas.domains.gallery.tables import Image

READS = [op for op in operations() if op.method == "GET" or not op.writes]
WIDE = (
    "",
    "nsfw=true",
    "nsfw=X",
    "browsingLevel=31",
    "browsingLevel=63",
    "nsfw=true&sort=Newest&period=AllTime",
)


@dataclass
class Shelf:
    """A safe model with a mature picture among its own, and a mature one."""

    maker: int
    safe: int
    safe_version: int
    mature: int
    mature_version: int
    mature_keys: set[str]
    blocked_key: str
    sha256: str


@pytest.fixture
async def shelf(client: Client) -> Shelf:
    maker = await story.new_program(client, mature=True, username="shelf_maker")
    safe, safe_version = await story.published(client, name="Meadow Lamp", tags=["meadow"])
    await story.picture(client, safe_version, nsfwLevel=X)
    barred = await story.picture(client, safe_version)
    mature, mature_version = await story.published(
        client, level=X, name="Velvet Lamp", nsfw=True, tags=["velvetish"]
    )
    await story.new_program(client, mature=True, role=Role.MODERATOR.value)
    ok(await client.patch(f"{API}/images/{barred['id']}", json={"nsfwLevel": BLOCKED}))
    await client.run_tasks()
    await story.a_minute_later(client)
    async with client.house.database.reading() as session:
        keys = await session.scalars(select(Image.key).where(Image.nsfw_level == X))
        blocked = await session.scalar(select(Image.key).where(Image.nsfw_level == BLOCKED))
        digest = await session.scalar(
            select(FileHash.value).where(FileHash.version_id == mature_version, FileHash.kind == "SHA256")
        )
        shown = await session.scalars(select(VersionPreview.nsfw_level))
        assert sorted(shown.all()) == [PG, X, X]
        assert blocked and digest
        client.sign_out()
        return Shelf(maker, safe, safe_version, mature, mature_version, set(keys.all()), blocked, digest)


async def tame(client: Client, shelf: Shelf) -> dict[str, int | None]:
    """Everybody who did not ask for mature things."""
    return {
        "stranger": None,
        "member": await story.person(client),
        "asked but not grown up": await story.person(client, show_mature=True, browsing_level=ALL_MASK),
        "levels without asking": await story.person(client, browsing_level=ALL_MASK),
    }


def urls(operation: Operation, shelf: Shelf) -> list[str]:
    """The operation on the mature things, with every way to ask for more."""
    others = {field.name: 1 for field in fields(Owned)}
    owned = Owned(**others | {
        "person": shelf.maker, "model": shelf.mature, "version": shelf.mature_version,
        "second": shelf.safe_version, "sha256": shelf.sha256,
    })  # type: ignore[arg-type]  # fmt: skip
    path = operation.path
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            value = (
                "shelf_maker"
                if parameter["name"] == "username"
                else owned.path_value(operation, parameter["name"])
            )
            path = path.replace(f"{{{parameter['name']}}}", value)
    named = {"query": "lamp", "left": str(shelf.mature_version), "right": str(shelf.safe_version)}
    named |= {"entityType": "Model", "entityIds": str(shelf.mature)}
    fixed = "&".join(
        f"{p['name']}={named[p['name']]}" for p in operation.parameters
        if p["in"] == "query" and p["name"] in named and (p.get("required") or p["name"] in {"query", "entityIds"})
    )  # fmt: skip
    return [f"{path}?{fixed}&{wide}" for wide in WIDE] + [
        f"{path}?{fixed and fixed.replace('query=lamp', '')}"
    ]


def pictures_in(text: str) -> set[str]:
    return set(re.findall(r"/img/([0-9a-f-]{36})/", text))


async def asked(client: Client, operation: Operation, url: str, shelf: Shelf) -> httpx.Response:
    if operation.method == "POST":
        return await client.post(url, json=[shelf.sha256])
    return await client.get(url)


async def test_no_read_shows_a_mature_picture_or_lists_a_mature_model(client: Client, shelf: Shelf) -> None:
    for who, person in (await tame(client, shelf)).items():
        await story.become(client, person)
        for operation in READS:
            for url in urls(operation, shelf):
                answer = await asked(client, operation, url, shelf)
                assert answer.status_code < 500, (url, answer.text)
                keys = pictures_in(answer.text)
                assert not keys & (shelf.mature_keys | {shelf.blocked_key}), (who, url)
                if "{" not in operation.path and operation.method == "GET":
                    told = answer.text.replace(url, "")
                    named = "Velvet Lamp" in told or "velvetish" in told
                    assert not named or operation.name == "compareVersions", (who, url, told[:500])


async def test_pages_show_no_mature_picture_and_lists_no_mature_name(client: Client, shelf: Shelf) -> None:
    pages = ("/", "/models", "/models?nsfw=true", "/search?query=lamp", "/tag/velvetish", "/user/shelf_maker",
             f"/models/{shelf.safe}", f"/models/{shelf.mature}", "/search/suggest?query=lamp",
             "/creators", "/tags", f"/models/{shelf.mature}?modelVersionId={shelf.mature_version}",
             f"/models/{shelf.mature}/compare?left={shelf.mature_version}&right={shelf.safe_version}")  # fmt: skip
    for who, person in (await tame(client, shelf)).items():
        await story.become(client, person, by_key=False)
        for page in pages:
            answer = await client.get(page, headers=HTML)
            assert answer.status_code in {200, 302, 303, 307, 308, 404}, (page, answer.status_code)
            assert not pictures_in(answer.text) & (shelf.mature_keys | {shelf.blocked_key}), (who, page)
            if f"/models/{shelf.mature}" not in page and answer.status_code == 200:
                assert "Velvet Lamp" not in answer.text, (who, page)


async def test_counts_tell_nothing_of_what_is_not_listed(client: Client, shelf: Shelf) -> None:
    listed = ok(await client.get(f"{API}/models?query=lamp&nsfw=true"))
    assert [model["id"] for model in listed["items"]] == [shelf.safe]
    assert listed["metadata"]["totalItems"] in {None, 1}
    assert ok(await client.get(f"{API}/tags?query=velvetish"))["items"] == []
    pictures = ok(await client.get(f"{API}/images?nsfw=X&browsingLevel=31"))["items"]
    assert len(pictures) == 1 and pictures[0]["browsingLevel"] & ~(PG | PG13) == 0


async def test_who_asked_and_is_grown_up_sees_it_and_nobody_sees_what_is_blocked(
    client: Client, shelf: Shelf
) -> None:
    await story.new_program(client, mature=True)
    listed = ok(await client.get(f"{API}/models?nsfw=true"))
    assert {model["id"] for model in listed["items"]} == {shelf.safe, shelf.mature}
    found = ok(await client.get(f"{API}/models/{shelf.mature}?nsfw=true"))
    assert pictures_in(str(found)) <= shelf.mature_keys and pictures_in(str(found))
    pictures: list[Any] = ok(await client.get(f"{API}/images?browsingLevel=63"))["items"]
    assert {picture["browsingLevel"] for picture in pictures} == {PG, X}
    for who in (None, shelf.maker, await story.person(client, mature=True)):
        await story.become(client, who)
        for operation in READS:
            for url in urls(operation, shelf):
                if operation.name != "listVersionImages":
                    text = (await asked(client, operation, url, shelf)).text
                    assert shelf.blocked_key not in text, url
        assert (await client.get(f"/img/{shelf.blocked_key}/width=450/a.jpeg")).status_code == 404
        assert (await client.get(f"/img/{shelf.blocked_key}/original=true/a.png")).status_code == 404
