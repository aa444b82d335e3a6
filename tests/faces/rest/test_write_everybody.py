"""Who may do what with whose things, over every operation of the OpenAPI document (OWASP ASVS 5: object level)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.faces.rest.every_operation import (
    HARMLESS,
    NOT_ONES_OWN,
    OPEN_TO_ALL,
    SECRET,
    STAFF_ONLY,
    UNFIT,
    Operation,
    Owned,
    ask,
    make_owned,
    operations,
)
from tests.factories.http import Client
from tests.flows import story

from civitas.domains.accounts.types import NO_SCOPE, Scope
from civitas.faces.http import csrf

ALL = operations()
WRITES = [operation for operation in ALL if operation.writes]
KEPT = {
    "models": "id = {model}", "model_versions": "model_id = {model}", "model_files": "version_id = {version}",
    "model_tags": "model_id = {model}", "images": "person_id = {person}", "posts": "person_id = {person}",
    "uploads": "person_id = {person}",
    "api_keys": "person_id = {person}", "lineage_links": "child_id = {version}", "downloads": "person_id = {person}",
    "people": "id = {person}", "buzz_purchases": "person_id = {person}", "version_previews": "version_id = {version}",
    "collections": "person_id = {person}", "collection_items": "person_id = {person}",
    "placements": "owner_id = {person}", "placement_spaces": "person_id = {person}",
}  # fmt: skip
REFUSALS = {401, 403, 404}


async def snapshot(client: Client, owned: Owned) -> dict[str, list[str]]:
    """Every row of the owner's, as text, without what a use of a key and a follower change."""
    found = {}
    async with client.house.database.reading() as session:
        tables = set(await session.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'r'")))
        for table, where in KEPT.items():
            if table not in tables:
                continue
            condition = where.format(**vars(owned))
            rows = await session.scalars(
                text(
                    f"SELECT (to_jsonb(t) - 'last_used_at' - 'follower_count')::text FROM {table} t WHERE {condition} ORDER BY 1"
                )
            )
            found[table] = list(rows)
    return found


def refused(operation: Operation, response: Any) -> None:
    """The answer says no, as JSON, and tells nothing of what it protects."""
    assert response.status_code in REFUSALS, f"{operation}: {response.status_code} {response.text}"
    if operation.method != "HEAD":
        assert response.headers["content-type"] == "application/json"
        assert response.json()["error"] and response.json()["code"]
        assert SECRET not in response.text


class Table:
    """Runs one check for many operations, each on a savepoint that is rolled back, and tells all that failed."""

    def __init__(self, client: Client, connection: AsyncConnection, owned: Owned) -> None:
        self.client, self.connection, self.owned = client, connection, owned
        self.failures: list[str] = []

    async def run(self, chosen: Iterable[Operation], check: Callable[[Operation], Awaitable[None]]) -> None:
        """Every operation in turn; the failures together."""
        count = 0
        for operation in chosen:
            count += 1
            savepoint = await self.connection.begin_nested()
            self.client.sign_out()
            try:
                await check(operation)
            except AssertionError as failure:
                self.failures.append(f"{operation.method} {operation.path} ({operation}): {failure}")
            await savepoint.rollback()
        assert count > 0
        assert not self.failures, "\n\n".join(self.failures)


@pytest.fixture(params=["draft", "public"])
async def table(request: pytest.FixtureRequest, client: Client, connection: AsyncConnection) -> Table:
    """Somebody's things, as drafts and in public."""
    return Table(client, connection, await make_owned(client, public=request.param == "public"))


@pytest.fixture
async def public_table(client: Client, connection: AsyncConnection) -> Table:
    """Somebody's things in public."""
    return Table(client, connection, await make_owned(client, public=True))


async def test_its_owner_may(public_table: Table) -> None:
    """The requests of the other tests are good ones: none fails for another reason than who asks."""
    client, owned = public_table.client, public_table.owned

    async def check(operation: Operation) -> None:
        await story.become(client, owned.person, by_key=False)
        response = await ask(client, operation, owned)
        if operation.name in STAFF_ONLY | NOT_ONES_OWN:
            assert response.status_code == 403, response.text
            return
        fine = {400, 404} if operation.name in UNFIT else {200, 201, 202, 204, 307, 409}
        assert response.status_code in fine, response.text

    await public_table.run(ALL, check)


async def test_others_neither_learn_of_things_nor_touch_them(table: Table, request: Any) -> None:
    client, owned = table.client, table.owned
    public = "public" in request.node.callspec.params.values()
    other = await story.person(client)
    before = await snapshot(client, owned)

    async def check(operation: Operation) -> None:
        for who in (None, other):
            await story.become(client, who)
            response = await ask(client, operation, owned)
            assert response.status_code < 500, response.text
            if not public:
                assert SECRET not in response.text
            if (
                operation.of_something
                and operation.name not in HARMLESS
                and (not public or (operation.writes and operation.name not in OPEN_TO_ALL))
            ):
                refused(operation, response)
        assert await snapshot(client, owned) == before

    await table.run(ALL, check)


async def test_a_stranger_writes_nothing(public_table: Table) -> None:
    client, owned = public_table.client, public_table.owned
    await client.page("/")
    visitor, token = dict(client.cookies), client.headers[csrf.HEADER]

    async def check(operation: Operation) -> None:
        response = await ask(client, operation, owned)
        assert response.status_code in {401, 403}, response.text
        # with a form's token of one's own, one is still nobody
        client.cookies.update(visitor)
        response = await ask(client, operation, owned, headers={csrf.HEADER: token})
        assert response.status_code == 401, response.text
        assert response.json()["code"] == "sign_in_needed"
        assert response.headers["www-authenticate"].startswith("Bearer")

    await public_table.run(WRITES, check)


@pytest.mark.parametrize("scopes", [NO_SCOPE, Scope.READ_ONLY], ids=["none", "read-only"])
async def test_a_key_without_the_scope_writes_nothing(public_table: Table, scopes: Scope) -> None:
    client, owned = public_table.client, public_table.owned

    async def check(operation: Operation) -> None:
        await client.use_key(owned.person, scopes=scopes)
        before = await snapshot(client, owned)
        response = await ask(client, operation, owned)
        assert response.status_code == 403, response.text
        assert response.json()["code"] in {"insufficient_scope", "session_needed"}, response.text
        assert await snapshot(client, owned) == before

    await public_table.run(WRITES, check)


async def test_another_site_cannot_write_with_ones_cookie(public_table: Table) -> None:
    client, owned = public_table.client, public_table.owned

    async def check(operation: Operation) -> None:
        token = await client.sign_in(owned.person)
        before = await snapshot(client, owned)
        client.headers.pop(csrf.HEADER)
        for headers in (
            {},
            {csrf.HEADER: "0" * 64},
            {csrf.HEADER: "é".encode()},
            {csrf.HEADER: token, "sec-fetch-site": "cross-site"},
            {csrf.HEADER: token, "origin": "https://evil.example"},
            {csrf.HEADER: token, "origin": "null"},
        ):
            response = await ask(client, operation, owned, headers=headers)
            assert response.status_code == 403, (headers, response.text)
            assert response.json()["code"] == "csrf"
        assert await snapshot(client, owned) == before
        good = {csrf.HEADER: token, "origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}
        answer = await ask(client, operation, owned, headers=good)
        if operation.name in STAFF_ONLY | NOT_ONES_OWN:
            assert answer.status_code == 403 and answer.json()["code"] != "csrf"
            return
        fine = {400, 404} if operation.name in UNFIT else {200, 201, 202, 204, 409}
        assert answer.status_code in fine, answer.text

    await public_table.run(WRITES, check)


WITH_BODY = [op for op in WRITES if op.body is not None]


async def test_fields_that_nobody_named_are_refused(public_table: Table) -> None:
    client, owned = public_table.client, public_table.owned

    async def check(operation: Operation) -> None:
        await client.sign_in(owned.person)
        before = await snapshot(client, owned)
        body = owned.body(operation) or {}
        for extra in ("surprise", "personId", "person_id", "status", "isOfficial", "id", "__proto__"):
            response = await ask(client, operation, owned, json=body | {extra: 1})
            assert response.status_code == 400, (extra, response.text)
            assert response.json()["code"] in {"validation_failed", "bad_preferences"}
            assert any(extra in place for place in response.json()["fields"]), response.json()
        assert await snapshot(client, owned) == before

    await public_table.run(WITH_BODY, check)


HOSTILE = (
    b"", b"{", b"[]", b'"text"', b"1e999", b"NaN", b"null", b"\xff\xfe", b"\x00", b"[" * 100_000, b'{"a":' * 50_000,
    b'{"name": "\\ud800"}', b'{"name": "a", "name": "b", "type": 1e400}', b"1" * 5000,
)  # fmt: skip


async def test_bodies_that_are_no_json_objects_are_told(public_table: Table) -> None:
    client, owned = public_table.client, public_table.owned

    async def check(operation: Operation) -> None:
        await client.use_key(owned.person)
        before = await snapshot(client, owned)
        for content in HOSTILE:
            if content in {b"", b"null"} and not operation.body_needed:
                continue
            headers = {"content-type": "application/json"}
            response = await ask(client, operation, owned, json=None, content=content, headers=headers)
            assert response.status_code in {400, 413}, (content[:20], response.text)
            assert response.json()["error"] and response.json()["code"]
        assert await snapshot(client, owned) == before

    await public_table.run(WITH_BODY, check)


async def test_a_key_without_scopes_reads_no_more_than_a_stranger(
    client: Client, connection: AsyncConnection
) -> None:
    owned = await make_owned(client, public=False)
    table = Table(client, connection, owned)

    async def check(operation: Operation) -> None:
        await client.use_key(owned.person, scopes=NO_SCOPE)
        response = await ask(client, operation, owned)
        assert SECRET not in response.text and "owner_of_all@" not in response.text, response.text[:300]
        client.sign_out()
        if (await ask(client, operation, owned)).status_code == 401:
            assert response.status_code == 403, response.text[:300]

    await table.run([op for op in ALL if not op.writes], check)
