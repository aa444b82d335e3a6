"""HEAD: every page answers it as it answers GET, without the body."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.factories.http import HTML, Client
from tests.flows import story

from civitas.app.faces import PAGES
from civitas.domains.accounts.types import Role
from civitas.faces.http import health

GET_PAGES = sorted(
    {
        route.path
        for router in (*PAGES, health.router)
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods
    }
)
# What differs between any two requests.
_OWN = {"x-request-id", "set-cookie"}


def filled(path: str, model_id: int, version_id: int) -> str:
    values = {"model_id": model_id, "number": version_id, "version_id": version_id, "username": "headed"}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: str(values.get(found[1], 1)), path)


def facts(answer: httpx.Response) -> dict[str, str]:
    told = {name: value for name, value in answer.headers.items() if name not in _OWN}
    return told | {"status": str(answer.status_code)}


def test_there_are_many_pages() -> None:
    assert len(GET_PAGES) > 60


@pytest.mark.parametrize("signed_in", [True, False])
async def test_every_page_answers_head_like_get(client: Client, signed_in: bool) -> None:
    await story.new_member(client, "headed", role=Role.ADMIN)
    model_id, version_id = await story.published(client)
    if not signed_in:
        client.sign_out()
        await client.page("/")
    statuses = set()
    browser = client.remember()

    async def answer(method: str, address: str) -> httpx.Response:
        # A page may leave a message for the next one in a cookie: each request comes from the same browser.
        client.recall(browser)
        # Not packed: the secrets in a page are others each time, and so is what packing saves.
        return await client.request(method, address, headers={**HTML, "accept-encoding": "identity"})

    for path in GET_PAGES:
        address = filled(path, model_id, version_id)
        got = await answer("GET", address)
        head = await answer("HEAD", address)
        assert head.content == b"", path
        assert head.status_code != 405, path
        if path == "/metrics":
            # It counts the very requests, so its length changes.
            assert head.headers["content-type"] == got.headers["content-type"]
            continue
        assert facts(head) == facts(got), path
        statuses.add(got.status_code)
    assert {200, 303} <= statuses


async def test_other_methods_are_still_refused(client: Client) -> None:
    answer = await client.request("HEAD", "/logout")
    assert answer.status_code == 405 and answer.content == b""
    assert (await client.delete("/models")).status_code == 405
